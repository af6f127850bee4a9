"""Stage train: train one model (``trainer``) and write ``weights.safetensors``, ``curve.csv`` and ``cost.json``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ttsbench.config.specs import TrainSpec
from ttsbench.devices import use_device
from ttsbench.engine.isolation import die_with_parent
from ttsbench.engine.job import Job, Progress, Run, Task
from ttsbench.engine.parts import require_parts
from ttsbench.stages.model_cache import store_model
from ttsbench.stages.trainer import CHECKPOINT, Trainer


def tasks(run: Run, job: Job[TrainSpec]) -> Sequence[Task]:
    """Return the single task of a training, or none if it is finished."""
    return [] if (job.path(run) / "cost.json").exists() else [{}]


def finish(run: Run, job: Job[TrainSpec]) -> None:
    """Delete the checkpoint and offer the model to other runs."""
    require_parts([job.path(run) / "cost.json"])
    (job.path(run) / CHECKPOINT).unlink(missing_ok=True)
    if run.experiment.compute.reuse:
        store_model(run, job)


def work(run: Run, job: Job[TrainSpec], task: Task, progress: Progress) -> None:
    """Train one model."""
    from lightning.fabric import Fabric

    compute = run.experiment.compute
    fabric = Fabric(
        accelerator=compute.accelerator,
        devices=compute.devices,
        strategy="ddp_spawn" if compute.devices > 1 else "auto",
        precision=compute.precision,
    )
    fabric.launch(partial(_train, run=run, job=job, progress=progress))


def _train(fabric: Any, run: Run, job: Job[TrainSpec], progress: Progress) -> None:
    compute = run.experiment.compute
    use_device(compute.accelerator, compute.tf32)
    if compute.devices > 1:
        die_with_parent()  # each device has a process, started by this worker
    trainer = Trainer(fabric, run, job)
    trainer.resume()
    trainer.run(progress)
    trainer.save()
