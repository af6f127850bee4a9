"""A run and its jobs: each job owns a folder and consists of independent tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from ttsbench.config.loading import validate
from ttsbench.config.schema import Experiment
from ttsbench.engine.layout import RunLayout
from ttsbench.engine.resources import Resources, needed
from ttsbench.engine.store import read_json

Stage = Literal["prepare", "train", "tune", "synthesize", "external", "collect", "transcribe", "score", "report"]
STAGES: tuple[Stage, ...] = (
    "prepare", "train", "tune", "synthesize", "external", "collect", "transcribe", "score", "report",
)  # fmt: skip
Task = Mapping[str, Any]  # JSON values: tasks travel to worker processes
Progress = Callable[[float], None]  # called with the completed fraction of the task
Spec = TypeVar("Spec", covariant=True)


@dataclass(frozen=True)
class Run:
    """An experiment in its run folder.

    ``compares_folders`` is True for ``ttsbench score``: its clips lie outside the run folder, in folders of the user.
    """

    folder: Path
    experiment: Experiment
    compares_folders: bool = False

    @property
    def layout(self) -> RunLayout:
        """The paths of the run's files."""
        return RunLayout(self.folder)

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Return the run that was started in ``folder``; raises ``ConfigError`` for a damaged experiment."""
        layout = RunLayout(folder)
        experiment = validate(read_json(layout.experiment), str(layout.experiment))
        return cls(folder, experiment, layout.compares_folders)


@dataclass(frozen=True)
class Job(Generic[Spec]):
    """A part of the plan.

    ``key`` is the hash of everything that the result depends on, including the keys of earlier jobs. ``spec`` is the
    stage's own description of the work (see ``ttsbench.config.specs``).
    """

    id: str
    stage: Stage
    needs: tuple[str, ...]
    key: str
    folder: str  # relative to the run folder
    cost_s: float  # estimated seconds on one worker
    spec: Spec
    incremental: bool = False  # keep the folder if the key changes: the stage decides which of its rows are still valid

    def path(self, run: Run) -> Path:
        """Return the job's folder."""
        return run.folder / self.folder

    def resources(self, run: Run, machines: Sequence[Resources]) -> Resources:
        """Return what each task of the job needs on one of these machines."""
        return needed(run.experiment.compute, self.stage, machines)


AnyJob = Job[Any]


class StageModule(Protocol):
    """Functions that the module of a stage provides. A stage skips tasks whose result exists."""

    def tasks(self, run: Run, job: Job[Any]) -> Sequence[Task]:
        """Return the remaining work, cut into independent tasks; may refuse bad input."""
        ...

    def work(self, run: Run, job: Job[Any], task: Task, progress: Progress) -> None:
        """Carry out one task in a worker process."""
        ...

    def finish(self, run: Run, job: Job[Any]) -> Sequence[Path] | None:
        """Combine the results once all tasks are done; return the files of the job that lie outside of its folder."""
        ...
