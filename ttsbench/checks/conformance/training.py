"""A few optimizer steps on one fixed batch, watched: which losses came, and which parameters felt them.

The order is that of the ``train`` stage: the gradients of all groups are taken before any group moves. A step goes by
the sign of the gradient, as the first steps of Adam do; importing an optimizer takes longer than running all checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ttsbench.checks.conformance.tiny import STEPS, Tiny
from ttsbench.models.speech_model import SpeechModel

RATE = 1e-3


@dataclass
class Trace:
    """What some steps of training left."""

    model: SpeechModel
    faults: list[str] = field(default_factory=list)  # of the losses
    seen: set[str] = field(default_factory=set)  # groups that had a loss
    silent: dict[str, nn.Parameter] = field(default_factory=dict)  # parameters that no gradient has reached yet


def train(tiny: Tiny) -> Trace:
    """Train a tiny model for ``STEPS`` steps."""
    model = tiny.model()
    named = _named(model)
    trace = Trace(model, silent={f"{group}.{name}": p for group, some in named.items() for name, p in some.items()})
    for step in range(STEPS):
        losses = tiny.losses(model, tiny.batch(model), step)
        trace.seen |= set(losses)
        trace.faults += [f"step {step}: {fault}" for fault in _faults(losses, named)]
        if trace.faults:
            break
        _gradients(losses, named)
        for name, parameter in list(trace.silent.items()):
            if parameter.grad is not None and bool(parameter.grad.any()):
                del trace.silent[name]
        for group in losses:
            _move(named[group].values())
    return trace


def _named(model: SpeechModel) -> dict[str, dict[str, nn.Parameter]]:
    """Group -> name -> trainable parameter; the conditioner is the generator's."""
    named = {
        group: {name: p for name, p in network.named_parameters() if p.requires_grad}
        for group, network in model.groups.items()
    }
    named["generator"] |= {f"conditioner.{name}": p for name, p in model.conditioner.named_parameters()}
    return named


def _faults(losses: Mapping[str, Tensor], named: Mapping[str, Mapping[str, nn.Parameter]]) -> list[str]:
    faults = []
    for group, loss in losses.items():
        if group not in named:
            faults.append(f"a loss for '{group}', which is none of the networks ({', '.join(named)})")
        elif not isinstance(loss, Tensor) or loss.ndim:
            faults.append(f"the loss '{group}' is {_shape(loss)}, not a scalar tensor")
        elif not bool(torch.isfinite(loss)):
            faults.append(f"the loss '{group}' is {float(loss.detach())}")
        elif not loss.requires_grad:
            faults.append(f"the loss '{group}' has no gradient; it was computed under no_grad or detached")
        elif not named[group]:
            faults.append(f"the network '{group}' has a loss and no trainable parameter")
    return faults


def _shape(loss: object) -> str:
    return f"of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"


def _gradients(losses: Mapping[str, Tensor], named: Mapping[str, Mapping[str, nn.Parameter]]) -> None:
    for left, (group, loss) in zip(range(len(losses) - 1, -1, -1), losses.items(), strict=True):
        torch.autograd.backward(loss, inputs=list(named[group].values()), retain_graph=left > 0)


def _move(parameters: Iterable[nn.Parameter]) -> None:
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.sub_(parameter.grad.sign(), alpha=RATE)
                parameter.grad = None
