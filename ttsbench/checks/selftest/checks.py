"""The promises of a metric (``Behaviour``) as checks of its responses to the user's recordings.

A check compares values reduced over those recordings that have a measurement for all of its pairs, so that grades are
never compared on different sets. Most promises are declared by the metric. Others follow from how a pair was made: two
copies by WORLD whose F0 differs by a factor have a log-F0 RMSE of its logarithm, and gross errors beyond 20 %; a pulse
train in noise (``pulses``) is voiced where its pulses are; and MCD of a band limit is lower than MCD of noise.
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
    BAND_LIMIT,
    BAND_LIMIT_HZ,
    FALSE_VOICING,
    FORWARD,
    ITSELF,
    LATER,
    LOUDER,
    MISSED_VOICING,
    QUIETER,
    RESAMPLED,
    SILENCE,
    WHITE_NOISE,
    grades,
    known_offset,
)
from ttsbench.interfaces import Metric
from ttsbench.types import Answer, MetricInfo

ROUNDING = 1e-6  # relative or absolute, of float32 audio and embeddings
SLACK = 0.1  # share of the whole worsening by which a metric may improve from one grade to the next, by chance
LEAST_MEASURED = 0.5  # share of the recordings below which a check fails

Outcome = Literal["ok", "FAIL", "skipped"]
Judge = Callable[[Sequence[float]], bool]


@dataclass(frozen=True)
class Check:
    """A promise of a metric: ``judge`` decides on values; ``expected`` is the response to clips without speech."""

    name: str
    pairs: tuple[str, ...]
    promised: str
    judge: Judge = all
    expected: Answer | None = None


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check; ``measured`` and ``promised`` are texts for a reader."""

    metric: str
    check: str
    outcome: Outcome
    measured: str = ""
    promised: str = ""
    recordings: int = 0
    reason: str = ""


@dataclass(frozen=True)
class KnownValue:
    """The range of a metric for a pair that was made so that its value is known."""

    metric: str
    pair: str
    low: float
    high: float


# Tracking errors at the borders of voicing increase a root mean square: on LJSpeech, LibriSpeech and espeak-ng's speech
# it was 5 to 14 % above ln 1.1.
KNOWN_VALUES = (
    KnownValue("log_f0_rmse", known_offset(1.1), 0.85 * math.log(1.1), 1.25 * math.log(1.1)),
    KnownValue("f0_correlation", known_offset(1.1), 0.9, 1.0),
    KnownValue("mcd", known_offset(1.1), 0.0, 3.0),
    KnownValue("gpe", known_offset(1.1), 0.0, 0.05),
    KnownValue("ffe", known_offset(1.1), 0.0, 0.12),
    KnownValue("gpe", known_offset(1.3), 0.9, 1.0),
    KnownValue("vde_plain", FALSE_VOICING, 0.0, 0.05),  # frames of the same time: warping would move noise into silence
    KnownValue("vde_plain", MISSED_VOICING, 0.0, 0.05),
)
NOISE_OF_BAND_LIMIT = "noise 10"  # the signal-to-noise ratio in dB of a grade of ``GRADES``
BAND_LIMIT_METRICS = ("mcd", "mcd_plain")


def checks_of(info: MetricInfo) -> list[Check]:
    """Return all promises of a metric."""
    return [*_invariances(info), *_worsenings(info), *_no_speech(info), *_band_limit(info), *_known_values(info)]


def judge_check(metric: Metric, check: Check, responses: Sequence[Responses]) -> Verdict:
    """Judge a check on the responses to all recordings that the metric can measure."""
    name = metric.info.name
    complete = [recording for recording in responses if all((name, pair) in recording for pair in check.pairs)]
    table = [[recording[name, pair] for pair in check.pairs] for recording in complete]
    refusals = [response for row in table for response in row if isinstance(response, Refusal)]
    make_verdict = partial(Verdict, name, check.name, promised=check.promised)
    broken = next((refusal for refusal in refusals if refusal.kind == "broken"), None)
    if broken:
        return make_verdict("FAIL", recordings=len(table), reason=broken.reason)
    if refusals and all(refusal.kind == "not applicable" for refusal in refusals):
        return make_verdict("skipped", reason=refusals[0].reason)
    if check.expected is not None:
        return _verdict_on_refusals(check.expected, table, refusals, make_verdict)
    measured_rows = [row for row in table if not any(isinstance(response, Refusal) for response in row)]
    if len(measured_rows) < max(1.0, LEAST_MEASURED * len(table)):
        reason = (
            f"{len(measured_rows)} of {len(table)} recordings were measured; the first failure: {refusals[0].reason}"
        )
        return make_verdict("FAIL", recordings=len(measured_rows), reason=reason)
    rows = np.asarray(measured_rows, dtype=np.float64)  # (recordings, pairs, columns)
    try:
        values = [float(metric.reduce(rows[:, index])) for index in range(len(check.pairs))]
    except Exception as error:
        return make_verdict("FAIL", recordings=len(measured_rows), reason=f"reduce: {type(error).__name__}: {error}")
    holds = all(math.isfinite(value) for value in values) and check.judge(values)
    measured = " ".join(f"{value:.4g}" for value in values)
    return make_verdict("ok" if holds else "FAIL", recordings=len(measured_rows), measured=measured)


