"""Progress: wrong estimates are corrected by stage, and lines tell the remaining time."""

import io

import pytest
from rich.console import Console

from ttsbench.engine.eta import RemainingTime
from ttsbench.engine.job import Job
from ttsbench.engine.progress import RunReporter, console


def job(name, stage, cost_s):
    return Job(name, stage, (), name, name, cost_s, None)


TRAINING, SYNTHESIS = job("train a", "train", 300.0), job("synthesize a", "synthesize", 600.0)


def test_estimates_are_used_until_there_are_measurements():
    assert RemainingTime([TRAINING, SYNTHESIS], 2).seconds() == pytest.approx(450)


def test_slow_stage_does_not_correct_another_stage():
    remaining = RemainingTime([TRAINING, SYNTHESIS], 1)
    remaining.set_tasks(TRAINING, 1)
    remaining.record("train a", 0, 0.0, 100.0)
    remaining.record("train a", 0, 0.5, 550.0)  # 450 s for half of 300
    assert remaining.seconds() == pytest.approx(150 * (450 + 10) / (150 + 10) + 600)
    remaining.finish(TRAINING)
    assert remaining.seconds() == pytest.approx(600)


def test_tasks_of_two_workers_count_by_their_durations():
    remaining = RemainingTime([SYNTHESIS], 2)
    remaining.set_tasks(SYNTHESIS, 4)
    for index, began in enumerate((0.0, 0.0, 75.0)):
        remaining.record("synthesize a", index, 0.0, began)
    for index in (0, 1):
        remaining.record("synthesize a", index, 1.0, 75.0)
    remaining.record("synthesize a", 1, 0.0, 75.0)  # late
    assert remaining.seconds() == pytest.approx(300 * (150 + 10) / (300 + 10) / 2)


def test_failed_job_needs_no_time_and_late_reports_change_nothing():
    remaining = RemainingTime([TRAINING, SYNTHESIS], 1)
    remaining.drop(SYNTHESIS)
    remaining.record("synthesize a", 0, 0.1, 5.0)
    remaining.finish(TRAINING)
    remaining.record("train a", 0, 0.1, 5.0)
    assert remaining.seconds() == 0


def test_percentage_never_decreases():
    """A stage that takes longer than estimated, a repeated task and a failed job lengthen the remaining time only."""
    jobs = [TRAINING, job("train b", "train", 200.0), SYNTHESIS]
    remaining, shown = RemainingTime(jobs, 2), []
    remaining.set_tasks(TRAINING, 2)
    steps = [
        lambda: remaining.record("train a", 0, 0.0, 0.0),
        lambda: remaining.record("train a", 0, 0.5, 10.0),
        lambda: remaining.record("train a", 0, 0.6, 5000.0),  # 80 times as slow
        lambda: remaining.record("train a", 0, 0.0, 5001.0),  # the worker crashed
        lambda: remaining.record("train b", 0, 0.9, 5002.0),
        lambda: remaining.drop(jobs[1]),
        lambda: remaining.finish(TRAINING),
        lambda: remaining.finish(SYNTHESIS),
    ]
    left = []
    for step in steps:
        step()
        shown.append(remaining.fraction())
        left.append(remaining.seconds())
    assert left[2] > 10 * left[1]
    assert shown == pytest.approx([0, 75 / 1100, 90 / 1100, 90 / 1100, 270 / 1100, 290 / 1100, 500 / 1100, 1])


def test_lines_tell_fraction_and_remaining_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("ttsbench.engine.progress.time.monotonic", lambda: now[0])
    output = io.StringIO()
    reporter = RunReporter(Console(file=output, soft_wrap=True), True)
    reporter.start([TRAINING, SYNTHESIS], [TRAINING, SYNTHESIS], 1)
    for waiting in (TRAINING, SYNTHESIS):
        reporter.job_started(waiting)
        reporter.job_split(waiting, 1)
    reporter.task_progress("train a", 0, 0.0)
    now[0] = 300.0
    reporter.job_done(TRAINING)
    assert "  33%  about 10:00 left  synthesize a" in output.getvalue()
    now[0] = 400.0
    reporter.job_failed(SYNTHESIS, "it broke")
    assert "100%  about 0:00 left" in output.getvalue() and "failed  synthesize a: it broke" in output.getvalue()


def test_control_sequences_in_messages_and_reasons_are_shown_and_not_sent(capsys):
    reporter = RunReporter(console(), quiet=True)
    reporter.message("a plug-in \x1b[31mprints")
    reporter.job_failed(job("score", "score", 1.0), "clip \x1b]0;title\x07.wav")
    output = capsys.readouterr().err
    assert "a plug-in \\x1b[31mprints" in output and "clip \\x1b]0;title\\x07.wav" in output
    assert "\x1b[31mprints" not in output and "\x07" not in output
