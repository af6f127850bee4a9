"""Runs that are killed at any moment resume to the same numbers, and lock their folder."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from finishedsite import contents, without_rtf
from tinyrun import compare

from ttsbench.engine.store import locked

REPOSITORY = Path(__file__).resolve().parents[2]


def start(site, folder, *overrides):
    """Start the same experiment in a process group of its own."""
    path = [str(site.root / "plugins"), str(REPOSITORY), str(REPOSITORY / "tests" / "support")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "TTSBENCH_CACHE": str(site.root / "cache")}
    command = [
        sys.executable,
        "-m",
        "ttsbench.cli",
        "compare",
        str(site.experiment),
        "--output",
        str(folder),
        "--jobs",
        "2",
        *(["--set", *overrides] if overrides else []),
    ]
    return subprocess.Popen(command, env=environment, start_new_session=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip


def members(session):
    """Return the living processes of a session."""
    result = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, its_session = status.read_text().rpartition(") ")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                result.append(int(status.parent.name))
    return result


def kill(process):
    """Kill the leader only; its workers must notice by themselves."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 120
    while members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not members(process.pid), "workers outlived their run"


def wait_for(process, folder, pattern):
    """Wait until a run has written a file like this, or has ended."""
    deadline = time.monotonic() + 900  # starting takes minutes on a busy machine
    while process.poll() is None and not any(folder.glob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_resumes(site, folder):
    result = compare(site.experiment, "--output", folder, "--jobs", "2")
    assert result.status == 0, result.err
    assert without_rtf(folder) == without_rtf(site.finished)
    assert contents(folder, "wavs/**/*.wav") == contents(site.finished, "wavs/**/*.wav")


def test_killed_run_resumes_to_the_same_table(site, tmp_path):
    folder = tmp_path / "run"
    process = start(site, folder)
    wait_for(process, folder, "train/*/weights.safetensors")
    assert members(process.pid)
    kill(process)
    assert not (folder / "summary.csv").exists()
    assert_resumes(site, folder)


STAGES = ["prepare/key", "prepare/done", "train/*/key", "train/*/done", "wavs/*/*/key", "wavs/*/*/*/*.wav",
          "transcripts/*/*/key", "transcripts/*/*/done", "scores/parts/*", "scores/done"]  # fmt: skip


@pytest.mark.slow
def test_a_hundred_kills_over_all_stages_change_nothing(site, tmp_path):
    """In every stage, workers are killed at random times, and then the run itself.

    Each folder goes through all stages and must end with the table and the wavs of an undisturbed run.
    """
    rng, kills, attempt = random.Random(7), 0, 0
    while kills < 100:
        attempt += 1
        folder = tmp_path / f"run{attempt}"
        for stage in STAGES:
            process = start(site, folder)
            wait_for(process, folder, stage)
            for _ in range(rng.randrange(9)):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(rng.uniform(0, 0.5))
                workers = [pid for pid in members(process.pid) if pid != process.pid]
                if process.poll() is None and workers:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(rng.choice(workers), signal.SIGKILL)
                        kills += 1
            kills += process.poll() is None
            kill(process)
        assert_resumes(site, folder)


@pytest.mark.slow
def test_trainings_on_two_devices_end_with_their_run(site, tmp_path):
    folder = tmp_path / "run"
    process = start(site, folder, "compute.devices=2", "compute.accelerator=cpu", "compute.reuse=false")
    wait_for(process, folder, "train/*/key")
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(3)
    kill(process)


def test_second_run_in_a_locked_folder_is_refused(site):
    with locked(site.finished):
        result = compare(site.experiment, "--output", site.finished)
    assert result.status == 2
    assert result.err.startswith(f"ttsbench: Another ttsbench is running in {site.finished}.")
    assert compare(site.experiment, "--output", site.finished).status == 0
