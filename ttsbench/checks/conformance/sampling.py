"""Checks of sampling: the right shape, randomness from its seeds alone, and independence of the padding."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from ttsbench.checks.conformance.finding import Check
from ttsbench.checks.conformance.tiny import PHONES, SEEDS, Tiny, difference, lengthened, scribbled, tensors_of
from ttsbench.checks.global_rng import REMEDY, global_rng_error
from ttsbench.models.metering import CallCounter
from ttsbench.rng import global_seed
from ttsbench.types import Batch, Condition, Noise, SampledSequence

OTHER_SEEDS = (201, 202, 203)
TEMPERATURES = (0.0, 0.5)
FINITE = "samples are (B, T, C) and finite at every nfe"
NO_GLOBAL_RNG = "sampling leaves the global generators alone"
SEEDED = "samples depend on the seeds as info.stochastic says"
PADDING = "samples do not depend on padding"


def basic_checks(tiny: Tiny) -> list[Check]:
    """Shape and finite values."""
    return [
        Check(FINITE, partial(_wrong_shape_or_values, tiny)),
        Check("samples take a temperature", partial(_temperature_problem, tiny), (FINITE,)),
        Check("sampling leaves its condition as it was", partial(_changed_condition, tiny)),
    ]


def randomness_checks(tiny: Tiny) -> list[Check]:
    """Randomness from the seeds alone."""
    return [
        Check(NO_GLOBAL_RNG, partial(_global_rng_use, tiny)),
        Check(SEEDED, partial(_seed_problem, tiny), (FINITE, NO_GLOBAL_RNG)),
    ]


def padding_checks(tiny: Tiny) -> list[Check]:
    """Independence of everything but the utterance itself."""
    causes = (FINITE, NO_GLOBAL_RNG)
    checks = [
        Check(PADDING, partial(_padding_dependence, tiny), causes),
        Check("samples do not depend on the rest of the batch", partial(_batch_dependence, tiny), (*causes, PADDING)),
    ]
    if tiny.info.free_running:
        text_only = "a free-running model reads nothing but phones and speaker"
        checks.append(Check(text_only, partial(_frame_dependence, tiny), causes))
    return checks


def call_checks(tiny: Tiny) -> list[Check]:
    """Measurable cost."""
    return [Check("sampling calls the generator, more often for more nfe", partial(_call_problem, tiny))]


def _wrong_shape_or_values(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    expected = tuple(batch.target.shape)
    for nfe in tiny.nfe:
        with torch.no_grad():
            sampled = model.adapter.sample(batch.cond, nfe, Noise(list(SEEDS)))
        if isinstance(sampled, SampledSequence) != tiny.info.free_running:
            return f"it returns {type(sampled).__name__}, but info.free_running is {tiny.info.free_running}"
        if isinstance(sampled, SampledSequence):
            values, expected = sampled.values, (expected[0], sampled.values.shape[1], expected[2])
            real = torch.arange(expected[1]) < sampled.lengths.unsqueeze(1)
        else:
            values, real = sampled, batch.mask
        if tuple(values.shape) != expected:
            return f"nfe {nfe} gives the shape {tuple(values.shape)}, not (B, T, C) = {expected}"
        if not bool(torch.isfinite(values[real]).all()):
            return f"nfe {nfe} gives NaN or infinite values at real steps of an untrained model"
    return ""


def _temperature_problem(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    for temperature in TEMPERATURES:
        values = tiny.sample(model, batch, tiny.nfe[0], temperature=temperature)
        if not bool(torch.isfinite(values).all()):
            return f"temperature {temperature:g} gives NaN or infinite values"
    return ""


def _call_problem(tiny: Tiny) -> str:
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


def _padding_dependence(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    plain = tiny.sample(model, batch, tiny.nfe[0])
    for change, other in (("other content of the padding", scribbled(batch)), ("more padding", lengthened(batch))):
        values = tiny.sample(model, other, tiny.nfe[0])[:, : plain.shape[1]]
        changed = difference(plain, values if tiny.info.free_running else values * batch.mask.unsqueeze(-1))
        if changed:
            return f"{change} changes real steps {changed}; give the mask to every layer that looks at neighbours"
    return ""


def _batch_dependence(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    together = tiny.sample(model, batch, tiny.nfe[0])
    for row in range(len(PHONES)):
        raw = tiny.alone(row)
        with torch.no_grad():
            single = Batch(raw.target, model(raw))
        alone = tiny.sample(model, single, tiny.nfe[0], SEEDS[row : row + 1])
        changed = difference(together[row, : alone.shape[1]], alone[0])
        if changed:
            return f"utterance {row + 1} of {len(PHONES)} sampled alone differs {changed}"
    return ""


def _seed_problem(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    draws = []
    for process_seed, seeds in ((1, SEEDS), (2, SEEDS), (1, OTHER_SEEDS)):
        with global_seed(process_seed):
            draws.append(tiny.sample(model, batch, tiny.nfe[-1], seeds))  # a single step may add no noise of its own
    first, again, other = draws
    if not torch.equal(first, again):
        return f"two draws with the same seeds differ; {REMEDY}"
    changed = (first != other).flatten(1).any(dim=1)
    if tiny.info.stochastic and not bool(changed.all()):
        return "info.stochastic is True, but other seeds give the same sample"
    if not tiny.info.stochastic and bool(changed.any()):
        return "info.stochastic is False, but other seeds give other samples"
    return ""


def _global_rng_use(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    return global_rng_error(lambda: tiny.sample(model, batch, tiny.nfe[-1]))


def _changed_condition(tiny: Tiny) -> str:
    model, batch = tiny.sampler()
    before = _copies(batch.cond)
    tiny.sample(model, batch, tiny.nfe[0])
    after = _copies(batch.cond)
    changed = [name for name, values in after.items() if not torch.equal(values, before[name])]
    return f"it writes into cond.{', cond.'.join(changed)}" if changed else ""


def _frame_dependence(tiny: Tiny) -> str:
    """Sample with other frames and durations for the same phones."""
    model, batch = tiny.sampler()
    cond, generator = batch.cond, torch.Generator().manual_seed(5)
    other = replace(
        cond,
        sequence=torch.randn(len(PHONES), 7, cond.sequence.shape[2], generator=generator),
        mask=torch.ones(len(PHONES), 7, dtype=torch.bool),
        durations=torch.ones_like(cond.phones),
        alignment=torch.zeros(len(PHONES), 7, dtype=torch.long),
    )
    draws = [tiny.sample(model, Batch(batch.target, given), tiny.nfe[0]) for given in (cond, other)]
    changed = difference(*draws)
    return f"with other frames and durations its sample differs {changed}" if changed else ""


def _copies(cond: Condition) -> dict[str, Tensor]:
    return {name: values.clone() for name, values in tensors_of(cond).items()}
