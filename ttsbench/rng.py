"""The global random generators: watched, so that a plug-in which draws from them is found.

A number drawn from a global generator depends on whatever ran before it in the process: the same experiment would give
other results with another number of workers, or after a resume.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

REMEDY = "draw from the Noise or the seeded generator that is passed in"


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """All global generators seeded inside, and as they were before afterwards."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (it is the global one that is watched)
    with torch.random.fork_rng():
        try:
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            torch.manual_seed(seed)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


def drawn_from(call: Callable[[], Any]) -> list[str]:
    """The global generators that ``call`` advances or reseeds, of "torch", "numpy" and "random"."""
    with global_seed(0):
        before = _states()
        call()
        after = _states()
    return [name for name, state in before.items() if after[name] != state]


def global_fault(call: Callable[[], Any]) -> str:
    """A sentence where ``call`` uses a global generator, nothing where it does not."""
    names = drawn_from(call)
    return f"it uses the global generator of {', '.join(names)}; {REMEDY}" if names else ""


def _states() -> dict[str, object]:
    _, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (np.asarray(keys).tobytes(), *rest),
        "random": random.getstate(),
    }
