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
from collections.abc import Sequence
from dataclasses import dataclass, field

from ttsbench.engine.job import AnyJob

PRIOR_S = 10.0  # seconds of work for which the estimate counts as measured


@dataclass
class _JobProgress:
    job: AnyJob
    tasks: int = 1
    fractions: dict[int, float] = field(default_factory=dict)  # number of the task -> completed fraction
    started: dict[int, float] = field(default_factory=dict)
    spent: dict[int, float] = field(default_factory=dict)
    completed: float = 0.0  # sum of the fractions
    share: float = 0.0  # of the job that is finished
    is_done: bool = False


@dataclass
class _StageSums:
    cost_s: float = 0.0  # estimate of all jobs
    finished_s: float = 0.0  # estimate of what is finished
    spent_s: float = 0.0

    @property
    def remaining_s(self) -> float:
        return (self.spent_s + PRIOR_S) / (self.finished_s + PRIOR_S) * (self.cost_s - self.finished_s)


class RemainingTime:
    """Estimate from the progress of all tasks; times are seconds on any clock.

    Sums are updated with every report, so that the cost of a report does not depend on the number of tasks.
    """

    def __init__(self, jobs: Sequence[AnyJob], workers: int) -> None:
        self._workers = workers
        self._jobs = {job.id: _JobProgress(job) for job in jobs}
        self._stages: dict[str, _StageSums] = defaultdict(_StageSums)
        for job in jobs:
            self._stages[job.stage].cost_s += job.cost_s
        self._dropped_s = 0.0
        self._total_s = sum(job.cost_s for job in jobs)

    def set_tasks(self, job: AnyJob, tasks: int) -> None:
        """Set the number of tasks that a job has left."""
        if progress := self._jobs.get(job.id):
            progress.tasks = tasks
            self._update_share(progress)

    def record(self, job_id: str, index: int, fraction: float, now: float) -> None:
        """Record the progress of a task; the first report marks its start."""
        progress = self._jobs.get(job_id)
        if progress is None or progress.is_done:
            return
        before = progress.fractions.get(index, 0.0)
        progress.fractions[index] = max(before, fraction)  # a repeated task starts again at 0
        progress.completed += progress.fractions[index] - before
        spent = now - progress.started.setdefault(index, now)
        self._stages[progress.job.stage].spent_s += spent - progress.spent.get(index, 0.0)
        progress.spent[index] = spent
        self._update_share(progress)

    def finish(self, job: AnyJob) -> None:
        """Mark a job as finished."""
        if progress := self._jobs.get(job.id):
            progress.is_done = True
            self._update_share(progress)

    def drop(self, job: AnyJob) -> None:
        """Remove a failed job, which takes no more time."""
        if progress := self._jobs.pop(job.id, None):
            stage = self._stages[job.stage]
            stage.cost_s -= job.cost_s
            stage.finished_s -= progress.share * job.cost_s
            stage.spent_s -= sum(progress.spent.values())
            self._dropped_s += job.cost_s

    def fraction(self) -> float:
        """Return the finished share of the estimated work, failed jobs included; it never decreases."""
        if not self._total_s:
            return 1.0
        finished = sum(stage.finished_s for stage in self._stages.values())
        return min(1.0, (finished + self._dropped_s) / self._total_s)

    def seconds(self) -> float:
        """Return the seconds until all jobs are done, with every worker busy."""
        return max(0.0, sum(stage.remaining_s for stage in self._stages.values()) / self._workers)

    def _update_share(self, progress: _JobProgress) -> None:
        share = 1.0 if progress.is_done else min(1.0, progress.completed / max(1, progress.tasks))
        self._stages[progress.job.stage].finished_s += (share - progress.share) * progress.job.cost_s
        progress.share = share
