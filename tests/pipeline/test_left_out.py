"""A failed objective costs its own row: the other systems are scored, and the exit status says that one is missing."""

import pytest
from tinycorpus import tiny_corpus, tiny_experiment

from ttsbench.engine.job import Run
from ttsbench.pipeline.commands import _report_systems_without_clips
from ttsbench.pipeline.left_out import left_out_systems, remaining_plan
from ttsbench.pipeline.plan import make_plan

NOT_RUN = "not run, because it needs a job that failed"


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return tiny_experiment(tiny_corpus(tmp_path_factory.mktemp("left_out") / "corpus"), prosody=["oracle"])


def failures_after(plan, failed, reason):
    """The failures that the executor reports if one job fails: it, and every job that needs it."""
    failures = {failed: reason}
    for job in plan:
        if set(job.needs) & failures.keys():
            failures[job.id] = NOT_RUN
    return failures


def test_reason_is_that_of_the_first_job_that_failed(experiment):
    plan = make_plan(experiment)
    failures = failures_after(plan, "train l1-acoustic-seed0", "loss became nan at step 3\nTraceback")
    assert left_out_systems(plan, failures) == {"l1+oracle": "train l1-acoustic-seed0: loss became nan at step 3"}


def test_remaining_systems_are_scored_by_jobs_of_their_own(experiment):
    plan = make_plan(experiment)
    left_out = left_out_systems(plan, failures_after(plan, "train l1-acoustic-seed0", "nan"))
    *_, score, report = remaining_plan(experiment, plan, left_out)
    assert score.spec.systems == ["ground-truth", "copy-synthesis", "l2+oracle"]
    assert report.spec.left_out == left_out
    assert {score.key, report.key}.isdisjoint(job.key for job in plan), "the full table stays unfinished"


@pytest.mark.parametrize("failed", ["prepare", "synthesize ground-truth seed0", "score"])
def test_nothing_is_reported_without_references_or_after_another_fault(experiment, failed):
    plan = make_plan(experiment)
    assert failed in {job.id for job in plan}
    left_out = left_out_systems(plan, failures_after(plan, failed, "fault"))
    assert remaining_plan(experiment, plan, left_out) == []


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["a,mcd,1.0,5,0", "b,mcd,2.0,4,1"], 0),
        (["a,mcd,1.0,5,0", "b,mcd,,0,5", "b,nfe,,0,5"], 1),
        (["ground-truth,mcd,0,5,0", "ground-truth,nfe,,0,0"], 0),  # a metric that does not apply is no failure
    ],
)
def test_system_without_any_measured_clip_is_an_error(tmp_path, experiment, capsys, lines, status):
    text = "\n".join(["system,metric,value,n,n_failed", *lines, ""])
    (tmp_path / "summary.csv").write_text(text, encoding="utf-8")
    assert _report_systems_without_clips(Run(tmp_path, experiment)) == status
    assert ("b: all clips failed" in capsys.readouterr().err) == bool(status)
