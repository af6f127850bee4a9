"""Entries of a corpus folder that are no readable files: planning neither hangs nor fails, and each is excluded."""

import csv
import os
import signal
import socket

import pytest
from tinycorpus import prepared, tiny_corpus, tiny_experiment

from ttsbench.pipeline.plan import make_plan


@pytest.fixture(autouse=True)
def no_hang():
    """Reading a FIFO waits forever; an alarm turns that into a failure."""

    def fail(*_):
        raise TimeoutError("this test waits for a file that never answers")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A corpus of sixteen clips; five audio files and one alignment are replaced by other things."""
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path / "cache"))
    folder = tiny_corpus(tmp_path / "corpus", 16)
    wavs = folder / "wavs"
    for name in ("c01", "c02", "c03", "c04", "c05"):
        (wavs / f"{name}.wav").unlink()
    os.mkfifo(wavs / "c01.wav")
    (wavs / "c02.wav").symlink_to(tmp_path / "nowhere.wav")
    server = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(wavs)  # the path of a socket has at most 107 bytes
    server.bind("c03.wav")
    (wavs / "c04.wav").mkdir()
    (wavs / "c05.wav").symlink_to("/proc/self/mem")  # a regular file whose reading fails
    os.mkfifo(wavs / "notes.flac")
    (folder / "TextGrid" / "c06.TextGrid").unlink()
    os.mkfifo(folder / "TextGrid" / "c06.TextGrid")
    yield folder
    server.close()


def test_planning_reads_regular_files_only(corpus):
    keys = [job.key for job in make_plan(tiny_experiment(corpus))]
    assert keys == [job.key for job in make_plan(tiny_experiment(corpus))]


def test_every_such_entry_is_excluded_with_a_reason(corpus, tmp_path):
    run = prepared(tmp_path, corpus)
    with (run.folder / "prepare" / "excluded.csv").open(newline="", encoding="utf-8") as file:
        reasons = {row["id"]: row["reason"] for row in csv.DictReader(file)}
    assert set(reasons) == {"c01", "c02", "c03", "c04", "c05"}
    assert all("no regular file" in reasons[name] for name in ("c01", "c02", "c03", "c04"))
    assert "cannot be read" in reasons["c05"]
