"""What a metric promises (``Behaviour``), as checks on what it said of the user's recordings.

A check looks at the reduced value over all recordings that have an answer under every pair it compares, so that grades
are never compared on different sets. Promises are the metric's own; what is planted in F0 is arithmetic: two copies
through WORLD that differ by a factor in F0 have a log-F0 RMSE of its logarithm, and are gross errors beyond 20 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

import numpy as np

from ttsbench.checks.selftest.degrade import GRADES
from ttsbench.checks.selftest.measure import Refusal, Responses
from ttsbench.checks.selftest.variants import (
    BACKWARD,
    FORWARD,
    ITSELF,
    LATER,
    QUIETER,
    RESAMPLED,
    SILENCE,
    WHITE_NOISE,
    grades,
    planted,
)
from ttsbench.interfaces import Metric
from ttsbench.types import Answer, MetricInfo

ROUNDING = 1e-6  # relative or absolute: what float32 audio and embeddings may leave
SLACK = 0.1  # of the whole worsening: how far a metric may improve from one grade to the next, by chance
LEAST_ANSWERED = 0.5  # of the recordings: below it a check says nothing about the metric

Outcome = Literal["ok", "FAIL", "skipped"]
Judge = Callable[[Sequence[float]], bool]


@dataclass(frozen=True)
class Check:
    """One promise. ``expected`` is what a metric does with clips that are no speech; otherwise ``judge`` is asked."""

    name: str
    pairs: tuple[str, ...]
    promised: str
    judge: Judge = all
    expected: Answer | None = None


@dataclass(frozen=True)
class Verdict:
    """What came of a check; ``measured`` and ``promised`` are words for a reader."""

    metric: str
    check: str
    outcome: Outcome
    measured: str = ""
    promised: str = ""
    recordings: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Planted:
    """The range that a metric lies in where F0 differs by a factor."""

    metric: str
    factor: float
    low: float
    high: float


# What trackers get wrong where voicing begins and ends only adds to a root mean square: on LJSpeech, LibriSpeech and
# espeak-ng's speech it lay 5 to 14 % above ln 1.1.
PLANTED = (
    Planted("log_f0_rmse", 1.1, 0.85 * math.log(1.1), 1.25 * math.log(1.1)),
    Planted("f0_correlation", 1.1, 0.9, 1.0),
    Planted("mcd", 1.1, 0.0, 3.0),
    Planted("gpe", 1.1, 0.0, 0.05),
    Planted("ffe", 1.1, 0.0, 0.12),
    Planted("gpe", 1.3, 0.9, 1.0),
)


def checks(info: MetricInfo) -> list[Check]:
    """Everything that is promised of a metric."""
    return [*_invariances(info), *_worsenings(info), *_no_speech(info), *_planted(info)]


def verdict(metric: Metric, check: Check, responses: Sequence[Responses]) -> Verdict:
    """Judge a check on the responses for each recording that suits the metric."""
    name = metric.info.name
    suited = [one for one in responses if all((name, pair) in one for pair in check.pairs)]
    given = [[one[name, pair] for pair in check.pairs] for one in suited]
    refusals = [one for row in given for one in row if isinstance(one, Refusal)]
    said = partial(Verdict, name, check.name, promised=check.promised)
    broken = next((one for one in refusals if one.kind == "broken"), None)
    if broken:
        return said("FAIL", recordings=len(given), reason=broken.reason)
    if refusals and all(one.kind == "not applicable" for one in refusals):
        return said("skipped", reason=refusals[0].reason)
    if check.expected is not None:
        return _verdict_on_refusals(check.expected, given, refusals, said)
    answered = [row for row in given if not any(isinstance(one, Refusal) for one in row)]
    if len(answered) < max(1.0, LEAST_ANSWERED * len(given)):
        left = f"{len(answered)} of {len(given)} recordings have an answer; the first without: {refusals[0].reason}"
        return said("FAIL", recordings=len(answered), reason=left)
    rows = np.asarray(answered, dtype=np.float64)  # (recordings, pairs, columns)
    try:
        values = [float(metric.reduce(rows[:, index])) for index in range(len(check.pairs))]
    except Exception as error:
        return said("FAIL", recordings=len(answered), reason=f"reduce: {type(error).__name__}: {error}")
    holds = all(math.isfinite(value) for value in values) and check.judge(values)
    measured = " ".join(f"{value:.4g}" for value in values)
    return said("ok" if holds else "FAIL", recordings=len(answered), measured=measured)


def _verdict_on_refusals(
    expected: Answer, given: Sequence[object], refusals: Sequence[Refusal], said: Callable[..., Verdict]
) -> Verdict:
    """Whether clips that are no speech were all refused, or all answered, as promised."""
    answered = len(given) - len(refusals)
    holds = not refusals if expected == "answered" else answered == 0
    reason = refusals[0].reason if expected == "answered" and refusals else ""
    measured = f"{answered} answered, {len(refusals)} refused"
    return said("ok" if holds else "FAIL", recordings=len(given), measured=measured, reason=reason)


def _invariances(info: MetricInfo) -> list[Check]:
    promised = info.behaviour
    found = []
    if (ideal := promised.identity) is not None:
        found.append(Check("identity", (ITSELF,), f"{ideal:g}", lambda values: _is(values[0], ideal)))
    limits = {
        "gain": (promised.gain, (ITSELF, QUIETER)),
        "shift": (promised.shift, (ITSELF, LATER)),
        "resample": (promised.resample, (ITSELF, RESAMPLED)),
        "symmetric": (promised.symmetric, (FORWARD, BACKWARD)),
    }
    for name, (limit, pairs) in limits.items():
        if limit is not None:
            found.append(Check(name, pairs, f"moves by at most {limit:g} {info.unit}", partial(_moves, limit)))
    return found


def _worsenings(info: MetricInfo) -> list[Check]:
    worsens = [kind for kind in GRADES if kind in info.behaviour.worsens]
    promised = "gets worse from grade to grade"
    return [Check(kind, tuple(grades(kind)), promised, partial(_gets_worse, info)) for kind in worsens]


def _no_speech(info: MetricInfo) -> list[Check]:
    promised = {SILENCE: info.behaviour.silence, WHITE_NOISE: info.behaviour.noise}
    held = {name: answer for name, answer in promised.items() if answer is not None}
    return [Check(name, (name,), f"is {answer}", expected=answer) for name, answer in held.items()]


def _planted(info: MetricInfo) -> list[Check]:
    return [
        Check(
            planted(one.factor),
            (planted(one.factor),),
            f"{one.low:.3g} to {one.high:.3g}",
            partial(_within, one.low, one.high),
        )
        for one in PLANTED
        if one.metric == info.name
    ]


def _is(value: float, ideal: float) -> bool:
    return math.isclose(value, ideal, rel_tol=ROUNDING, abs_tol=ROUNDING)


def _moves(limit: float, values: Sequence[float]) -> bool:
    before, after = values
    return abs(after - before) <= limit + ROUNDING


def _within(low: float, high: float, values: Sequence[float]) -> bool:
    return low - ROUNDING <= values[0] <= high + ROUNDING


def _gets_worse(info: MetricInfo, values: Sequence[float]) -> bool:
    """Worse at the last grade than at the first, and nowhere better than one grade before, but for some slack."""
    faults = [_fault(info, value) for value in values]
    slack = SLACK * (faults[-1] - faults[0])
    steps = pairwise(faults)
    return faults[-1] > faults[0] and all(later >= earlier - slack for earlier, later in steps)


def _fault(info: MetricInfo, value: float) -> float:
    """How bad a value is: where neither direction is better, its distance from what a recording has against itself."""
    if info.higher_is_better is not None:
        return -value if info.higher_is_better else value
    ideal = info.behaviour.identity
    return math.nan if ideal is None else abs(value - ideal)
