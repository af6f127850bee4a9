"""The checks of an adapter: its info, how it is built, how it samples and how it learns, in both roles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from torch import nn

from ttsbench import registry
from ttsbench.checks.conformance import learning, sampling
from ttsbench.checks.conformance.finding import Finding, first_fault, judge, listed
from ttsbench.checks.conformance.tiny import Tiny
from ttsbench.interfaces import Adapter
from ttsbench.models.speech_model import SpeechModel
from ttsbench.types import AdapterInfo, Role

ROLES: tuple[Role, ...] = ("acoustic", "prosody")


def check_adapter(name: str) -> Iterator[Finding]:
    """Every finding; nothing but the first where the info is not even there."""
    info = judge("adapter: info is complete", partial(info_fault, name))
    yield info
    if not isinstance(getattr(registry.load("adapters", name), "info", None), AdapterInfo):
        return
    free = registry.load("adapters", name).info.free_running
    for role in ROLES[:1] if free else ROLES:
        tiny = Tiny(name, role)
        built = judge(f"{role}: can be built", partial(_built, tiny))
        yield built
        if built.ok:
            checks: dict[str, Callable[[], str]] = {
                "its networks share nothing": partial(_shared, tiny),
                "every trainable parameter is in one of its networks": partial(_outside, tiny),
                **sampling.checks(tiny),
                **learning.checks(tiny),
            }
            yield from (judge(f"{role}: {what}", fault) for what, fault in checks.items())


def info_fault(name: str) -> str:
    """What is wrong with ``info``."""
    info = getattr(registry.load("adapters", name), "info", None)
    if not isinstance(info, AdapterInfo):
        return f"the class has no info: AdapterInfo, but {info!r}"
    unknown = [source for source in info.starts_from if source not in registry.registered("adapters")]
    grid, rates = info.nfe, dict(info.learning_rates)
    return first_fault(
        [
            (info.name == name, f"info.name is {info.name!r}, it is registered as '{name}'"),
            (bool(info.title.strip()), "info.title is empty"),
            (bool(info.paper.strip()), "info.paper is empty; name the paper, or say what was chosen"),
            (bool(grid), "info.nfe is empty; give at least one number of function evaluations"),
            (all(type(n) is int and n > 0 for n in grid), f"info.nfe holds a number that is no positive int: {grid}"),
            (len(set(grid)) == len(grid), f"info.nfe holds a number twice: {grid}"),
            (not unknown, f"info.starts_from names adapters that are not registered: {', '.join(unknown)}"),
            (info.step_cost > 0, f"info.step_cost is {info.step_cost}; it is a multiple of a step of 'l1'"),
            (
                all(rate > 0 for rate in rates.values()),
                f"info.learning_rates are multiples of the budget's, not {rates}",
            ),
            (type(info.version) is int and info.version > 0, f"info.version is {info.version!r}, no positive int"),
        ]
    )


def _built(tiny: Tiny) -> str:
    model = tiny.model()
    if not isinstance(model.adapter, Adapter):
        return "it lacks one of info, networks, losses and sample"
    unknown = sorted(set(model.adapter.info.learning_rates) - set(model.groups))
    return f"info.learning_rates names groups that it has not: {', '.join(unknown)}" if unknown else ""


def _shared(tiny: Tiny) -> str:
    model = tiny.model()
    owners: dict[nn.Parameter, str] = {}
    shared = []
    for group, network in model.groups.items():
        for name, parameter in network.named_parameters():
            owner = owners.setdefault(parameter, group)
            if owner != group:
                shared.append(f"{group}.{name} is also in {owner}")
    return listed("two optimizers would move the same weights:", shared)


def _outside(tiny: Tiny) -> str:
    model = tiny.model()
    inside = {id(parameter) for parameter in model.groups.parameters()}
    found = [name for name, parameter in _held(model) if parameter.requires_grad and id(parameter) not in inside]
    return listed("outside networks() these would neither learn nor be saved:", found)


def _held(model: SpeechModel) -> Iterator[tuple[str, nn.Parameter]]:
    """Parameters that the adapter's attributes hold, as far as they can be seen."""
    adapter = model.adapter
    if isinstance(adapter, nn.Module):
        yield from adapter.named_parameters()
    for name, value in vars(adapter).items():
        if isinstance(value, nn.Parameter):
            yield name, value
        elif isinstance(value, nn.Module):
            yield from ((f"{name}.{inner}", parameter) for inner, parameter in value.named_parameters())
