"""The declared cost of a training step, which plans and time estimates use, against the measured one.

Operations are counted while losses are computed. The backward pass takes about twice as many for every adapter, so the
ratio to ``l1`` does without it.
"""

from __future__ import annotations

from functools import cache, partial

import torch

from ttsbench.checks.conformance import learning
from ttsbench.checks.conformance.finding import Check
from ttsbench.checks.conformance.tiny import STEPS, Tiny
from ttsbench.models.metering import count_operations
from ttsbench.types import Role

REFERENCE = "l1"
FACTOR = 3.0  # operations are counted at a tiny size, where layers weigh otherwise than in a real model


def checks(tiny: Tiny) -> list[Check]:
    """A declaration within a factor of the measurement."""
    return [Check("info.step_cost is about what a step costs", partial(_cost_problem, tiny), (learning.FINITE,))]


def _cost_problem(tiny: Tiny) -> str:
    declared, measured = tiny.info.step_cost, measured_step_cost(tiny)
    if measured / FACTOR <= declared <= measured * FACTOR:
        return ""
    return f"info.step_cost is {declared:g}, but a step takes {measured:.2g} times the operations of a step of l1"


def measured_step_cost(tiny: Tiny) -> float:
    """Floating-point operations of the losses relative to those of ``l1``, averaged over steps."""
    return _operations(tiny, STEPS) / _reference_operations(tiny.role)


@cache
def _reference_operations(role: Role) -> float:
    return _operations(Tiny(REFERENCE, role), 1)


def _operations(tiny: Tiny, steps: int) -> float:
    """Operations of one step without the encoder, which all adapters share."""
    model = tiny.model()
    with torch.no_grad():
        batch = tiny.batch(model)
        for source in batch.cond.sources:
            batch.cond.sources[source]  # the conditions of the sources are computed at their first use
    with count_operations() as count:
        for step in range(steps):
            tiny.losses(model, batch, step)
    return count.flops / steps
