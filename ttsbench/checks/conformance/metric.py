"""The checks of a metric: its info, its measurements, the clips that it refuses, and its reduction of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsbench import registry
from ttsbench.backends.hub import missing
from ttsbench.checks.conformance.finding import Check, Finding, evaluate, first_problem, name_list
from ttsbench.checks.conformance.speech import clip_of, pairs, unusable
from ttsbench.checks.global_rng import global_rng_error
from ttsbench.errors import MeasurementError
from ttsbench.interfaces import Metric, WeightedMetric
from ttsbench.types import Clip, MetricInfo

TAKEN = ("system", "seed", "sample", "utterance", "error", "warning", "machine")  # columns of every table of rows
NEEDS = frozenset({"reference", "transcript", "cost", "phones", "prompt", "draws"})
TOLERANCE = 1e-9  # relative: float64 sums in another order
PREFIX = "metric: "
VALUES = "measure gives one finite number per column"
NO_GLOBAL_RNG = "measure leaves the global generators alone"
REPEATABLE = "measure gives the same for the same clip"
REFUSES = "measure refuses an unusable clip with MeasurementError"
REDUCES = "reduce gives a finite number for several rows"
Rows = NDArray[np.float64]


def check_metric(name: str, options: Mapping[str, Any] | None = None) -> Iterator[Finding]:
    """All findings, in order of root cause.

    The checks stop early if the metric cannot be built, has no ``MetricInfo``, or needs a model that is not installed.
    """
    build = cache(partial(registry.load("metrics", name), **(options or {})))
    (built,) = evaluate([Check("can be built", lambda: _construction_problem(build()))], PREFIX)
    (info,) = evaluate([Check("info is complete", lambda: _info_problem(name, build().info))], PREFIX)
    yield from (built, info)
    if not (built.ok and isinstance(build().info, MetricInfo)):
        return
    metric = build()
    (installed,) = evaluate([Check("the model it needs is installed", lambda: missing(metric))], PREFIX)
    yield installed
    if installed.ok:
        yield from evaluate([*_measure_checks(metric), *_reduce_checks(metric)], PREFIX)


def _measure_checks(metric: Any) -> list[Check]:
    return [
        Check(VALUES, partial(_value_problem, metric)),
        Check(NO_GLOBAL_RNG, lambda: global_rng_error(lambda: _measure(metric, *pairs()[0])), (VALUES,)),
        Check(REPEATABLE, partial(_repetition_problem, metric), (NO_GLOBAL_RNG,)),
        Check("measure leaves the clips as they were", partial(_changed_clips, metric)),
        Check(REFUSES, partial(_accepted_unusable, metric)),
    ]


def _reduce_checks(metric: Any) -> list[Check]:
    rows = cache(lambda: np.asarray([_measure(metric, *pair) for pair in pairs()], dtype=np.float64))
    checks = [
        Check(REDUCES, lambda: _reduction_problem(metric, rows()), (VALUES,)),
        Check("reduce does not depend on the order of the rows", lambda: _order_dependence(metric, rows()), (REDUCES,)),
        Check("reduce takes a single row and repeated rows", lambda: _resampling_problem(metric, rows()), (REDUCES,)),
        Check("reduce leaves rows and the global generators alone", lambda: _side_effect(metric, rows())),
    ]
    if isinstance(metric, WeightedMetric):
        weighted = "reduce_weighted gives what reduce gives for repeated rows"
        checks.append(Check(weighted, lambda: _weighting_problem(metric, rows()), (REDUCES,)))
    if "reference" in metric.info.needs and metric.info.higher_is_better is not None:
        identity = "a recording against itself scores no worse than against another"
        checks.append(Check(identity, partial(_identity_problem, metric), (VALUES, REDUCES)))
    return checks


def _construction_problem(metric: object) -> str:
    return "" if isinstance(metric, Metric) else "it lacks measure or reduce"


def _info_problem(name: str, info: object) -> str:
    if not isinstance(info, MetricInfo):
        return f"the metric has no info: MetricInfo, but {info!r}"
    columns = info.columns
    rate = info.sample_rate
    return first_problem(
        [
            (info.name == name, f"info.name is {info.name!r}, but it is registered as '{name}'"),
            (bool(info.title.strip()), "info.title is empty"),
            (bool(info.paper.strip()), "info.paper is empty; name the paper, or call it a convention"),
            (isinstance(info.unit, str) and bool(info.unit), f"info.unit is {info.unit!r}; 'ratio' is a unit too"),
            (info.higher_is_better in (True, False, None), f"info.higher_is_better is {info.higher_is_better!r}"),
            (isinstance(columns, tuple) and bool(columns), f"info.columns is {columns!r}, not a tuple of names"),
            (len(set(columns)) == len(columns), f"info.columns holds a name twice: {columns}"),
            (not set(columns) & set(TAKEN), f"info.columns are {columns}; every table has columns {', '.join(TAKEN)}"),
            (all(isinstance(name, str) and name.isidentifier() for name in columns), f"info.columns are {columns}: "
             "each must be a word, because it heads a column of a table"),
            (info.signature.startswith(name), f"info.signature is {info.signature!r}; it must start with '{name}'"),
            (set(info.needs) <= NEEDS, f"info.needs is {set(info.needs)}; known are {', '.join(sorted(NEEDS))}"),
            (rate is None or (type(rate) is int and rate > 0), f"info.sample_rate is {rate!r}, no positive int of Hz"),
        ]
    )  # fmt: skip


def _measure(metric: Any, clip: Clip, reference: Clip) -> Sequence[float]:
    """Measure a clip as the score stage does."""
    rate = metric.info.sample_rate
    against = reference if "reference" in metric.info.needs else clip
    values: Sequence[float] = metric.measure(clip.at(rate), against.at(rate))
    return values


def _value_problem(metric: Any) -> str:
    columns = metric.info.columns
    for pair in pairs():
        values = _measure(metric, *pair)
        if not isinstance(values, tuple) or len(values) != len(columns):
            return f"it gives {values!r} for the columns {columns}"
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
            return f"it gives {values!r}; raise MeasurementError if a clip cannot be measured"
    return ""


def _repetition_problem(metric: Any) -> str:
    first, again = (_measure(metric, *pairs()[0]) for _ in range(2))
    return "" if tuple(first) == tuple(again) else f"it gives {first!r} and then {again!r}"


def _changed_clips(metric: Any) -> str:
    pair, copies = pairs()[0], pairs()[0]
    rate = metric.info.sample_rate
    given, before = [clip.at(rate) for clip in pair], [clip.at(rate) for clip in copies]
    metric.measure(given[0], given["reference" in metric.info.needs])
    changed = [
        f"the {field} of the {which}"
        for which, after, original in zip(("clip", "reference"), given, before, strict=True)
        for field in ("samples", "sample_rate", "text", "transcript", "id", "speaker")
        if not np.array_equal(getattr(after, field), getattr(original, field))
    ]
    return name_list("it changes", changed)


def _accepted_unusable(metric: Any) -> str:
    usable = pairs()[0][0]
    for description, samples in unusable().items():
        cases = {f"a clip {description}": (clip_of(samples), usable)}
        if "reference" in metric.info.needs:
            cases[f"a reference {description}"] = (usable, clip_of(samples))
        for case, (clip, reference) in cases.items():
            try:
                values = _measure(metric, clip, reference)
            except MeasurementError:
                continue
            except Exception as error:
                return f"{case} raises {type(error).__name__}: {error}"
            return f"{case} is measured as {values!r}, but there is nothing to measure"
    return ""


def _reduction_problem(metric: Any, rows: Rows) -> str:
    value = metric.reduce(rows.copy())
    return "" if _is_number(value) and math.isfinite(value) else f"the rows reduce to {value!r}"


def _order_dependence(metric: Any, rows: Rows) -> str:
    values = [metric.reduce(rows[order].copy()) for order in ([0, 1, 2, 3], [2, 3, 0, 1], [3, 1, 0, 2])]
    close = all(math.isclose(values[0], value, rel_tol=TOLERANCE, abs_tol=1e-12) for value in values)
    return "" if close else f"three orders of the same rows give {values}"


def _resampling_problem(metric: Any, rows: Rows) -> str:
    """The bootstrap passes any multiset of rows; NaN is a valid answer, infinity and exceptions are not."""
    multisets = {"a single row": [0], "one row three times": [0, 0, 0], "two rows, one of them twice": [1, 1, 2]}
    for description, picks in multisets.items():
        value = metric.reduce(rows[picks].copy())
        if not _is_number(value) or math.isinf(value):
            return f"{description} reduces to {value!r}; return NaN if there is no value"
    return ""


def _side_effect(metric: Any, rows: Rows) -> str:
    given = rows.copy()
    problem = global_rng_error(lambda: metric.reduce(given))
    return problem or ("" if np.array_equal(given, rows) else "it writes into the rows; copy them first")


def _weighting_problem(metric: WeightedMetric, rows: Rows) -> str:
    weights = np.array([[1, 1, 1, 1], [2, 0, 1, 0], [0, 3, 0, 1], [0, 1, 2, 1]])
    values = metric.reduce_weighted(rows.copy(), weights.astype(np.float64))
    expected = [metric.reduce(rows.repeat(counts, axis=0)) for counts in weights]
    same = np.allclose(values, expected, rtol=TOLERANCE, atol=1e-9, equal_nan=True)
    return "" if same else f"it gives {values}, but reduce gives {expected}"


def _identity_problem(metric: Any) -> str:
    clip, other = pairs()[0]
    best, worse = (
        metric.reduce(np.asarray([_measure(metric, clip, reference)], np.float64)) for reference in (clip, other)
    )
    if math.isnan(best) or math.isnan(worse):
        return ""
    holds = best >= worse if metric.info.higher_is_better else best <= worse
    holds = holds or math.isclose(best, worse, rel_tol=1e-6)  # sums of other numbers may round otherwise
    return "" if holds else f"{best:g} against itself, {worse:g} against another voice; is higher_is_better right?"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
