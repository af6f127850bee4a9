"""Faults stay in the task that causes them: worker deaths, exceptions, stalls."""

from functools import partial
from types import SimpleNamespace

import pytest
from tinycorpus import tiny_experiment
from toywork import toy_work

from ttsbench.engine import executor
from ttsbench.engine.executor import execute
from ttsbench.engine.job import Job, Run
from ttsbench.engine.local import LocalEngine


class Log:
    """A reporter that stores messages."""

    def __init__(self):
        self.lines, self.ticks = [], 0

    def message(self, text):
        self.lines.append(text)

    def tick(self):
        self.ticks += 1

    def __getattr__(self, name):
        return lambda *arguments: None


@pytest.fixture
def carry_out(tmp_path, monkeypatch):
    """Return a function that executes jobs, given as name -> (needs, actions of its tasks), and gives the failures."""

    def carry_out(jobs, workers=2, timeout_s=None):
        experiment = tiny_experiment(None, compute={"task_timeout_s": timeout_s})
        run = Run(tmp_path, experiment)
        actions = {name: actions for name, (_, actions) in jobs.items()}

        def tasks(run, job):
            return [{"do": action, "clips": ["clip-a", "clip-b"]} for action in actions[job.id]]

        monkeypatch.setattr(
            executor, "stage_module", lambda stage: SimpleNamespace(tasks=tasks, finish=lambda run, job: None)
        )
        plan = [Job(name, "train", needs, name, name, 1.0, None) for name, (needs, _) in jobs.items()]
        log = Log()
        return execute(run, plan, workers, log, partial(LocalEngine, work=toy_work), 0.2), log

    return carry_out


def test_a_death_is_charged_to_the_running_task_alone(carry_out, tmp_path):
    failures, log = carry_out({"bad": ((), ["die"]), "good": ((), ["wait"] * 6)})
    assert list(failures) == ["bad"] and len(list(tmp_path.glob("*.done"))) == 6
    assert "bad, task 1 at clip-a: its worker was killed by SIGKILL" in failures["bad"]
    assert "in each of 3 attempts" in failures["bad"] and "about to die" in failures["bad"]
    assert sum("it is repeated" in line for line in log.lines) == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_single_death_fails_nothing(carry_out, tmp_path, workers):
    failures, log = carry_out({"unlucky": ((), ["wait", "die once", "wait", "wait"])}, workers)
    assert failures == {} and len(list(tmp_path.glob("*.done"))) == 4
    assert any("unlucky, task 2 at clip-b: its worker was killed by SIGSEGV" in line for line in log.lines)


def test_the_reason_of_an_exception_that_cannot_be_unpickled_arrives(carry_out):
    failures, _ = carry_out({"raises": ((), ["raise"]), "after": (("raises",), ["wait"])})
    assert failures["raises"].startswith("Unpicklable: this and that")
    assert failures["after"] == "not run, because it needs a job that failed"


def test_a_stalled_task_is_stopped_and_repeated(carry_out):
    failures, log = carry_out({"slow": ((), ["hang", "wait"])}, timeout_s=3.0)
    assert failures == {} and any("made no progress for 0:0" in line and "pid" in line for line in log.lines)
    assert log.ticks > 5, "progress lines go on while no task ends"


def test_a_stall_is_reported_without_a_limit(carry_out, monkeypatch):
    monkeypatch.setattr(executor, "STALL_S", 0.5)
    failures, log = carry_out({"slow": ((), ["wait long"])}, workers=1)
    assert failures == {}
    assert sum("slow, task 1 at clip-a (pid" in line and "compute.task_timeout_s" in line for line in log.lines) == 1


def test_prints_of_plugins_become_messages(carry_out):
    _, log = carry_out({"prints": ((), ["print"])})
    assert "a plug-in \x1b[31mprints" in log.lines
