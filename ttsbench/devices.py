"""The device rule: ``compute.accelerator`` names one device, on which everything that has weights runs.

Training, sampling, the vocoder or codec, the recogniser and the networks of metrics all use ``compute_device``. A
plug-in with weights has a parameter ``device`` ("cpu", "cuda", "mps"), which the runner fills in unless the experiment
sets it as an option (``registry.device_options``).

Matrix products are computed in float32. With ``compute.tf32`` a GPU may round their inputs to TensorFloat-32, which is
faster and changes results by about 1e-3.
"""

from __future__ import annotations

import os
import socket
import time

import torch
from torch import Tensor

CPU = torch.device("cpu")


def compute_device(accelerator: str) -> torch.device:
    """Return the device that an accelerator stands for; the CPU if this machine lacks it.

    "auto" and "gpu" choose as Lightning Fabric does: Apple's MPS, then CUDA. A TPU is used by training alone.
    """
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.device("cuda")
    return CPU


def use_device(accelerator: str, tf32: bool = False) -> torch.device:
    """Return the device of an accelerator, after setting how this process computes on it."""
    # Without a fixed workspace cuBLAS is not deterministic; it reads the variable when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    return compute_device(accelerator)


def compute_seconds(device: torch.device) -> float:
    """Return a clock of computing: CPU seconds of this process, or wall-clock seconds after synchronising a device."""
    if device.type == "cpu":
        return time.process_time()
    synchronize(device)
    return time.perf_counter()


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on ``device``. The host does not wait for a copy to a GPU, which runs from pinned memory."""
    if device.type in ("cpu", "mps"):
        return tensor.to(device)
    pinned = tensor.pin_memory() if device.type == "cuda" else tensor
    return pinned.to(device, non_blocking=True)


def device_name(device: torch.device) -> str:
    """Return the name of a device for a record, such as "cpu" or "NVIDIA H100 80GB HBM3"."""
    return str(torch.cuda.get_device_name(device)) if device.type == "cuda" else device.type


def host_name() -> str:
    """Return the name of this machine."""
    return socket.gethostname()
