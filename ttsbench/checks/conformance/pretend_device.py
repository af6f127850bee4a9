"""A pretended accelerator that finds tensors on the wrong device without any accelerator.

Tensors say that they are on ``pretend:0`` and hold their values in a CPU tensor. Every operator checks what CUDA
checks: all tensors are on one device, except for CPU scalars of no dimension, indices and copies. Because the values
are real, control flow that depends on data works, which it does not with torch's fake tensors or its meta device.

The device is torch's PrivateUse1 backend. The autograd engine counts devices at the first backward pass of a process,
so ``register`` has to be called before that. ``host_waits`` counts where the host would wait for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

from ttsbench.checks.conformance.host_waits import record_operator, record_wait

NAME = "pretend"
aten = torch.ops.aten
# Operators that take tensors of both devices: copies between them, and views that only look like operators.
COPIES = {
    aten._to_copy, aten.copy_, aten._copy_from, aten.set_, aten._pin_memory, aten.is_pinned, aten.alias, aten.detach,
    aten.lift_fresh, aten.to,
}  # fmt: skip
INDEXING = {  # operators whose indices may be on the CPU
    aten.index, aten.index_put, aten.index_put_, aten._unsafe_index, aten._unsafe_index_put, aten._index_put_impl_,
}  # fmt: skip


class DeviceMismatchError(RuntimeError):
    """An operator got tensors of two devices, which CUDA refuses."""


class PretendTensor(Tensor):
    """A tensor on ``pretend:0``; ``values`` is the CPU tensor that holds its numbers."""

    values: Tensor  # type: ignore[assignment]  # of a sparse tensor, the method of that name; this one is dense
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls: type[PretendTensor], values: Tensor) -> PretendTensor:
        """Wrap a CPU tensor without copying it."""
        tensor: PretendTensor = Tensor._make_wrapper_subclass(
            cls, values.size(), strides=values.stride(), storage_offset=values.storage_offset(), dtype=values.dtype,
            layout=values.layout, device=torch.device(NAME, 0), requires_grad=False,
        )  # fmt: skip
        tensor.values = values
        return tensor

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operator on the values."""
        return _run(func, args, kwargs or {})

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        """The values and the device."""
        return f"PretendTensor({self.values})"

    def tolist(self) -> Any:
        """The values as nested lists, as for a tensor of any device."""
        record_wait()
        return self.values.tolist()

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        """Raise the error that torch raises for a tensor of an accelerator."""
        raise TypeError(f"can't convert {NAME}:0 device type tensor to numpy. Use Tensor.cpu() first.")


class _Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Lets factories make tensors with ``device="pretend"``."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return _run(func, args, kwargs or {})


@contextmanager
def pretended() -> Iterator[torch.device]:
    """The pretended device, usable inside the block; raises ``DeviceMismatchError`` where two devices meet."""
    register()
    with _Mode():  # type: ignore[no-untyped-call]
        yield torch.device(NAME, 0)


def move(module: nn.Module) -> None:
    """Move parameters and buffers to the pretended device, as ``module.to`` does."""
    register()
    module._apply(lambda tensor: PretendTensor(tensor.detach()))  # type: ignore[no-untyped-call]


@cache
def usable() -> bool:
    """Return whether gradients can be computed on the device; they cannot if torch computed any before ``register``."""
    with pretended() as device:
        number = torch.ones((), device=device, requires_grad=True)
        try:
            (number * number).backward()  # type: ignore[no-untyped-call]
        except RuntimeError:
            return False
    return True


@cache
def register() -> torch.library.Library:
    """Register the device in this process; the cached library lives as long as the process, as torch requires."""
    from torch.utils import backend_registration

    class Backend(backend_registration._DummyBackendModule):
        def device_count(self) -> int:
            return 1

        def current_device(self) -> int:
            return 0

        def is_available(self) -> bool:
            return False  # to whoever looks for an accelerator in this process

        def get_amp_supported_dtype(self) -> list[torch.dtype]:
            return [torch.bfloat16, torch.float16]

    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=Backend())
    library = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    # ``torch.tensor(..., device=...)`` makes and fills its result below every dispatch mode.
    library.impl("empty_strided", _empty_strided, "PrivateUse1")  # type: ignore[no-untyped-call]
    library.impl("empty.memory_format", _empty, "PrivateUse1")  # type: ignore[no-untyped-call]
    library.impl("_copy_from", _copy_from, "PrivateUse1")  # type: ignore[no-untyped-call]
    return library


