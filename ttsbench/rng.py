"""Seeding of the global random generators, for third-party code that offers no generator argument."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Seed the global generators of ``random``, NumPy and torch; restore their states on exit."""
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 (the legacy global generator)
    # Only the device in use: forking all GPUs of a machine would start a context on each.
    is_used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = [torch.cuda.current_device()] if is_used else []
    with torch.random.fork_rng(devices):
        try:
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            torch.manual_seed(seed)
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
