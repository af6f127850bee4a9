"""One experiment gives the same table on every engine, with lost workers, lost machines and a killed run in between."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from finishedsite import contents, without_rtf
from tinyrun import compare

from ttsbench.engine import parts
from ttsbench.engine.code_version import code_version, differences
from ttsbench.engine.job import Run
from ttsbench.engine.store import locked
from ttsbench.engine.worker import stage_module
from ttsbench.errors import TtsbenchError
from ttsbench.pipeline.plan import make_plan

REPOSITORY = Path(__file__).resolve().parents[2]
pytest.importorskip("ray")


def environment(site):
    path = [str(site.root / "plugins"), str(REPOSITORY), str(REPOSITORY / "tests" / "support")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "TTSBENCH_CACHE": str(site.root / "cache")}


def start(site, folder, *options):
    """Start the experiment in a process group of its own."""
    command = [sys.executable, "-m", "ttsbench.cli", "compare", str(site.experiment), "--output", str(folder), *options]
    return subprocess.Popen(command, env=environment(site), start_new_session=True, stdout=subprocess.DEVNULL,
                            stderr=(folder.parent / "stderr.txt").open("w"))  # fmt: skip


def wait_for(process, folder, pattern):
    """Wait until a run has written a file like this."""
    deadline = time.monotonic() + 900  # starting takes minutes on a busy machine
    while not any(folder.glob(pattern)):
        assert process.poll() is None, (folder.parent / "stderr.txt").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_same(site, folder):
    assert without_rtf(folder) == without_rtf(site.finished)
    assert contents(folder, "wavs/**/*.wav") == contents(site.finished, "wavs/**/*.wav")
    assert not (folder / ".workers").exists()


def workers_of(folder):
    """Return the processes that have a file of this run open for their output."""
    pids = set()
    for link in Path("/proc").glob("[0-9]*/fd/1"):
        with contextlib.suppress(OSError):
            if str(folder / ".workers") in str(link.readlink()):
                pids.add(int(link.parts[2]))
    return pids


@pytest.mark.slow
def test_one_local_worker_gives_the_table_of_two(site, tmp_path):
    result = compare(site.experiment, "--output", tmp_path / "run", "--jobs", "1")
    assert result.status == 0, result.err
    assert_same(site, tmp_path / "run")


@pytest.mark.slow
def test_ray_gives_the_same_table_and_a_killed_worker_costs_its_task(site, tmp_path):
    process = start(site, tmp_path / "run", "--engine", "ray", "--jobs", "2", "--quiet")
    wait_for(process, tmp_path / "run", "wavs/*/*/*/*.wav")
    for pid in list(workers_of(tmp_path / "run"))[:1]:
        os.kill(pid, signal.SIGKILL)
    assert process.wait(900) == 0, (tmp_path / "stderr.txt").read_text()
    assert_same(site, tmp_path / "run")


@pytest.mark.slow
def test_killed_driver_leaves_no_worker_and_no_lock_and_its_run_resumes(site, tmp_path):
    process = start(site, tmp_path / "run", "--engine", "ray", "--jobs", "2")
    wait_for(process, tmp_path / "run", "train/*/key")
    process.send_signal(signal.SIGKILL)
    process.wait()
    with locked(tmp_path / "run"):
        pass
    deadline = time.monotonic() + 120
    while workers_of(tmp_path / "run") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not workers_of(tmp_path / "run"), "workers outlived their run"
    result = compare(site.experiment, "--output", tmp_path / "run", "--engine", "ray", "--jobs", "2")
    assert result.status == 0, result.err
    assert_same(site, tmp_path / "run")


@pytest.fixture
def cluster(site):
    """Two machines of one CPU each: Ray nodes on loopback."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(site).items():
            patch.setenv(name, value)
        patch.setenv("RAY_worker_niceness", "0")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        cluster.add_node(num_cpus=1)
        yield cluster
        cluster.shutdown()


@pytest.mark.slow
def test_two_machines_one_of_which_is_lost_give_the_same_table(site, tmp_path, cluster):
    folder = tmp_path / "run"
    process = start(site, folder, "--engine", "ray", "--address", cluster.address, "--quiet")
    wait_for(process, folder, "wavs/*/*/*/*.wav")
    cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)
    assert process.wait(900) == 0, (tmp_path / "stderr.txt").read_text()
    assert_same(site, folder)


@pytest.mark.slow
def test_machine_with_other_code_or_without_the_disk_is_refused(site, tmp_path, cluster, monkeypatch):
    other = {**code_version(), "ttsbench": "0123"}
    monkeypatch.setattr("ttsbench.engine.ray_engine.code_version", lambda: other)
    result = compare(site.experiment, "--output", tmp_path / "run", "--engine", "ray", "--address", cluster.address)
    assert result.status == 2
    assert "has other code: ttsbench (" in result.err and "instead of 0123)" in result.err
    assert not (tmp_path / "run" / "prepare").exists()


@pytest.mark.parametrize(
    ("stage", "pattern"),
    [
        ("prepare", "prepare/parts/*.json"),
        ("train", "train/*/cost.json"),
        ("synthesize", "wavs/*/*/sample0/*.json"),
        ("transcribe", "transcripts/*/*/parts/*.json"),
        ("score", "scores/parts/*.json"),
    ],
)
def test_missing_part_fails_its_job_and_is_named(site, tmp_path, monkeypatch, stage, pattern):
    run = Run.open(site.copy(tmp_path / "run"))
    missing = min(run.folder.glob(pattern))
    missing.unlink()
    monkeypatch.setattr(parts, "WAIT_S", 0.0)
    job = next(job for job in make_plan(run.experiment) if missing.is_relative_to(job.path(run)))
    with pytest.raises(TtsbenchError, match=rf"{re.escape(str(missing))} is missing"):
        stage_module(stage).finish(run, job)


def test_address_is_refused_by_the_local_engine(site, tmp_path):
    result = compare(site.experiment, "--output", tmp_path / "run", "--address", "auto")
    assert result.status == 2 and "The engine 'local' has no option 'address'" in result.err
    result = compare(site.experiment, "--output", tmp_path / "run", "--engine", "rai")
    assert result.status == 2 and "Unknown engine 'rai'. Did you mean 'ray'?" in result.err


def test_differences_of_code_are_named():
    version = code_version()
    assert {"python", "torch", "ttsbench", "baselines", "metrics"} <= version.keys()
    assert differences(version, version) == ""
    assert differences(version, {**version, "torch": "1.0"}).startswith("torch (1.0 instead of ")
