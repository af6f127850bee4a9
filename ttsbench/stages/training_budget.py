"""The length of a training, and its learning rate.

An experiment names a budget for all its objectives:

    quick      a fixed number of steps: a linear warm-up, then half a cosine down to a twentieth of the learning rate
    converged  a warm-up and a constant rate until the validation loss has reached a plateau, then the half cosine over
               a share ``decay`` of the steps so far; at most ``cap`` steps in all

The plateau is reached at step n if the lowest validation loss up to n is less than ``improvement`` (1 %) below the
lowest validation loss up to n - ``within`` (1,000 steps). The percentage refers to the larger of two numbers: the
lowest loss itself, and its fall from the highest validation loss so far. The second is for losses without a natural
zero, such as the likelihood of a flow.

The rule only reads validation losses, so a training that resumes decides as it would have without the interruption.
Objectives whose loss does not rank checkpoints (``AdapterInfo.keep`` is "last"), and labels with ``steps`` of their
own, train for a fixed number of steps in both budgets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ttsbench.config.schema import ConvergenceConfig, TrainConfig

FINAL_RATE = 0.05  # share of the learning rate at the end of the cosine


@dataclass
class TrainingBudget:
    """The steps of one training. ``decay_from`` is the step at which the rate begins to fall, None while unknown."""

    config: TrainConfig
    schedule: str = "cosine"
    converge: bool = False
    decay_from: int | None = None
    plateau: bool = False  # whether the decay began at a plateau, not at the cap

    @property
    def steps(self) -> int:
        """Number of steps; an upper bound before the decay of a converging training begins."""
        if not self.converge:
            return self.config.steps
        if self.decay_from is None:
            return self.config.convergence.cap
        return self.decay_from + self._decay_steps(self.decay_from)

    def learning_rate(self, step: int) -> float:
        """Return the rate of a step, counted from 0."""
        if not self.converge:
            return learning_rate(step, self.config, self.schedule)
        if self.decay_from is None or step < self.decay_from:
            return learning_rate(step, self.config, "constant")
        return self.config.learning_rate * half_cosine((step - self.decay_from) / self._decay_steps(self.decay_from))

    def observe(self, step: int, validated: Sequence[tuple[int, float]]) -> None:
        """Begin the decay after ``step`` steps if the (step, validation loss) so far show a plateau, or at the cap."""
        if not self.converge or self.decay_from is not None:
            return
        self.plateau = bool(validated) and validated[-1][0] == step and has_plateau(validated, self.config.convergence)
        if self.plateau or step >= self._latest_decay:
            self.decay_from = step

    @property
    def _latest_decay(self) -> int:
        """The step at which the decay has to begin to end at the cap."""
        return int(self.config.convergence.cap / (1 + self.config.convergence.decay))

    def _decay_steps(self, start: int) -> int:
        return max(1, min(round(self.config.convergence.decay * start), self.config.convergence.cap - start))


def has_plateau(validated: Sequence[tuple[int, float]], config: ConvergenceConfig) -> bool:
    """Return whether the lowest of the (step, loss) values has improved too little in the last ``within`` steps."""
    last = validated[-1][0]
    earlier = [loss for step, loss in validated if step <= last - config.within]
    if not earlier:
        return False
    losses = [loss for _, loss in validated]
    lowest = min(losses)
    scale = max(abs(lowest), max(losses) - lowest)
    return min(earlier) - lowest < config.improvement * scale


def learning_rate(step: int, config: TrainConfig, schedule: str = "cosine") -> float:
    """Return the rate of a step: a linear warm-up, then half a cosine down to a twentieth, or a constant."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if schedule == "constant":
        return config.learning_rate
    return config.learning_rate * half_cosine((step - config.warmup_steps) / max(1, config.steps - config.warmup_steps))


def half_cosine(done: float) -> float:
    """Return the factor on the learning rate after a share ``done`` of the decay: from 1 down to a twentieth."""
    return FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
