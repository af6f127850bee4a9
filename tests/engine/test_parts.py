"""Parts that a task has left are read by name; a part that does not appear fails the job."""

import threading

import pytest

from ttsbench.engine import parts
from ttsbench.engine.parts import require_parts
from ttsbench.errors import TtsbenchError


def test_missing_part_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "WAIT_S", 0.0)
    (tmp_path / "a").touch()
    with pytest.raises(TtsbenchError, match=r"/b and 1 more files are missing, although the tasks have ended"):
        require_parts([tmp_path / "a", tmp_path / "b", tmp_path / "c"])


def test_part_that_appears_late_is_awaited(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "POLL_S", 0.01)
    timer = threading.Timer(0.3, (tmp_path / "late").touch)
    timer.start()
    require_parts([tmp_path / "late"])
    timer.join()
