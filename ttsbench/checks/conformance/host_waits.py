"""Where the host waits for the pretended device, counted by source line.

A GPU runs behind the host: a kernel is queued, and the host goes on. Reading a value, an operator whose output has a
size that depends on values, and a copy that is not asked to be asynchronous make the host wait until all queued work is
done, which leaves the GPU idle afterwards. ``torch.cuda.set_sync_debug_mode`` reports the same operations on a GPU.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten
READING = {aten._local_scalar_dense, aten.item, aten.is_nonzero, aten.equal}
SIZED_BY_VALUES = {
    aten.nonzero, aten.masked_select, aten._unique2, aten.unique_dim, aten.unique_consecutive, aten.bincount,
    aten.repeat_interleave,
}  # fmt: skip
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index}
COPYING = {aten._to_copy, aten.copy_}
HERE = (str(Path(__file__).parent), str(Path(torch.__file__).parent))
BACKWARD = "the backward pass"  # it runs in a thread of torch, which has no line of Python

_counters: list[Counter[str]] = []


@contextmanager
def counted_waits() -> Iterator[Counter[str]]:
    """Count the waits in the block: "<file>:<line>" -> number."""
    counter: Counter[str] = Counter()
    _counters.append(counter)
    try:
        yield counter
    finally:
        _counters.remove(counter)


def record_wait() -> None:
    """Count one wait at the line of Python that runs, outside of torch and this package of checks."""
    if _counters:
        line = _line()
        for counter in _counters:
            counter[line] += 1


def record_operator(
    packet: Any, args: Sequence[Any], kwargs: Mapping[str, Any], device: str, tensors: Sequence[Tensor]
) -> None:
    """Count an operator on tensors of ``device`` if the host would wait for it."""
    if _counters and _waits(packet, args, kwargs, device, tensors):
        record_wait()


def _waits(packet: Any, args: Sequence[Any], kwargs: Mapping[str, Any], device: str, tensors: Sequence[Tensor]) -> bool:
    on_device = [tensor for tensor in tensors if tensor.device.type == device]
    if packet in COPYING:
        return _crosses(packet, args, kwargs, device, bool(on_device))
    if not on_device:
        return False
    if packet is aten.repeat_interleave and kwargs.get("output_size") is not None:
        return False
    if packet in INDEXING:
        return any(isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1] or ())
    return packet in READING or packet in SIZED_BY_VALUES


def _crosses(packet: Any, args: Sequence[Any], kwargs: Mapping[str, Any], device: str, on_device: bool) -> bool:
    """Return whether the host waits for a copy: always for one to the host, by default for one to the device."""
    source: Tensor = args[1] if packet is aten.copy_ else args[0]
    wanted = args[0].device if packet is aten.copy_ else kwargs.get("device")
    if wanted is None:
        return False
    start, end = source.device.type, torch.device(wanted).type
    if start == end or device not in (start, end):
        return False
    asynchronous = bool(kwargs.get("non_blocking")) or (packet is aten.copy_ and len(args) > 2 and bool(args[2]))
    return not (asynchronous and end == device)


def _line() -> str:
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back  # type: ignore[assignment]  # None at the outermost frame
    if frame is None or frame.f_code.co_filename.startswith("<"):
        return BACKWARD
    path = Path(frame.f_code.co_filename)
    return f"{path.parent.name}/{path.name}:{frame.f_lineno}"
