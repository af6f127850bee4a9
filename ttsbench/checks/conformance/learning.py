"""Checks of learning: finite losses of real steps only, and a gradient for every weight from its own loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ttsbench.checks.conformance.finding import Check, name_list
from ttsbench.checks.conformance.tiny import STEPS, Losses, Tiny, difference, lengthened, scribbled
from ttsbench.checks.conformance.training import Trace
from ttsbench.checks.global_rng import REMEDY, global_rng_error
from ttsbench.rng import global_seed
from ttsbench.types import Batch

FINITE = "losses are finite scalars with a gradient"
NO_GLOBAL_RNG = "losses leave the global generators alone"
REPEATABLE = "losses depend on nothing but weights, batch, step and seeds"
OWN_NETWORK = "every loss trains its own network"
ALL_GROUPS = f"every network has a loss within {STEPS} steps"


def basic_checks(trace: Callable[[], Trace]) -> list[Check]:
    """Well-formed losses."""
    return [Check(FINITE, lambda: "; ".join(trace().problems))]


def randomness_checks(tiny: Tiny) -> list[Check]:
    """Randomness from the seeds alone."""
    return [
        Check(NO_GLOBAL_RNG, partial(_global_rng_use, tiny)),
        Check(REPEATABLE, partial(_repetition_problem, tiny), (FINITE, NO_GLOBAL_RNG)),
    ]


def padding_checks(tiny: Tiny) -> list[Check]:
    """Independence of the padding."""
    causes = (FINITE, NO_GLOBAL_RNG, REPEATABLE)
    return [Check("losses do not depend on padding", partial(_padding_dependence, tiny), causes)]


def gradient_checks(tiny: Tiny, trace: Callable[[], Trace]) -> list[Check]:
    """Gradients for every parameter of every network, from the loss of its own group."""
    return [
        Check(OWN_NETWORK, lambda: "; ".join(trace().swapped), (FINITE,)),
        Check(ALL_GROUPS, lambda: _groups_without_loss(trace()), (FINITE,)),
        Check(
            "gradients reach every parameter",
            lambda: name_list("its own network's loss gives no gradient to", sorted(_silent(tiny, trace()))),
            (FINITE, OWN_NETWORK, ALL_GROUPS),
        ),
    ]


def _silent(tiny: Tiny, trace: Trace) -> list[str]:
    """Parameters without a gradient, except the part of the encoder that a free-running model must not read."""
    free = tiny.info.free_running
    return [name for name in trace.silent if not (free and name.startswith("generator.conditioner.frames."))]


def _losses(tiny: Tiny, change: Callable[[Batch], Batch] = lambda batch: batch) -> list[Losses]:
    """The losses of ``STEPS`` steps of a new model without any optimizer: an adapter may hold state between steps."""
    model = tiny.model()
    batch = change(tiny.batch(model))
    return [{group: loss.detach() for group, loss in tiny.losses(model, batch, step).items()} for step in range(STEPS)]


def losses_difference(left: list[Losses], right: list[Losses]) -> str:
    """Describe the first step at which two sequences of losses differ; empty if they do not."""
    for step, (a, b) in enumerate(zip(left, right, strict=True)):
        if a.keys() != b.keys():
            return f"at step {step} the losses are of {sorted(a)} and then of {sorted(b)}"
        for group, loss in a.items():
            changed = difference(loss, b[group])
            if changed:
                return f"the loss '{group}' of step {step} changes {changed}"
    return ""


def _padding_dependence(tiny: Tiny) -> str:
    plain = _losses(tiny)
    for change, changed_batch in (("other content of the padding", scribbled), ("more padding", lengthened)):
        changed = losses_difference(plain, _losses(tiny, changed_batch))
        if changed:
            return f"with {change}, {changed}; average over the mask, as ttsbench.masked_mean does"
    return ""


def _repetition_problem(tiny: Tiny) -> str:
    runs = []
    for process_seed in (1, 2):
        with global_seed(process_seed):
            runs.append(_losses(tiny))
    changed = losses_difference(*runs)
    return f"with the same seeds, {changed}; {REMEDY}" if changed else ""


def _global_rng_use(tiny: Tiny) -> str:
    model = tiny.model()
    batch = tiny.batch(model)
    return global_rng_error(lambda: [tiny.losses(model, batch, step) for step in range(STEPS)])


def _groups_without_loss(trace: Trace) -> str:
    missing = [group for group in trace.model.groups if group not in trace.groups]
    return name_list(f"no loss in steps 0 to {STEPS - 1} for", missing)
