"""Sentinels vouch for every file of a finished job; what is missing or damaged is made again."""

import json
import os

import pytest

from ttsbench.engine.sentinels import damaged_files, discard_damage, is_done, mark_done, open_folder, was_done
from ttsbench.engine.store import read_json, write_text
from ttsbench.errors import TtsbenchError


@pytest.fixture
def finished(tmp_path):
    """A finished job of two files, and a table beside its folder."""
    folder, table = tmp_path / "job", tmp_path / "table.md"
    open_folder(folder, "k")
    write_text(folder / "a" / "one.json", '{"x": 1}')
    write_text(folder / "two.csv", "1,2\n3,4\n")
    write_text(table, "| a |\n")
    mark_done(folder, "k", [table])
    assert is_done(folder, "k") and damaged_files(folder, thorough=True) == []
    return folder


def truncate(path):
    path.write_bytes(path.read_bytes()[:3])


def delete(path):
    path.unlink()


def flip(path):
    """Change a byte and keep the size."""
    path.write_bytes(b"?" + path.read_bytes()[1:])


@pytest.mark.parametrize("damage", [truncate, delete, flip])
@pytest.mark.parametrize("name", ["a/one.json", "two.csv", "../table.md"])
def test_damage_is_noticed_and_costs_the_damaged_file(finished, damage, name):
    path = finished / name
    damage(path)
    assert not is_done(finished, "k") and was_done(finished, "k")
    assert [os.path.realpath(file) for file in damaged_files(finished)] == [os.path.realpath(path)]
    discard_damage(finished, whole=False)
    assert not path.exists() and not was_done(finished, "k")
    assert sum(file.is_file() for file in finished.rglob("*")) == (3 if name.startswith("..") else 2)


def test_a_copy_with_other_times_is_intact(finished):
    os.utime(finished / "two.csv", (1, 1))
    assert is_done(finished, "k")


def test_a_change_that_keeps_size_and_time_is_found_by_a_thorough_check(finished):
    path = finished / "two.csv"
    status = path.stat()
    flip(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert is_done(finished, "k") and damaged_files(finished, thorough=True) == [path]


@pytest.mark.parametrize("content", ["", "{", "k", json.dumps({"key": "k"}), "\x00" * 9])
def test_a_damaged_sentinel_vouches_for_nothing(finished, content):
    (finished / "done").write_text(content)
    assert not is_done(finished, "k") and not was_done(finished, "k")
    (finished / "key").write_bytes(b"\xff\xfe")
    open_folder(finished, "k")
    assert not (finished / "two.csv").exists()


def test_damaged_json_is_named(tmp_path):
    path = tmp_path / "notes.json"
    path.write_text('{"a": ')
    with pytest.raises(TtsbenchError, match=r"notes\.json is damaged .* Delete it and run the same command again"):
        read_json(path)
