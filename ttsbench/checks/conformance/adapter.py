"""The checks of an adapter: its info, its construction, how it samples and how it learns, in both roles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

from torch import nn

from ttsbench import registry
from ttsbench.checks.conformance import device, learning, resuming, sampling, step_cost
from ttsbench.checks.conformance.finding import Check, Finding, evaluate, first_problem, name_list
from ttsbench.checks.conformance.tiny import STEPS, Tiny
from ttsbench.checks.conformance.training import train
from ttsbench.interfaces import Adapter
from ttsbench.models.speech_model import SpeechModel
from ttsbench.types import AdapterInfo, Role

ROLES: tuple[Role, ...] = ("acoustic", "prosody")


def check_adapter(name: str, options: Mapping[str, Any] | None = None) -> Iterator[Finding]:
    """All findings, in order of root cause: a property comes before those that depend on it.

    Without an ``info`` nothing else is checked, and a role in which the adapter cannot be built has one finding.
    """
    yield from evaluate([Check("info is complete", partial(info_problem, name))], "adapter: ")
    info = getattr(registry.load("adapters", name), "info", None)
    if not isinstance(info, AdapterInfo):
        return
    for role in ROLES[:1] if info.free_running else ROLES:
        tiny = Tiny(name, role, dict(options or {}))
        (built,) = evaluate([Check("can be built", partial(_construction_problem, tiny))], f"{role}: ")
        yield built
        if built.ok:
            yield from evaluate(role_checks(tiny), f"{role}: ")


def role_checks(tiny: Tiny) -> list[Check]:
    """The checks of one role, in order of root cause."""
    trace = cache(lambda: train(tiny, tiny.model(), range(STEPS)))
    return [
        Check("its networks share no parameters", partial(_shared_parameters, tiny)),
        Check("every trainable parameter is in one of its networks", partial(_parameters_outside, tiny)),
        *sampling.basic_checks(tiny),
        *learning.basic_checks(trace),
        *sampling.randomness_checks(tiny),
        *learning.randomness_checks(tiny),
        *sampling.padding_checks(tiny),
        *learning.padding_checks(tiny),
        *sampling.call_checks(tiny),
        *learning.gradient_checks(tiny, trace),
        *resuming.checks(tiny, trace),
        *device.checks(tiny),
        *step_cost.checks(tiny),
    ]


def info_problem(name: str) -> str:
    """Describe what is wrong with ``info``."""
    info = getattr(registry.load("adapters", name), "info", None)
    if not isinstance(info, AdapterInfo):
        return f"the class has no info: AdapterInfo, but {info!r}"
    unknown = [source for source in info.starts_from if source not in registry.registered("adapters")]
    grid, rates = info.nfe, dict(info.learning_rates)
    unsampled = sorted(set(info.search) - {"temperature", "nfe", *registry.sampling_options(name)})
    return first_problem(
        [
            (info.name == name, f"info.name is {info.name!r}, but it is registered as '{name}'"),
            (bool(info.title.strip()), "info.title is empty"),
            (bool(info.paper.strip()), "info.paper is empty; name the paper, or describe what was chosen"),
            (bool(grid), "info.nfe is empty; give at least one number of function evaluations"),
            (all(type(n) is int and n > 0 for n in grid), f"info.nfe holds a number that is no positive int: {grid}"),
            (len(set(grid)) == len(grid), f"info.nfe holds a number twice: {grid}"),
            (not unknown, f"info.starts_from names adapters that are not registered: {', '.join(unknown)}"),
            (not unsampled, f"info.search names {', '.join(unsampled)}, which `sample` does not take"),
            (
                info.step_cost > 0,
                f"info.step_cost is {info.step_cost}; it is a positive multiple of a step of l1",
            ),
            (
                all(rate > 0 for rate in rates.values()),
                f"info.learning_rates are positive multiples of the budget's, not {rates}",
            ),
            (type(info.version) is int and info.version > 0, f"info.version is {info.version!r}, no positive int"),
        ]
    )


def _construction_problem(tiny: Tiny) -> str:
    model = tiny.model()
    if not isinstance(model.adapter, Adapter):
        return "it lacks one of info, networks, losses and sample"
    unknown = sorted(set(model.adapter.info.learning_rates) - set(model.groups))
    return name_list("info.learning_rates names groups that networks() does not return:", unknown)


def _shared_parameters(tiny: Tiny) -> str:
    owners: dict[nn.Parameter, str] = {}
    shared = []
    for group, network in tiny.untrained.groups.items():
        for name, parameter in network.named_parameters():
            owner = owners.setdefault(parameter, group)
            if owner != group:
                shared.append(f"{group}.{name} is also in {owner}")
    return name_list("two optimizers would move the same weights:", shared)


def _parameters_outside(tiny: Tiny) -> str:
    model = tiny.model()
    inside = {id(parameter) for parameter in model.groups.parameters()}
    outside = [name for name, p in _attribute_parameters(model) if p.requires_grad and id(p) not in inside]
    return name_list(
        "these would neither be trained nor saved; return what is trained from networks() and any other state, such as "
        "a moving average, from state():",
        outside,
    )


def _attribute_parameters(model: SpeechModel) -> Iterator[tuple[str, nn.Parameter]]:
    """Parameters in the adapter's attributes, as far as they are plain attributes or modules."""
    adapter = model.adapter
    if isinstance(adapter, nn.Module):
        yield from adapter.named_parameters()
    for name, value in vars(adapter).items():
        if isinstance(value, nn.Parameter):
            yield name, value
        elif isinstance(value, nn.Module):
            yield from ((f"{name}.{inner}", parameter) for inner, parameter in value.named_parameters())
