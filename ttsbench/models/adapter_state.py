"""The state of an adapter: modules and tensors that are saved in checkpoints but not optimised.

An exponential moving average of a network is the usual case: the target network of a consistency model (Song et al.
2023, https://arxiv.org/abs/2303.01469). Modules are submodules of the model. A tensor belongs to an attribute of the
adapter, which may assign a new tensor to it at any step; it is read when the state is saved and assigned when the state
is loaded or moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from ttsbench.interfaces import StatefulAdapter


class AdapterState(nn.Module):
    """The state of ``adapter``, empty for an adapter without any.

    Raises ``ValueError`` if a tensor is not the attribute of the adapter that its name says.
    """

    def __init__(self, adapter: object) -> None:
        super().__init__()
        state: Mapping[str, nn.Module | Tensor] = adapter.state() if isinstance(adapter, StatefulAdapter) else {}
        self.adapter = (adapter,)  # in a tuple, or an adapter that is itself a module would become a submodule
        self.tensor_names = [name for name, value in state.items() if isinstance(value, Tensor)]
        self.networks = nn.ModuleDict({n: value for n, value in state.items() if isinstance(value, nn.Module)})
        for name in self.tensor_names:
            if getattr(adapter, name, None) is not state[name]:
                raise ValueError(f"state() names the tensor '{name}', which is not the adapter's attribute '{name}'.")
            self.register_buffer(name, None)
        _read(self)
        for module in self.networks.values():
            module.requires_grad_(False)
        self.register_state_dict_pre_hook(_read)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_read)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_write)  # type: ignore[no-untyped-call]

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> AdapterState:
        """Move or convert, as ``to`` does; the adapter gets the moved tensors."""
        _read(self)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        _write(self)
        return self


def _read(state: AdapterState, *_: object) -> None:
    """Take the tensors that the adapter holds now."""
    for name in state.tensor_names:
        setattr(state, name, getattr(state.adapter[0], name).detach())


def _write(state: AdapterState, *_: object) -> None:
    """Give the adapter the tensors that were loaded or moved."""
    for name in state.tensor_names:
        setattr(state.adapter[0], name, getattr(state, name))
