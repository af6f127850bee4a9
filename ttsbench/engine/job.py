"""What a run consists of: jobs, each owning a folder, each made of independent tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from ttsbench.config.schema import Experiment

Stage = Literal["prepare", "train", "synthesize", "collect", "transcribe", "score", "report"]
STAGES: tuple[Stage, ...] = ("prepare", "train", "synthesize", "collect", "transcribe", "score", "report")
Task = Mapping[str, Any]  # JSON values: it travels to a worker
Progress = Callable[[float], None]  # called with the fraction of the task that is done


@dataclass(frozen=True)
class Run:
    """One experiment in one folder."""

    folder: Path
    experiment: Experiment


@dataclass(frozen=True)
class Job:
    """A piece of the plan. ``key`` is the hash of everything its result depends on, earlier jobs' keys included."""

    id: str
    stage: Stage
    needs: tuple[str, ...]
    key: str
    folder: str  # relative to the run's
    cost_s: float  # estimate, on one worker
    spec: Mapping[str, Any] = field(default_factory=dict)
    incremental: bool = False  # keep the folder when the key changes: the stage knows which of its rows still hold

    def path(self, run: Run) -> Path:
        """The job's folder."""
        return run.folder / self.folder


class StageModule(Protocol):
    """What the module of a stage provides. Tasks are skipped by the stage itself where their result is there."""

    def tasks(self, run: Run, job: Job) -> Sequence[Task]:
        """The work that is left, cut into independent pieces; may refuse bad input."""
        ...

    def work(self, run: Run, job: Job, task: Task, progress: Progress) -> None:
        """Do one piece in a worker process."""
        ...

    def finish(self, run: Run, job: Job) -> None:
        """Bring the pieces together once all are done."""
        ...
