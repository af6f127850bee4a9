"""How an adapter must sample: the right shape, from the seeds it is given, whatever lies beside an utterance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from ttsbench.checks.conformance.tiny import PHONES, SEEDS, Tiny, close, lengthened, scribbled, tensors_of
from ttsbench.checks.global_rng import REMEDY, global_rng_error
from ttsbench.models.metering import CallCounter
from ttsbench.rng import global_seed
from ttsbench.types import Batch, Condition, Noise, SampledSequence

OTHER_SEEDS = (201, 202, 203)
TEMPERATURES = (0.0, 0.5)


def checks(tiny: Tiny) -> dict[str, Callable[[], str]]:
    """Property -> what is wrong with it, nothing where it holds."""
    found = {
        "samples are (B, T, C) and finite at every nfe": _shapes,
        "samples take a temperature": _temperatures,
        "sampling calls the generator, more often for more nfe": _calls,
        "samples do not depend on padding": _padding,
        "samples do not depend on the rest of the batch": _alone,
        "samples depend on the seeds as info.stochastic says": _seeds,
        "sampling leaves the global generators alone": _globals,
        "sampling leaves its condition as it was": _condition,
    }
    if tiny.info.free_running:
        found["a free-running model reads nothing but phones and speaker"] = _text_alone
    return {what: partial(fault, tiny) for what, fault in found.items()}


def _shapes(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    expected = tuple(batch.target.shape)
    for nfe in tiny.nfe:
        with torch.no_grad():
            spoken = model.adapter.sample(batch.cond, nfe, Noise(list(SEEDS)))
        if isinstance(spoken, SampledSequence) != tiny.info.free_running:
            return f"it returns {type(spoken).__name__}, and info.free_running is {tiny.info.free_running}"
        if isinstance(spoken, SampledSequence):
            drawn, expected = spoken.values, (expected[0], spoken.values.shape[1], expected[2])
            real = torch.arange(expected[1]) < spoken.lengths.unsqueeze(1)
        else:
            drawn, real = spoken, batch.mask
        if tuple(drawn.shape) != expected:
            return f"nfe {nfe} gives the shape {tuple(drawn.shape)}, not (B, T, C) = {expected}"
        if not bool(torch.isfinite(drawn[real]).all()):
            return f"nfe {nfe} gives NaN or infinite values at real steps of an untrained model"
    return ""


def _temperatures(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    for temperature in TEMPERATURES:
        drawn = tiny.sample(model, batch, tiny.nfe[0], temperature=temperature)
        if not bool(torch.isfinite(drawn).all()):
            return f"temperature {temperature:g} gives NaN or infinite values"
    return ""


def _calls(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    calls = []
    for nfe in tiny.nfe:
        with CallCounter(*model.generators()) as counter:
            tiny.sample(model, batch, nfe)
        calls.append(counter.calls)
    measured = ", ".join(f"{count} at nfe {nfe}" for count, nfe in zip(calls, tiny.nfe, strict=True))
    if min(calls) < 1:
        return f"the network 'generator' is never called as a module, so its cost cannot be measured: {measured}"
    rising = all(few < many for few, many in pairwise(calls))
    return "" if rising else f"calls do not grow with nfe: {measured}"


def _padding(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    plain = tiny.sample(model, batch, tiny.nfe[0])
    for change, other in (("other content of the padding", scribbled(batch)), ("more padding", lengthened(batch))):
        drawn = tiny.sample(model, other, tiny.nfe[0])[:, : plain.shape[1]]
        fault = close(plain, drawn if tiny.info.free_running else drawn * batch.mask.unsqueeze(-1))
        if fault:
            return f"{change} changes real steps {fault}; give the mask to every layer that looks at neighbours"
    return ""


def _alone(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    together = tiny.sample(model, batch, tiny.nfe[0])
    for row in range(len(PHONES)):
        raw = tiny.alone(row)
        with torch.no_grad():
            single = Batch(raw.target, model(raw))
        drawn = tiny.sample(model, single, tiny.nfe[0], SEEDS[row : row + 1])
        fault = close(together[row, : drawn.shape[1]], drawn[0])
        if fault:
            return f"utterance {row + 1} of {len(PHONES)} sampled alone differs {fault}"
    return ""


def _seeds(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    draws = []
    for process_seed, seeds in ((1, SEEDS), (2, SEEDS), (1, OTHER_SEEDS)):
        with global_seed(process_seed):
            draws.append(tiny.sample(model, batch, tiny.nfe[-1], seeds))  # a single step may have no noise of its own
    first, again, other = draws
    if not torch.equal(first, again):
        return f"two draws with the same seeds differ; {REMEDY}"
    changed = (first != other).flatten(1).any(dim=1)
    if tiny.info.stochastic and not bool(changed.all()):
        return "info.stochastic is True, and other seeds give the same sample"
    if not tiny.info.stochastic and bool(changed.any()):
        return "info.stochastic is False, and other seeds give other samples"
    return ""


def _globals(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    return global_rng_error(lambda: tiny.sample(model, batch, tiny.nfe[-1]))


def _condition(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    before = _copies(batch.cond)
    tiny.sample(model, batch, tiny.nfe[0])
    changed = [name for name, values in _copies(batch.cond).items() if not torch.equal(values, before[name])]
    return f"it writes into cond.{', cond.'.join(changed)}" if changed else ""


def _text_alone(tiny: Tiny) -> str:
    """Other frames altogether, and the same phones."""
    model, batch = tiny.sampler()
    cond, generator = batch.cond, torch.Generator().manual_seed(5)
    other = replace(
        cond,
        sequence=torch.randn(len(PHONES), 7, cond.sequence.shape[2], generator=generator),
        mask=torch.ones(len(PHONES), 7, dtype=torch.bool),
        durations=torch.ones_like(cond.phones),
        alignment=torch.zeros(len(PHONES), 7, dtype=torch.long),
    )
    draws = [tiny.sample(model, Batch(batch.target, one), tiny.nfe[0]) for one in (cond, other)]
    fault = close(*draws)
    return f"with other frames and durations its sample differs {fault}" if fault else ""


def _copies(cond: Condition) -> dict[str, Tensor]:
    return {name: values.clone() for name, values in tensors_of(cond).items()}
