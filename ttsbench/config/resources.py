"""``compute.resources``: what a task of each stage needs of a machine. It decides where tasks run, never a result."""

from __future__ import annotations

from pydantic import Field, field_validator

from ttsbench.config.section import Section


class StageResources(Section):
    """What one task of a stage needs; None chooses a default, which ``ttsbench/engine/resources.py`` explains."""

    cpus: float | None = Field(None, gt=0, le=100_000)  # default: compute.threads
    gpus: float | None = Field(None, ge=0, le=10_000)  # a share of one GPU, or a whole number of GPUs
    memory_gb: float = Field(0.0, ge=0, le=1_000_000)  # 0: not counted

    @field_validator("gpus")
    @classmethod
    def _share_or_whole(cls, gpus: float | None) -> float | None:
        if gpus is not None and gpus > 1 and gpus != int(gpus):
            raise ValueError("more than one GPU must be a whole number")
        return gpus


class ResourcesConfig(Section):
    """Needs by stage."""

    prepare: StageResources = StageResources()
    train: StageResources = StageResources()
    tune: StageResources = StageResources()
    synthesize: StageResources = StageResources()
    external: StageResources = StageResources()
    collect: StageResources = StageResources()
    transcribe: StageResources = StageResources()
    score: StageResources = StageResources()
    report: StageResources = StageResources()
