"""The Ray engine keeps the promises of engines: faults stay in their task, and progress and prints arrive."""

from functools import partial
from types import SimpleNamespace

import pytest
from tinycorpus import tiny_experiment
from toywork import toy_work

from ttsbench.engine import executor
from ttsbench.engine.executor import execute
from ttsbench.engine.job import Job, Run
from ttsbench.errors import ConfigError

pytest.importorskip("ray")
ACTIONS = {"fine": ["print", "wait", "die once", "hang", "wait"], "raises": ["raise"], "deadly": ["die"]}


class Log:
    """A reporter that stores messages and fractions."""

    def __init__(self):
        self.lines, self.fractions = [], []

    def message(self, text):
        self.lines.append(text)

    def task_progress(self, job_id, index, fraction):
        self.fractions.append((job_id, index, fraction))

    def __getattr__(self, name):
        return lambda *arguments: None


@pytest.mark.slow
def test_faults_stay_in_their_task_and_progress_and_prints_arrive(tmp_path, monkeypatch):
    from ttsbench.engine.ray_engine import RayEngine

    def tasks(run, job):
        return [{"do": action, "clips": ["clip-a", "clip-b"]} for action in ACTIONS[job.id]]

    stage = SimpleNamespace(tasks=tasks, finish=lambda run, job: None)
    monkeypatch.setattr(executor, "stage_module", lambda name: stage)
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path))
    run = Run(tmp_path / "run", tiny_experiment(None, compute={"task_timeout_s": 60.0}))
    plan = [Job(name, "train", (), name, name, 1.0, None) for name in ACTIONS]
    for name in ACTIONS:
        (run.folder / name).mkdir(parents=True)
    log = Log()
    failures = execute(run, plan, 2, log, partial(RayEngine, work=toy_work), 0.2)
    assert failures.keys() == {"raises", "deadly"}
    assert failures["raises"].startswith("Unpicklable: this and that")
    assert "deadly, task 1 at clip-a: its worker died" in failures["deadly"]
    assert "in each of 3 attempts" in failures["deadly"] and "about to die" in failures["deadly"]
    assert any("fine, task 3 at clip-b: its worker died" in line and "repeated" in line for line in log.lines)
    assert any("fine, task 4 at clip-a (pid" in line and "is stopped" in line for line in log.lines)
    assert "a plug-in \x1b[31mprints" in log.lines
    assert {("fine", index, 1.0) for index in range(5)} <= set(log.fractions)
    assert not run.layout.worker_files.exists()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "head", "ray://head:10001"])
def test_cluster_that_cannot_be_reached_is_refused(tmp_path, address):
    from ttsbench.engine.ray_engine import RayEngine

    with pytest.raises(ConfigError, match=rf"--address {address}: no Ray cluster can be reached"):
        RayEngine(Run(tmp_path, tiny_experiment(None)), address=address)
