"""The remaining time of a run, and the share of its work that is finished.

Cost estimates come from another machine, and may be further off for one kind of work than for another. So each stage
has a correction factor, worker-seconds spent per estimated second, which is near 1 until work has been done:

    factor(stage) = (spent + PRIOR_S) / (estimated cost of what is finished + PRIOR_S)
    remaining     = sum over stages of factor(stage) * estimated cost of what is not / workers

The finished share of a run uses the estimates without correction: it never decreases, as a share of elapsed and
remaining time would whenever a correction factor grows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ttsbench.engine.job import AnyJob

PRIOR_S = 10.0  # seconds of work for which the estimate counts as measured


class RemainingTime:
    """Estimate from the progress of all tasks; times are seconds on any clock."""

    def __init__(self, jobs: Sequence[AnyJob], workers: int) -> None:
        self._jobs, self._workers = {job.id: job for job in jobs}, workers
        self._tasks: dict[str, int] = {}
        self._fractions: dict[str, dict[int, float]] = defaultdict(dict)
        self._started: dict[tuple[str, int], float] = {}
        self._spent: dict[tuple[str, int], float] = {}
        self._done: set[str] = set()
        self._dropped_s = 0.0
        self._total_s = sum(job.cost_s for job in jobs)

    def set_tasks(self, job: AnyJob, tasks: int) -> None:
        """Set the number of tasks that a job has left."""
        self._tasks[job.id] = tasks

    def record(self, job_id: str, index: int, fraction: float, now: float) -> None:
        """Record the progress of a task; the first report marks its start."""
        if job_id in self._jobs and job_id not in self._done:
            before = self._fractions[job_id].get(index, 0.0)
            self._fractions[job_id][index] = max(before, fraction)  # a repeated task starts again at 0
            self._spent[job_id, index] = now - self._started.setdefault((job_id, index), now)

    def finish(self, job: AnyJob) -> None:
        """Mark a job as finished."""
        self._done.add(job.id)

    def drop(self, job: AnyJob) -> None:
        """Remove a failed job, which takes no more time."""
        if self._jobs.pop(job.id, None) is not None:
            self._dropped_s += job.cost_s

    def fraction(self) -> float:
        """Return the finished share of the estimated work, failed jobs included; it never decreases."""
        if not self._total_s:
            return 1.0
        finished = sum(self._share(job) * job.cost_s for job in self._jobs.values())
        return min(1.0, (finished + self._dropped_s) / self._total_s)

    def seconds(self) -> float:
        """Return the seconds until all jobs are done, with every worker busy."""
        finished, waiting, spent = (defaultdict[str, float](float) for _ in range(3))
        for job in self._jobs.values():
            share = self._share(job)
            finished[job.stage] += share * job.cost_s
            waiting[job.stage] += (1 - share) * job.cost_s
        for (job_id, _), seconds in self._spent.items():
            if job_id in self._jobs:
                spent[self._jobs[job_id].stage] += seconds
        return sum(_factor(stage, spent, finished) * seconds for stage, seconds in waiting.items()) / self._workers

    def _share(self, job: AnyJob) -> float:
        """Return the finished share of a job."""
        if job.id in self._done:
            return 1.0
        return min(1.0, sum(self._fractions[job.id].values()) / max(1, self._tasks.get(job.id, 1)))


def _factor(stage: str, spent: Mapping[str, float], finished: Mapping[str, float]) -> float:
    return (spent[stage] + PRIOR_S) / (finished[stage] + PRIOR_S)
