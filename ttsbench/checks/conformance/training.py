"""A few optimizer steps on one fixed batch: which losses were returned, and which parameters got a gradient.

The order is that of the train stage: the gradients of all groups are taken before any group moves. A step follows the
sign of the gradient, as the first steps of Adam do; importing an optimizer takes longer than running all checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ttsbench.checks.conformance.tiny import Losses, Tiny
from ttsbench.models.speech_model import SpeechModel, group_problem, groups_of

RATE = 1e-3


@dataclass
class Trace:
    """Record of some steps of training."""

    model: SpeechModel
    losses: list[Losses] = field(default_factory=list)  # detached, per step
    problems: list[str] = field(default_factory=list)  # with the form or value of losses
    swapped: list[str] = field(default_factory=list)  # losses that train another network than their own
    groups: set[str] = field(default_factory=set)  # that had a loss
    silent: dict[str, nn.Parameter] = field(default_factory=dict)  # parameters that no gradient has reached yet


def train(tiny: Tiny, model: SpeechModel, steps: Iterable[int]) -> Trace:
    """Train ``model`` by these steps; stop at the first loss that is malformed or not finite."""
    named = _parameters(model)
    trace = Trace(model, silent={f"{group}.{name}": p for group, all_ in named.items() for name, p in all_.items()})
    for step in steps:
        losses = tiny.losses(model, tiny.batch(model), step)
        trace.groups |= {group for name in losses for group in groups_of(name)}
        trace.problems += [f"step {step}: {problem}" for problem in _problems(losses, named)]
        if trace.problems:
            break
        trace.losses.append({group: loss.detach() for group, loss in losses.items()})
        if not trace.swapped:
            trace.swapped = _swapped(losses, named)
        _take_gradients(losses, named)
        for name, parameter in list(trace.silent.items()):
            if parameter.grad is not None and bool(parameter.grad.any()):
                del trace.silent[name]
        for name in losses:
            _move(_trained(name, named).values())
    return trace


def _parameters(model: SpeechModel) -> dict[str, dict[str, nn.Parameter]]:
    """Group -> name -> trainable parameter; the conditioner belongs to the generator."""
    named = {
        group: {name: p for name, p in network.named_parameters() if p.requires_grad}
        for group, network in model.groups.items()
    }
    named["generator"] |= {f"conditioner.{name}": p for name, p in model.conditioner.named_parameters()}
    return named


def _problems(losses: Mapping[str, Tensor], named: Mapping[str, Mapping[str, nn.Parameter]]) -> list[str]:
    problems = []
    if problem := group_problem(losses, named):
        return [problem]
    for group, loss in losses.items():
        if not isinstance(loss, Tensor) or loss.ndim:
            problems.append(f"the loss '{group}' is {_shape(loss)}, not a scalar tensor")
        elif not bool(torch.isfinite(loss)):
            problems.append(f"the loss '{group}' is {float(loss.detach())}")
        elif not loss.requires_grad:
            problems.append(f"the loss '{group}' has no gradient; it was computed under no_grad or detached")
        problems += [
            f"the network '{network}' has a loss but no trainable parameter"
            for network in groups_of(group)
            if not named[network]
        ]
    return problems


def _shape(loss: object) -> str:
    return f"of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"


def _swapped(losses: Mapping[str, Tensor], named: Mapping[str, Mapping[str, nn.Parameter]]) -> list[str]:
    """Losses without a gradient for their own network, but with one for another network."""
    problems = []
    for name, loss in losses.items():
        reached = [other for other in named if named[other] and _reaches(loss, named[other])]
        missed = [group for group in groups_of(name) if group not in reached]
        if reached and missed:
            problems.append(
                f"the loss '{name}' has a gradient for {', '.join(reached)} and none for '{missed[0]}'; are the losses "
                "of two groups swapped?"
            )
    return problems


def _reaches(loss: Tensor, parameters: Mapping[str, nn.Parameter]) -> bool:
    gradients = torch.autograd.grad(loss, list(parameters.values()), retain_graph=True, allow_unused=True)
    return any(gradient is not None and bool(gradient.any()) for gradient in gradients)


def _take_gradients(losses: Mapping[str, Tensor], named: Mapping[str, Mapping[str, nn.Parameter]]) -> None:
    for left, (name, loss) in zip(range(len(losses) - 1, -1, -1), losses.items(), strict=True):
        torch.autograd.backward(loss, inputs=list(_trained(name, named).values()), retain_graph=left > 0)


def _trained(loss: str, named: Mapping[str, Mapping[str, nn.Parameter]]) -> dict[str, nn.Parameter]:
    """The parameters that a loss trains."""
    return {f"{group}.{name}": p for group in groups_of(loss) for name, p in named[group].items()}


def _move(parameters: Iterable[nn.Parameter]) -> None:
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.sub_(parameter.grad.sign(), alpha=RATE)
                parameter.grad = None
