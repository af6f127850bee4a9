"""The time left: estimates that are wrong by stage are corrected by stage."""

import io

import pytest
from rich.console import Console

from ttsbench.engine.eta import RemainingTime
from ttsbench.engine.job import Job
from ttsbench.engine.progress import RunReporter


def job(name, stage, cost_s):
    return Job(name, stage, (), name, name, cost_s, None)


TRAINED, SPOKEN = job("train a", "train", 300.0), job("synthesize a", "synthesize", 600.0)


def test_estimates_are_believed_until_there_is_something_to_go_by():
    assert RemainingTime([TRAINED, SPOKEN], 2).seconds() == pytest.approx(450)


def test_a_stage_that_takes_three_times_as_long_says_nothing_of_another():
    remaining = RemainingTime([TRAINED, SPOKEN], 1)
    remaining.set_tasks(TRAINED, 1)
    remaining.record("train a", 0, 0.0, 100.0)
    remaining.record("train a", 0, 0.5, 550.0)  # 450 s for half of 300
    assert remaining.seconds() == pytest.approx(150 * (450 + 10) / (150 + 10) + 600)
    remaining.finish(TRAINED)
    assert remaining.seconds() == pytest.approx(600)


def test_tasks_of_two_workers_count_by_what_each_took():
    remaining = RemainingTime([SPOKEN], 2)
    remaining.set_tasks(SPOKEN, 4)
    for index, began in enumerate((0.0, 0.0, 75.0)):
        remaining.record("synthesize a", index, 0.0, began)
    for index in (0, 1):
        remaining.record("synthesize a", index, 1.0, 75.0)
    remaining.record("synthesize a", 1, 0.0, 75.0)  # late
    assert remaining.seconds() == pytest.approx(300 * (150 + 10) / (300 + 10) / 2)


def test_what_failed_takes_no_more_time_and_last_words_change_nothing():
    remaining = RemainingTime([TRAINED, SPOKEN], 1)
    remaining.drop(SPOKEN)
    remaining.record("synthesize a", 0, 0.1, 5.0)
    remaining.finish(TRAINED)
    remaining.record("train a", 0, 0.1, 5.0)
    assert remaining.seconds() == 0


def test_lines_tell_how_far_it_is(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("ttsbench.engine.progress.time.monotonic", lambda: now[0])
    said = io.StringIO()
    reporter = RunReporter(Console(file=said, soft_wrap=True), True, 1)
    reporter.start([TRAINED, SPOKEN], [TRAINED, SPOKEN])
    for one in (TRAINED, SPOKEN):
        reporter.job_started(one)
        reporter.job_split(one, 1)
    reporter.task_progress("train a", 0, 0.0)
    now[0] = 300.0
    reporter.job_done(TRAINED)
    assert "  33%  about 10:00 left  synthesize a" in said.getvalue()
    now[0] = 400.0
    reporter.job_failed(SPOKEN, "it broke")
    assert "100%  about 0:00 left" in said.getvalue() and "failed  synthesize a: it broke" in said.getvalue()
