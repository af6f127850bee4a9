"""Losses of recent steps that were not read yet: reading one would make the host wait for the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor


class UncheckedLosses:
    """Scalar losses on the device, with their step and name."""

    def __init__(self) -> None:
        self._names: list[tuple[int, str]] = []
        self._values: list[Tensor] = []

    def add(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Store the losses of a step without reading them."""
        for name, loss in losses.items():
            self._names.append((step, name))
            self._values.append(loss.detach())

    def first_fault(self, combine: Callable[[Tensor], Tensor] = lambda values: values) -> tuple[int, str, float] | None:
        """Read and forget all losses; return step, name and value of the first that is not finite.

        ``combine`` changes the vector of all losses first, for example sums it over devices.
        """
        if not self._values:
            return None
        values = combine(torch.stack(self._values)).tolist()
        pairs = zip(self._names, values, strict=True)
        faults = [(step, name, float(value)) for (step, name), value in pairs if not math.isfinite(value)]
        self._names.clear()
        self._values.clear()
        return faults[0] if faults else None
