"""Cost of sampling in counts: network calls, floating-point operations and peak memory.

Operations and memory are read off the operators that PyTorch dispatches, so they do not depend on the machine, its load
or its allocator. Only operators for which torch has a formula are counted (matrix products, convolutions, attention; a
multiplication and an addition count as two); elementwise operators and scratch memory inside an operator are not.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry


class CallCounter:
    """Count forward passes of networks inside a ``with`` block: the measured number of function evaluations."""

    def __init__(self, *networks: nn.Module) -> None:
        self.calls = 0
        self._handles = [network.register_forward_hook(self._count) for network in networks]

    def _count(self, *_: Any) -> None:
        self.calls += 1

    def __enter__(self) -> CallCounter:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()


@dataclass
class OperationCount:
    """Operations and peak memory of a block; both are set when the block ends."""

    flops: float = 0.0
    peak_bytes: float = 0.0


@contextmanager
def count_operations() -> Iterator[OperationCount]:
    """Count floating-point operations and peak tensor memory inside the block."""
    result, meter = OperationCount(), _OperationMeter()
    with meter:
        yield result
    result.flops, result.peak_bytes = float(meter.flops), float(meter.peak)


class _OperationMeter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Add up operations, and the bytes of each new storage until it is freed.

    The formulas are torch's but its counter is not used: ``FlopCounterMode`` also tracks modules and fails when an
    adapter differentiates the energy of its sample.
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
        inputs = {id(leaf.untyped_storage()) for leaf in tree_leaves((args, kwargs)) if _has_storage(leaf)}
        for leaf in tree_leaves(result):
            if _has_storage(leaf) and id(leaf.untyped_storage()) not in inputs:
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
