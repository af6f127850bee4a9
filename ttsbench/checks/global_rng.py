"""Detection of calls that draw from a global random generator.

A number drawn from a global generator depends on all code that ran earlier in the process: the same experiment would
give other results with another number of workers, or after a resume.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ttsbench.rng import global_seed

REMEDY = "draw from the Noise or the seeded generator that is passed in"


def used_generators(call: Callable[[], Any]) -> list[str]:
    """Names of the global generators that ``call`` advances or reseeds: "torch", "numpy" or "random"."""
    with global_seed(0):
        before = _states()
        call()
        after = _states()
    return [name for name, state in before.items() if after[name] != state]


def global_rng_error(call: Callable[[], Any]) -> str:
    """Describe which global generators ``call`` uses; return an empty string if it uses none."""
    names = used_generators(call)
    return f"it uses the global generator of {', '.join(names)}; {REMEDY}" if names else ""


def _states() -> dict[str, object]:
    _, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 (the legacy global generator)
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (np.asarray(keys).tobytes(), *rest),
        "random": random.getstate(),
    }
