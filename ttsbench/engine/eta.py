"""How long what is left of a run will take.

Estimates of jobs are those of another machine, and may be wrong by more for one kind of work than for another. So each
stage has a pace of its own, worker-seconds taken per second estimated, near 1 until there is something to go by:

    pace(stage) = (taken + PRIOR_S) / (estimated of what is finished + PRIOR_S)
    left        = sum over stages of pace(stage) estimated of what is not / workers
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ttsbench.engine.job import AnyJob

PRIOR_S = 10.0  # of work by which an estimate is believed


class Pace:
    """Told of every task; times are seconds on any clock."""

    def __init__(self, jobs: Sequence[AnyJob], workers: int) -> None:
        self._jobs, self._workers = {job.id: job for job in jobs}, workers
        self._tasks: dict[str, int] = {}
        self._fractions: dict[str, dict[int, float]] = defaultdict(dict)
        self._began: dict[tuple[str, int], float] = {}
        self._taken: dict[tuple[str, int], float] = {}
        self._done: set[str] = set()

    def cut(self, job: AnyJob, tasks: int) -> None:
        """How many tasks a job has left."""
        self._tasks[job.id] = tasks

    def seen(self, job_id: str, index: int, fraction: float, now: float) -> None:
        """How far a task is; the first time it is heard of is when it began."""
        if job_id in self._jobs and job_id not in self._done:  # a worker's last words may arrive after its result
            before = self._fractions[job_id].get(index, 0.0)
            self._fractions[job_id][index] = max(before, fraction)  # words of a worker may overtake each other
            self._taken[job_id, index] = now - self._began.setdefault((job_id, index), now)

    def done(self, job: AnyJob) -> None:
        """A job is finished."""
        self._done.add(job.id)

    def given_up(self, job: AnyJob) -> None:
        """A job failed, and takes no more time."""
        self._jobs.pop(job.id, None)

    def left_s(self) -> float:
        """Seconds until all is done, with every worker busy."""
        finished, waiting, taken = (defaultdict[str, float](float) for _ in range(3))
        for job in self._jobs.values():
            share = self._share(job)
            finished[job.stage] += share * job.cost_s
            waiting[job.stage] += (1 - share) * job.cost_s
        for (job_id, _), seconds in self._taken.items():
            if job_id in self._jobs:
                taken[self._jobs[job_id].stage] += seconds
        return sum(_pace(stage, taken, finished) * seconds for stage, seconds in waiting.items()) / self._workers

    def _share(self, job: AnyJob) -> float:
        """How much of a job is finished."""
        if job.id in self._done:
            return 1.0
        return min(1.0, sum(self._fractions[job.id].values()) / max(1, self._tasks.get(job.id, 1)))


def _pace(stage: str, taken: Mapping[str, float], finished: Mapping[str, float]) -> float:
    return (taken[stage] + PRIOR_S) / (finished[stage] + PRIOR_S)
