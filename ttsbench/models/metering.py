"""What sampling takes, counted rather than timed: floating point operations, and bytes of tensors alive at once.

Both are read off the operators that PyTorch dispatches, so they do not depend on the machine, its load or its
allocator. Operations are those torch's counter has formulas for (products, convolutions, attention; a multiplication
and an addition count as two), elementwise ones are not in it. Scratch memory inside an operator is not seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry


@dataclass
class Metered:
    """Filled in when the block ends."""

    flops: float = 0.0
    peak_bytes: float = 0.0


@contextmanager
def metered() -> Iterator[Metered]:
    """Meter everything that is computed in the block."""
    result, meter = Metered(), _Meter()
    with meter:
        yield result
    result.flops, result.peak_bytes = float(meter.flops), float(meter.peak)


class _Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up operations, and the storages that operators make, until each is freed.

    The formulas are torch's, its counter is not: that one also follows modules, and fails where an adapter
    differentiates what it samples.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = self.live = self.peak = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(getattr(func, "overloadpacket", None))
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        given = {id(leaf.untyped_storage()) for leaf in tree_leaves((args, kwargs)) if _has_storage(leaf)}
        for leaf in tree_leaves(result):
            if _has_storage(leaf) and id(leaf.untyped_storage()) not in given:
                self._add(leaf.untyped_storage())
        return result

    def _add(self, storage: Any) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.live -= size


def _has_storage(leaf: object) -> bool:
    return isinstance(leaf, Tensor) and leaf.layout == torch.strided
