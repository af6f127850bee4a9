"""Resources: what a task needs, and what a machine has.

A task of a stage needs what ``compute.resources`` says. The defaults are ``compute.threads`` CPUs, no memory, and, if a
machine has GPUs that ``compute.accelerator`` allows: ``compute.devices`` whole GPUs for a training; for every other
stage that has weights, an equal share, so that each CPU has a task and each task sees one GPU. A stage that needs no
GPU sees none.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttsbench.config.schema import Compute
from ttsbench.errors import ConfigError

WITHOUT_WEIGHTS = ("collect", "report")  # stages that use no GPU unless the experiment asks for one
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
ROUNDING = 1e-6  # of sums of shares
SHARE_STEP = 1e-4  # the finest share of a GPU that schedulers distinguish


@dataclass(frozen=True)
class Resources:
    """What a task needs, or what a machine has."""

    cpus: float = 1.0
    gpus: float = 0.0  # a share of one GPU, or a whole number of GPUs
    memory_gb: float = 0.0

    def lacking(self, available: Resources) -> list[str]:
        """Return the kinds of resources of which ``available`` has too little."""
        return [kind for kind in KINDS if getattr(self, kind) > getattr(available, kind) + ROUNDING]

    def __str__(self) -> str:
        return ", ".join(f"{getattr(self, kind):.4g} {TITLES[kind]}" for kind in KINDS if getattr(self, kind))


TITLES = {"cpus": "CPUs", "gpus": "GPUs", "memory_gb": "GB of memory"}
KINDS = tuple(TITLES)
ONE_CPU = Resources()


def needed(compute: Compute, stage: str, machines: Sequence[Resources]) -> Resources:
    """Return what a task of a stage needs on one of these machines."""
    given = getattr(compute.resources, stage)
    cpus = given.cpus or float(compute.threads)
    gpus = _default_gpus(compute, stage, machines) if given.gpus is None else given.gpus
    return Resources(cpus, gpus, given.memory_gb)


def _default_gpus(compute: Compute, stage: str, machines: Sequence[Resources]) -> float:
    shares = [machine.gpus * compute.threads / machine.cpus for machine in machines if machine.gpus]
    if not shares or not uses_cuda(compute) or stage in WITHOUT_WEIGHTS:
        return 0.0
    if stage == "train":
        return float(compute.devices)
    return max(SHARE_STEP, math.floor(min(1.0, *shares) / SHARE_STEP) * SHARE_STEP)


def check_needs(needs: Mapping[str, Resources], machines: Sequence[Resources]) -> None:
    """Raise ``ConfigError`` if a task needs more than any single machine has, and would wait forever."""
    for stage, need in needs.items():
        if not any(not need.lacking(machine) for machine in machines):
            offers = "; ".join(dict.fromkeys(str(machine) for machine in machines)) or "nothing"
            raise ConfigError(
                f"compute.resources.{stage}: a task needs {need}, and no machine has that much (they have {offers}). "
                "Lower the request, raise --jobs, or use larger machines."
            )


def uses_cuda(compute: Compute) -> bool:
    """Return whether models may run on CUDA devices."""
    return compute.accelerator in ("auto", "gpu", "cuda")


def cuda_devices(compute: Compute) -> tuple[str, ...]:
    """Return the ids of the CUDA devices that models may use on this machine."""
    if not uses_cuda(compute):
        return ()
    import torch

    count = torch.cuda.device_count()
    visible = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip()]
    return tuple(visible[:count] or map(str, range(count)))


def cpu_count() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes(limits: Iterable[Path] = CGROUP_LIMITS) -> int:
    """Return the memory of this machine, or the limit of its container."""
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in limits:
        if path.is_file() and (text := path.read_text(encoding="ascii").strip()).isdigit():
            sizes.append(int(text))
    return min(sizes)