def _verdict_on_refusals(
    expected: Answer, table: Sequence[object], refusals: Sequence[Refusal], make_verdict: Callable[..., Verdict]
) -> Verdict:
    """Judge whether clips without speech were all refused, or all measured, as promised."""
    answered = len(table) - len(refusals)
    holds = not refusals if expected == "answered" else answered == 0
    reason = refusals[0].reason if expected == "answered" and refusals else ""
    measured = f"{answered} answered, {len(refusals)} refused"
    return make_verdict("ok" if holds else "FAIL", recordings=len(table), measured=measured, reason=reason)


def _invariances(info: MetricInfo) -> list[Check]:
    promised = info.behaviour
    checks = []
    if (ideal := promised.identity) is not None:
        checks.append(Check("identity", (ITSELF,), f"{ideal:g}", lambda values: _is(values[0], ideal)))
    limits = {
        "gain": (promised.gain, (ITSELF, QUIETER, LOUDER)),
        "shift": (promised.shift, (ITSELF, LATER)),
        "resample": (promised.resample, (ITSELF, RESAMPLED)),
        "symmetric": (promised.symmetric, (FORWARD, BACKWARD)),
    }
    for name, (limit, pairs) in limits.items():
        if limit is not None:
            checks.append(Check(name, pairs, f"moves by at most {limit:g} {info.unit}", partial(_moves, limit)))
    return checks


def _worsenings(info: MetricInfo) -> list[Check]:
    worsens = [kind for kind in GRADES if kind in info.behaviour.worsens]
    promised = "gets worse with every grade"
    return [Check(kind, tuple(grades(kind)), promised, partial(_gets_worse, info)) for kind in worsens]


def _no_speech(info: MetricInfo) -> list[Check]:
    promised = {SILENCE: info.behaviour.silence, WHITE_NOISE: info.behaviour.noise}
    declared = {name: answer for name, answer in promised.items() if answer is not None}
    return [Check(name, (name,), f"is {answer}", expected=answer) for name, answer in declared.items()]


def _band_limit(info: MetricInfo) -> list[Check]:
    """Promise that a band limit, which leaves speech intelligible, counts less than clearly audible noise."""
    if info.name not in BAND_LIMIT_METRICS:
        return []
    promised = f"{BAND_LIMIT_HZ / 1000:g} kHz below {NOISE_OF_BAND_LIMIT} dB"
    return [Check(BAND_LIMIT, (BAND_LIMIT, NOISE_OF_BAND_LIMIT), promised, lambda values: values[0] < values[1])]


def _known_values(info: MetricInfo) -> list[Check]:
    return [
        Check(
            known.pair, (known.pair,), f"{known.low:.3g} to {known.high:.3g}", partial(_within, known.low, known.high)
        )
        for known in KNOWN_VALUES
        if known.metric == info.name
    ]


def _is(value: float, ideal: float) -> bool:
    return math.isclose(value, ideal, rel_tol=ROUNDING, abs_tol=ROUNDING)


def _moves(limit: float, values: Sequence[float]) -> bool:
    before, *after = values
    return all(abs(value - before) <= limit + ROUNDING for value in after)


def _within(low: float, high: float, values: Sequence[float]) -> bool:
    return low - ROUNDING <= values[0] <= high + ROUNDING


def _gets_worse(info: MetricInfo, values: Sequence[float]) -> bool:
    """Return whether the last grade is worse than the first and no grade is better than the one before, up to slack."""
    faults = [_fault(info, value) for value in values]
    slack = SLACK * (faults[-1] - faults[0])
    steps = pairwise(faults)
    return faults[-1] > faults[0] and all(later >= earlier - slack for earlier, later in steps)


def _fault(info: MetricInfo, value: float) -> float:
    """Return how bad a value is; if neither direction is better, its distance from the ideal value."""
    if info.higher_is_better is not None:
        return -value if info.higher_is_better else value
    ideal = info.behaviour.identity
    return math.nan if ideal is None else abs(value - ideal)
