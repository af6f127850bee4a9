"""Check that this machine can run an experiment: its devices exist, and its models fit into memory.

The estimate of memory is a lower bound, so that only experiments that cannot run are refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from ttsbench.config.schema import Compute, Experiment, ModelSize, TrainConfig
from ttsbench.engine.resources import CGROUP_LIMITS, cpu_count, memory_bytes
from ttsbench.errors import ConfigError

FLOAT_BYTES = 4
TRAINING_COPIES = 5  # weights, gradients, two moments of Adam, and their moving average
BLOCK_ACTIVATIONS = 10  # numbers per step and channel that a block keeps for its gradient
FRAMES = 500  # of an utterance, for trainings on whole utterances


def check_capacity(experiment: Experiment) -> None:
    """Raise ``ConfigError`` for an accelerator, devices or sizes that this machine does not have."""
    _check_devices(experiment.compute)
    _check_memory(experiment)


def _check_devices(compute: Compute) -> None:
    if compute.accelerator in ("auto", "cpu") and compute.devices == 1:
        return  # always possible
    from lightning.fabric.accelerators.accelerator import Accelerator
    from lightning.fabric.accelerators.cuda import CUDAAccelerator
    from lightning.fabric.accelerators.mps import MPSAccelerator
    from lightning.fabric.accelerators.xla import XLAAccelerator

    installed: dict[str, type[Accelerator]] = {"tpu": XLAAccelerator, "mps": MPSAccelerator, "cuda": CUDAAccelerator}
    usable = {name: accelerator for name, accelerator in installed.items() if accelerator.is_available()}
    kinds = {"gpu": ("mps", "cuda"), "auto": ("tpu", "mps", "cuda")}.get(compute.accelerator, (compute.accelerator,))
    accelerator = next((usable[kind] for kind in kinds if kind in usable), None)
    if accelerator is None and compute.accelerator not in ("auto", "cpu"):
        known = ", ".join(["auto", "cpu", *usable])
        raise ConfigError(
            f"compute.accelerator: '{compute.accelerator}' is not available on this machine; it has {known}."
        )
    count = cpu_count() if accelerator is None else int(accelerator.auto_device_count())
    if compute.devices > count:
        unit = "CPU cores" if accelerator is None else "devices"
        raise ConfigError(f"compute.devices: {compute.devices} devices were requested, and there are {count} {unit}.")


def _check_memory(experiment: Experiment) -> None:
    """Compare the largest training with the memory of the machine, or of one GPU."""
    available = _gpu_bytes(experiment.compute.accelerator) or memory_bytes(CGROUP_LIMITS)
    for needed, keys in _training_bytes(experiment):
        if needed > available:
            raise ConfigError(
                f"One training needs at least {_gigabytes(needed)} GB of memory, and this machine has "
                f"{_gigabytes(available)} GB: reduce {keys}."
            )


def _training_bytes(experiment: Experiment) -> Iterator[tuple[int, str]]:
    """Yield the memory of weights and activations of every training, each with the keys that it depends on."""
    size, mel = experiment.model, experiment.mel
    yield FLOAT_BYTES * TRAINING_COPIES * parameters(size), "model.dim, or the numbers of layers"
    yield FLOAT_BYTES * mel.n_mels * (mel.n_fft // 2 + 1), "mel.n_mels or mel.n_fft"
    budgets: dict[str, TrainConfig] = {"acoustic": experiment.train.acoustic, "prosody": experiment.train.prosody}
    for role, budget in budgets.items():
        yield activation_bytes(size, budget, budget.batch_size), f"train.{role}.batch_size, crop_frames or model.dim"
    for label, config in experiment.adapters.items():
        if config.batch_size:
            keys = f"adapters.{label}.batch_size, train.acoustic.crop_frames or model.dim"
            yield activation_bytes(size, experiment.train.acoustic, config.batch_size), keys


def parameters(size: ModelSize) -> int:
    """Return the number of parameters of encoder and backbone, at least: the blocks alone."""
    layers = size.encoder_layers + size.backbone_layers
    return layers * (8 * size.dim**2 + size.kernel * size.dim)


def activation_bytes(size: ModelSize, budget: TrainConfig, batch_size: int) -> int:
    """Return the bytes of activations that one training step of the backbone keeps, at least."""
    frames = batch_size * (budget.crop_frames or FRAMES)
    return FLOAT_BYTES * BLOCK_ACTIVATIONS * frames * size.dim * size.backbone_layers


def _gpu_bytes(accelerator: str) -> int | None:
    """Return the memory of the first CUDA device, or None if models are trained elsewhere."""
    import torch

    if accelerator not in ("auto", "gpu", "cuda") or not torch.cuda.is_available():
        return None
    return int(torch.cuda.get_device_properties(0).total_memory)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f}"
