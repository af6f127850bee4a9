"""How an adapter must learn: losses of real steps only, a gradient for every weight, whatever sampling needs saved."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import torch
from safetensors.torch import load, save

from ttsbench.checks.conformance.finding import listed
from ttsbench.checks.conformance.tiny import STEPS, Losses, Tiny, close, lengthened, scribbled
from ttsbench.checks.conformance.training import Trace, train
from ttsbench.checks.global_rng import REMEDY, global_rng_error
from ttsbench.models.speech_model import freeze
from ttsbench.rng import global_seed
from ttsbench.types import Batch


def checks(tiny: Tiny) -> dict[str, Callable[[], str]]:
    """Property -> what is wrong with it, nothing where it holds."""
    trained = cache(partial(train, tiny))
    return {
        "losses do not depend on padding": partial(_padding, tiny),
        "losses depend on nothing but weights, batch, step and seeds": partial(_repeatable, tiny),
        "losses leave the global generators alone": partial(_globals, tiny),
        "losses are finite scalars with a gradient": lambda: "; ".join(trained().faults),
        f"every network has a loss within {STEPS} steps": lambda: _resting(trained()),
        "gradients reach every parameter": lambda: listed(
            "no gradient from its own network's loss for", sorted(_expected(tiny, trained()))
        ),
        "a saved generator samples the same": lambda: _saved(tiny, trained()),
    }


def _expected(tiny: Tiny, trace: Trace) -> list[str]:
    """Silent parameters, without what a free-running model must not read: the part of the encoder for frames."""
    free = tiny.info.free_running
    return [name for name in trace.silent if not (free and name.startswith("generator.conditioner.frames."))]


def _walk(tiny: Tiny, change: Callable[[Batch], Batch] = lambda batch: batch) -> list[Losses]:
    """The losses of ``STEPS`` steps without any optimizer, of a fresh model: it may keep state between them."""
    model = tiny.model()
    batch = change(tiny.batch(model))
    return [{group: loss.detach() for group, loss in tiny.losses(model, batch, step).items()} for step in range(STEPS)]


def _difference(some: list[Losses], others: list[Losses]) -> str:
    """Where two walks part, nothing where they do not."""
    for step, (one, other) in enumerate(zip(some, others, strict=True)):
        if one.keys() != other.keys():
            return f"at step {step} the losses are of {sorted(one)} and then of {sorted(other)}"
        for group, loss in one.items():
            fault = close(loss, other[group])
            if fault:
                return f"the loss '{group}' of step {step} changes {fault}"
    return ""


def _padding(tiny: Tiny) -> str:
    plain = _walk(tiny)
    for what, change in (("other content of the padding", scribbled), ("more padding", lengthened)):
        fault = _difference(plain, _walk(tiny, change))
        if fault:
            return f"with {what}, {fault}; average over the mask, as ttsbench.masked_mean does"
    return ""


def _repeatable(tiny: Tiny) -> str:
    walks = []
    for process_seed in (1, 2):
        with global_seed(process_seed):
            walks.append(_walk(tiny))
    fault = _difference(*walks)
    return f"with the same seeds, {fault}; {REMEDY}" if fault else ""


def _globals(tiny: Tiny) -> str:
    model = tiny.model()
    batch = tiny.batch(model)
    return global_rng_error(lambda: [tiny.losses(model, batch, step) for step in range(STEPS)])


def _resting(trace: Trace) -> str:
    never = [group for group in trace.model.groups if group not in trace.seen]
    return listed(f"no loss in steps 0 to {STEPS - 1} for", never)


def _saved(tiny: Tiny, trace: Trace) -> str:
    """The trained weights go through a file into a model that was initialised otherwise."""
    trained, fresh = freeze(trace.model), tiny.model(seed=1)
    state = {name: values.contiguous() for name, values in trained.saved_modules().state_dict().items()}
    fresh.saved_modules().load_state_dict(load(save(state)))
    draws = []
    for model in (trained, freeze(fresh)):
        with torch.no_grad():
            batch = tiny.batch(model)
        draws.append(tiny.sample(model, batch, tiny.nfe[0]))
    fault = close(*draws)
    return f"what is read back samples differently {fault}: sampling uses weights outside 'generator'" if fault else ""
