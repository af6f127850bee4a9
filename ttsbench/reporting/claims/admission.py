"""Conditions that a run has to meet before a claim is judged on it, each from quantities that the run recorded.

    calibrated  spread of a sampler's draws over the error of their mean between .7 and 1.3 (metric ``calibration``, or
                ``calibration_prosody`` if the system predicts prosody)
    refines     cosine between the first step of a refiner and the way to the recording above .05 (``training.csv``)
    moved       distance of a student from its teacher above .02 standard deviations of the data (``training.csv``)
    diverse     level of mel bands varies by more than .1 dB over the draws of a teacher (metric ``diversity_mel``)
    equal       two systems differ by at most a margin in another metric

A quantity that the run did not record does not admit the claim. The last condition is headroom: a metric whose values
for the copy-synthesis and for the worst system lie within three minimum detectable effects of the comparison cannot
tell systems apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ttsbench.config.schema import pair
from ttsbench.config.systems import ANOTHER_RENDERING, COPY_SYNTHESIS, REFERENCES
from ttsbench.reporting.claims.claim import Admission, Part
from ttsbench.reporting.claims.effect import Effect
from ttsbench.reporting.claims.scored_run import ScoredRun

CALIBRATED = (0.7, 1.3)
COSINE = 0.05
MOVED = 0.02  # standard deviations of the data
DIVERSE = 0.1  # dB
SUBJECTS = {"cosine": "cosine between the steps and the way to the recording", "moved": "distance from the teacher"}
HEADROOM = 3.0  # minimum detectable effects


def failures(admission: Admission, run: ScoredRun) -> list[str]:
    """Return a sentence for each condition that the run does not meet."""
    return list(_failures(admission, run))


def _failures(admission: Admission, run: ScoredRun) -> Iterator[str]:
    for system in admission.calibrated:
        metric = "calibration_prosody" if pair(system)[1] in run.experiment.adapters else "calibration"
        value = run.value(metric, system)
        low, high = CALIBRATED
        if not low <= value <= high:
            yield f"the calibration of {system} is {_number(value)}, outside [{low:g}, {high:g}]"
    for name, systems, limit in (("cosine", admission.refines, COSINE), ("moved", admission.moved, MOVED)):
        for system in systems:
            value = run.trained_quantity(system, name)
            if not value > limit:
                yield f"the {SUBJECTS[name]} of {system} is {_number(value)}, not above {limit:g}"
    for system in admission.diverse:
        value = run.value("diversity_mel", system)
        if not value > DIVERSE:
            yield f"the mel diversity of {system} is {_number(value)} dB, not above {DIVERSE:g}"
    for equality in admission.equal:
        first, second = (run.value(equality.metric, system) for system in equality.systems)
        if not abs(first - second) <= equality.margin:
            yield (
                f"{equality.metric} of {' and '.join(equality.systems)} differs by {_number(abs(first - second))}, "
                f"more than {equality.margin:g}"
            )


def headroom_problem(part: Part, measured: Sequence[Effect], run: ScoredRun) -> str:
    """Return why the metric cannot tell systems apart; empty if it can, or if no reference or ideal is known."""
    span = _span(part, run)
    mde = max((effect.mde for effect in measured if not effect.is_location), default=math.nan)
    if math.isnan(span) or math.isnan(mde) or span >= HEADROOM * mde:
        return ""
    return (
        f"{part.metric} has no headroom: the worst system lies {span:.3g} from the reference, less than three minimum "
        f"detectable effects of {mde:.3g}"
    )


def _span(part: Part, run: ScoredRun) -> float:
    """Return the distance between the worst system and the copy-synthesis, or the rendering of another draw."""
    rows = run.metrics[part.metric]
    higher = rows.info.higher_is_better
    if higher is None or "cost" in rows.info.needs:
        return math.nan
    known = (run.value(part.metric, name) for name in (COPY_SYNTHESIS, ANOTHER_RENDERING))
    reference = next((value for value in known if not math.isnan(value)), math.nan)
    values = [run.value(part.metric, system) for system in run.systems if system not in REFERENCES]
    present = [value for value in values if not math.isnan(value)]
    if not present:
        return math.nan
    return abs(reference - (min(present) if higher else max(present)))


def _number(value: float) -> str:
    return "not recorded" if math.isnan(value) else f"{value:.3g}"
