"""Run folders: atomic writes, keys and sentinels, a lock that ends with its process, full disks."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from ttsbench.engine import store
from ttsbench.engine.sentinels import is_done, mark_done, open_folder
from ttsbench.engine.store import (
    check_space,
    content_hash,
    file_stem,
    locked,
    read_json,
    write_bytes,
    write_json,
    write_text,
)
from ttsbench.errors import TtsbenchError
from ttsbench.models.speech_model import save_model

REPOSITORY = Path(__file__).resolve().parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from ttsbench.engine.store import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


# Writing


def test_written_values_are_read_back(tmp_path):
    write_json(tmp_path / "a" / "b.json", {"ä": [1, None]})
    assert read_json(tmp_path / "a" / "b.json") == {"ä": [1, None]}
    assert (tmp_path / "a" / "b.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("step", ["fdopen", "replace"])
def test_failed_write_keeps_the_old_file_and_leaves_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    write_text(path, "old")

    def fail(*_, **__):
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(*((os, "fdopen") if step == "fdopen" else (Path, "replace")), fail)
    with pytest.raises(OSError, match="I/O error"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_durable_file_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: steps.append("fsync") or fsync(handle))
    monkeypatch.setattr(Path, "replace", lambda self, target: steps.append("replace") or replace(self, target))
    write_json(tmp_path / "done", {}, durable=True)
    mark_done(tmp_path / "job", "key")
    save_model(tmp_path / "model", {"weight": torch.zeros(1)}, {})
    assert steps == [
        *["fsync", "replace"] * 2,
        "replace",
        "fsync",
        "replace",
    ]  # the model: its description, its weights


def test_paths_that_are_not_utf8_survive_json_and_are_shown_in_text(tmp_path):
    write_json(tmp_path / "a.json", {"caf\udce9": ["語"]})
    assert read_json(tmp_path / "a.json") == {"caf\udce9": ["語"]}
    write_text(tmp_path / "a.txt", "caf\udce9")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "caf\\udce9"


@pytest.mark.parametrize("name", ["x" * 250, "語" * 83, "caf\udce9" * 60])
def test_long_names_become_short_stems_that_differ(tmp_path, name):
    stems = {file_stem(name), file_stem(f"{name}y"), file_stem(f"z{name[1:]}")}
    assert len(stems) == 3
    for stem in stems:
        write_text(tmp_path / f"{stem}.safetensors", "content")


def test_reader_never_sees_a_partial_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    seen = []
    replace = Path.replace

    def watch(self, target):
        seen.append((path.exists(), self.read_bytes(), self.parent == path.parent))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watch)
    write_bytes(path, b"x" * 100_000)
    assert seen == [(False, b"x" * 100_000, True)]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_reported_in_one_sentence(tmp_path, monkeypatch, number):
    def full(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(TtsbenchError, match=r"No space left on the disk that holds .*same command resumes") as caught:
        write_text(tmp_path / "file", "x")
    assert str(tmp_path) in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_check_space(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 1_000) if path == tmp_path else None)
    folder = tmp_path / "not" / "yet"
    check_space(folder, 1_000)
    with pytest.raises(TtsbenchError, match=r"needs about 2\.00 GB and 0\.00 GB are free") as caught:
        check_space(folder, 2_000_000_000)
    assert str(folder) in str(caught.value)


# Keys and sentinels


def test_hashes_depend_on_values_and_not_on_order():
    assert content_hash({"a": 1, "b": [1, 2]}) == content_hash({"b": [1, 2], "a": 1})
    different = [{"a": 1}, {"a": 2}, {"a": "1"}, {"a": [1]}, [1, 2], [2, 1], None, "", {}]
    assert len({content_hash(value) for value in different}) == len(different)


def test_sentinel_contains_the_key(tmp_path):
    folder = tmp_path / "job"
    assert not is_done(folder, "k1")
    open_folder(folder, "k1")
    assert not is_done(folder, "k1")
    mark_done(folder, "k1")
    assert is_done(folder, "k1")
    assert not is_done(folder, "k2")
    assert not is_done(folder, "k")


def test_same_key_keeps_the_folder(tmp_path):
    folder = tmp_path / "job"
    open_folder(folder, "k1")
    write_text(folder / "part", "x")
    open_folder(folder, "k1")
    assert (folder / "part").read_text() == "x"


def test_another_key_empties_the_folder(tmp_path):
    folder = tmp_path / "job"
    open_folder(folder, "k1")
    write_text(folder / "part", "x")
    mark_done(folder, "k1")
    open_folder(folder, "k2")
    assert [path.name for path in folder.iterdir()] == ["key"]
    assert not is_done(folder, "k1")


def test_folder_without_a_key_is_emptied(tmp_path):
    folder = tmp_path / "job"
    write_text(folder / "part", "x")
    open_folder(folder, "k1")
    assert not (folder / "part").exists()


def test_environment_sets_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path))
    assert store.cache_dir() == tmp_path
    monkeypatch.setenv("TTSBENCH_CACHE", "")
    assert store.cache_dir() == Path.home() / ".cache" / "ttsbench"


# The lock


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of tmp_path."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], env=environment,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_second_process_is_refused_until_the_first_is_killed(tmp_path, holder):
    with pytest.raises(TtsbenchError, match=r"Another ttsbench is running in .*--output") as caught, locked(tmp_path):
        pass
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(tmp_path):
        pass


def test_lock_is_released_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


def test_errors_inside_a_lock_pass_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError), locked(tmp_path):
        raise FileNotFoundError


def test_file_at_the_path_of_the_folder_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "run").write_text("x", encoding="utf-8")
    with pytest.raises(TtsbenchError, match="cannot be used"), locked(tmp_path / "run"):
        pass


def test_a_refused_command_leaves_no_folder_behind(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "refused"):
        1 / 0  # noqa: B018
    assert not (tmp_path / "refused").exists()
    (tmp_path / "empty").mkdir()
    with locked(tmp_path / "empty"):
        pass
    with locked(tmp_path / "run"):
        (tmp_path / "run" / "table.md").write_text("kept")
    assert (tmp_path / "empty").exists() and (tmp_path / "run" / "table.md").exists()
