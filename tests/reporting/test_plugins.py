"""Provenance names the packages outside ttsbench with their version and a hash of their code."""

import shutil
import sys
from pathlib import Path

import pytest
from tinycorpus import installed, tiny_experiment

from ttsbench.reporting.plugins import plugin_packages

SUPPORT = Path(__file__).parents[1] / "support"


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """An editable copy of tinyplugins.py, installed."""
    copy = Path(shutil.copy(SUPPORT / "tinyplugins.py", tmp_path / "tinyplugins.py"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tinyplugins", raising=False)
    with installed(tmp_path / "site"):
        yield copy
    sys.modules.pop("tinyplugins", None)


def packages():
    adapters = {"l1": {}, "renamed": {"adapter": "pupil"}, "two_groups": {}}
    return plugin_packages(tiny_experiment(None, adapters=adapters, metrics={"mcd": {}, "level": {}}))


def test_packages_are_named_with_version_and_plugins(plugins):
    (name,) = packages()
    assert name == "tinyplugins"
    assert packages()[name]["version"] == "1.0"
    assert packages()[name]["plugins"] == ["adapters/pupil", "adapters/two_groups", "metrics/level"]


def test_hash_changes_with_the_code_and_not_with_comments(plugins):
    before = packages()["tinyplugins"]["code"]
    text = plugins.read_text(encoding="utf-8")
    plugins.write_text(f"# A comment.\n{text}", encoding="utf-8")
    assert packages()["tinyplugins"]["code"] == before
    plugins.write_text(text.replace("LOUD = 0.3", "LOUD = 0.2"), encoding="utf-8")
    assert packages()["tinyplugins"]["code"] != before


def test_own_plugins_are_not_listed():
    assert plugin_packages(tiny_experiment(None)) == {}