def _empty_strided(size: Any, stride: Any, dtype: Any = None, **_: Any) -> Tensor:
    return PretendTensor(torch.empty_strided(size, stride, dtype=dtype))


def _empty(size: Any, dtype: Any = None, **_: Any) -> Tensor:
    return PretendTensor(torch.empty(size, dtype=dtype))


def _copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    values = [tensor.values if isinstance(tensor, PretendTensor) else tensor for tensor in (source, target)]
    values[1].copy_(values[0])
    if not (non_blocking and isinstance(target, PretendTensor)):
        record_wait()
    return target


def _run(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run one operator on the values, after the checks of an accelerator; wrap what it returns."""
    packet = func.overloadpacket
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    pretended = [tensor for tensor in tensors if tensor.device.type == NAME]
    device = kwargs.get("device")
    _check_devices(func, args, [tensor for tensor in tensors if tensor.device.type != NAME], pretended)
    _check_generators(func, args, kwargs, on_device=_is_pretended(device) or (device is None and bool(pretended)))
    record_operator(packet, args, kwargs, NAME, tensors)
    inner_args, inner_kwargs = tree_map_only(Tensor, _unwrap, (args, kwargs))
    if device is not None:
        inner_kwargs = {**inner_kwargs, "device": torch.device("cpu")}
    result = func(*inner_args, **inner_kwargs)
    if packet is aten.copy_:
        return args[0]
    if not (_is_pretended(device) if device is not None else pretended):
        return result
    wrapped = tree_map_only(Tensor, _wrap, result)
    if not pretended:
        return wrapped
    return return_and_correct_aliasing(func, args, kwargs, wrapped)  # type: ignore[no-untyped-call]


def _check_devices(func: Any, args: Sequence[Any], others: Sequence[Tensor], pretended: Sequence[Tensor]) -> None:
    """Refuse CPU tensors among pretended ones, in the places where CUDA refuses them."""
    packet = func.overloadpacket
    if not pretended or packet in COPIES:
        return
    refused: Callable[[Tensor], bool] = lambda tensor: tensor.dim() > 0  # noqa: E731 (two rules for one list)
    if packet in INDEXING:
        values = args[2] if len(args) > 2 else None
        refused = lambda tensor: tensor is args[0] or (tensor is values and tensor.dim() > 0)  # noqa: E731
    shapes = [tuple(tensor.shape) for tensor in others if refused(tensor)]
    if shapes:
        raise DeviceMismatchError(
            f"{packet.__name__} got tensors of shape {shapes} on the CPU and {[tuple(t.shape) for t in pretended]} on "
            "the model's device; make tensors on the device of an input, such as cond.mask.device"
        )


def _check_generators(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], on_device: bool) -> None:
    """Refuse a generator of the CPU for numbers on the device."""
    generators = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Generator)]
    if on_device and any(generator.device.type != NAME for generator in generators):
        raise DeviceMismatchError(
            f"{func.overloadpacket.__name__} got a generator of the CPU for numbers on the model's device; draw them "
            "from the Noise that is passed in"
        )


def _is_pretended(device: Any) -> bool:
    return device is not None and torch.device(device).type == NAME


def _unwrap(tensor: Tensor) -> Tensor:
    """The CPU tensor behind a tensor of the device."""
    if isinstance(tensor, PretendTensor):
        return tensor.values
    return _stored(tensor) if tensor.device.type == NAME else tensor


def _stored(tensor: Tensor) -> Tensor:
    """Forward-mode differentiation makes zeros without storage, which operators below the dispatcher cannot read."""
    return torch.zeros(tensor.shape, dtype=tensor.dtype) if tensor._is_zerotensor() else tensor


def _wrap(tensor: Tensor) -> Tensor:
    return tensor if isinstance(tensor, PretendTensor) else PretendTensor(_stored(tensor))
