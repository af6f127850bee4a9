"""Plan the rest of a run in which an objective failed: a table of all other systems, with the reason.

The full plan stays unfinished, so that the next run of the command tries the failed jobs again. The jobs that score and
report the remaining systems have keys of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ttsbench.config.schema import Experiment
from ttsbench.config.systems import GROUND_TRUTH, REFERENCES
from ttsbench.engine.job import AnyJob
from ttsbench.pipeline.evaluation_plan import scoring_jobs

MAKES_CLIPS = ("synthesize", "external", "collect")


def left_out_systems(plan: Sequence[AnyJob], failures: Mapping[str, str]) -> dict[str, str]:
    """Return the systems whose clips or transcripts failed, each with the first reason on the way to them."""
    by_id = {job.id: job for job in plan}
    stages = (*MAKES_CLIPS, "transcribe")
    failed = [job for job in plan if job.id in failures and job.stage in stages]
    return {job.spec.system: _root_reason(job, by_id, failures) for job in reversed(failed)}


def remaining_plan(experiment: Experiment, plan: Sequence[AnyJob], left_out: Mapping[str, str]) -> list[AnyJob]:
    """Return the jobs that score and report all other systems; none if no model or no reference is left."""
    sources = [job for job in plan if job.stage in MAKES_CLIPS and job.spec.system not in left_out]
    names = {job.spec.system for job in sources}
    if not left_out or GROUND_TRUTH not in names or names <= set(REFERENCES):
        return []
    return scoring_jobs(experiment, sources, left_out)


def _root_reason(job: AnyJob, by_id: Mapping[str, AnyJob], failures: Mapping[str, str]) -> str:
    """Return the first line of the failure that stopped a job: its own, or that of a job that it needs."""
    for need in job.needs:
        if need in failures:
            return _root_reason(by_id[need], by_id, failures)
    return f"{job.id}: {failures[job.id].splitlines()[0]}"
