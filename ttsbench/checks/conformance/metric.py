"""The checks of a metric: what it says of itself, what it measures, what it refuses, and how it reduces rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsbench import registry
from ttsbench.backends.hub import missing
from ttsbench.checks.conformance.finding import Finding, first_fault, judge, listed
from ttsbench.checks.conformance.speech import clip_of, pairs, unusable
from ttsbench.checks.global_rng import global_rng_error
from ttsbench.errors import MeasurementError
from ttsbench.interfaces import Metric, WeightedMetric
from ttsbench.types import Clip, MetricInfo

TAKEN = ("system", "seed", "sample", "utterance", "error", "warning")  # columns of every table of rows
NEEDS = frozenset({"reference", "transcript", "cost", "phones", "prompt"})
TOLERANCE = 1e-9  # relative: float64 sums in another order
Rows = NDArray[np.float64]


def check_metric(name: str) -> Iterator[Finding]:
    """Every finding; the first two alone where there is no info to go by, the first three without its model."""
    build = cache(registry.load("metrics", name))
    built = judge("metric: can be built", lambda: "" if isinstance(build(), Metric) else "it lacks measure or reduce")
    info = judge("metric: info is complete", lambda: _info(name, build().info))
    yield from (built, info)
    if not (built.ok and isinstance(build().info, MetricInfo)):
        return
    metric = build()
    there = judge("metric: the model it needs is on this machine", lambda: missing(metric))
    yield there
    if not there.ok:
        return
    measured = cache(lambda: [_measure(metric, *pair) for pair in pairs()])

    def rows() -> Rows:
        return np.asarray(measured(), dtype=np.float64)

    checks: dict[str, Callable[[], str]] = {
        "measure gives one finite number per column": lambda: _values(metric, measured()),
        "measure gives the same for the same clip": partial(_repeatable, metric),
        "measure leaves the global generators alone": lambda: global_rng_error(lambda: _measure(metric, *pairs()[0])),
        "measure leaves the clips as they were": partial(_untouched, metric),
        "measure refuses an unusable clip with MeasurementError": partial(_refuses, metric),
        "reduce gives a finite number for several rows": lambda: _several(metric, rows()),
        "reduce does not depend on the order of the rows": lambda: _order(metric, rows()),
        "reduce takes a single row and repeated rows": lambda: _resampled(metric, rows()),
        "reduce leaves rows and the global generators alone": lambda: _pure(metric, rows()),
    }
    if isinstance(metric, WeightedMetric):
        checks["reduce_weighted gives what reduce gives for repeated rows"] = lambda: _weighted(metric, rows())
    if "reference" in metric.info.needs and metric.info.higher_is_better is not None:
        checks["a recording against itself scores no worse than against another"] = partial(_identity, metric)
    yield from (judge(f"metric: {what}", fault) for what, fault in checks.items())


def _info(name: str, info: object) -> str:
    if not isinstance(info, MetricInfo):
        return f"the metric has no info: MetricInfo, but {info!r}"
    columns = info.columns
    rate = info.sample_rate
    return first_fault(
        [
            (info.name == name, f"info.name is {info.name!r}, it is registered as '{name}'"),
            (bool(info.title.strip()), "info.title is empty"),
            (bool(info.paper.strip()), "info.paper is empty; name the paper, or say that it is a convention"),
            (isinstance(info.unit, str) and bool(info.unit), f"info.unit is {info.unit!r}; 'ratio' is a unit too"),
            (info.higher_is_better in (True, False, None), f"info.higher_is_better is {info.higher_is_better!r}"),
            (isinstance(columns, tuple) and bool(columns), f"info.columns is {columns!r}, not a tuple of names"),
            (len(set(columns)) == len(columns), f"info.columns holds a name twice: {columns}"),
            (not set(columns) & set(TAKEN), f"info.columns are {columns}; every table has columns {', '.join(TAKEN)}"),
            (all(isinstance(one, str) and one.isidentifier() for one in columns), f"info.columns are {columns}: "
             "each must be a word, it heads a column of a table"),
            (info.signature.startswith(name), f"info.signature is {info.signature!r}; it starts with '{name}'"),
            (set(info.needs) <= NEEDS, f"info.needs is {set(info.needs)}; known are {', '.join(sorted(NEEDS))}"),
            (rate is None or (type(rate) is int and rate > 0), f"info.sample_rate is {rate!r}, no positive int of Hz"),
        ]
    )  # fmt: skip


def _measure(metric: Any, clip: Clip, reference: Clip) -> Sequence[float]:
    """One measurement, as the score stage takes it."""
    rate = metric.info.sample_rate
    against = reference if "reference" in metric.info.needs else clip
    values: Sequence[float] = metric.measure(clip.at(rate), against.at(rate))
    return values


def _values(metric: Any, measured: Sequence[Sequence[float]]) -> str:
    columns = metric.info.columns
    for values in measured:
        if not isinstance(values, tuple) or len(values) != len(columns):
            return f"it gives {values!r} for the columns {columns}"
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
            return f"it gives {values!r}; where there is no answer, raise MeasurementError"
    return ""


def _repeatable(metric: Any) -> str:
    first, again = (_measure(metric, *pairs()[0]) for _ in range(2))
    return "" if tuple(first) == tuple(again) else f"it gives {first!r} and then {again!r}"


def _untouched(metric: Any) -> str:
    pair, copies = pairs()[0], pairs()[0]
    rate = metric.info.sample_rate
    given, before = [one.at(rate) for one in pair], [one.at(rate) for one in copies]
    metric.measure(given[0], given["reference" in metric.info.needs])
    changed = [
        f"the {field} of the {which}"
        for which, one, other in zip(("clip", "reference"), given, before, strict=True)
        for field in ("samples", "sample_rate", "text", "transcript", "id", "speaker")
        if not np.array_equal(getattr(one, field), getattr(other, field))
    ]
    return listed("it changes", changed)


def _refuses(metric: Any) -> str:
    good = pairs()[0][0]
    for what, samples in unusable().items():
        cases = {f"a clip {what}": (clip_of(samples), good)}
        if "reference" in metric.info.needs:
            cases[f"a reference {what}"] = (good, clip_of(samples))
        for case, (clip, reference) in cases.items():
            try:
                values = _measure(metric, clip, reference)
            except MeasurementError:
                continue
            except Exception as error:
                return f"{case} raises {type(error).__name__}: {error}"
            return f"{case} is measured as {values!r}; there is nothing to measure"
    return ""


def _several(metric: Any, rows: Rows) -> str:
    value = metric.reduce(rows.copy())
    return "" if _is_number(value) and math.isfinite(value) else f"the rows reduce to {value!r}"


def _order(metric: Any, rows: Rows) -> str:
    values = [metric.reduce(rows[order].copy()) for order in ([0, 1, 2, 3], [2, 3, 0, 1], [3, 1, 0, 2])]
    close = all(math.isclose(values[0], value, rel_tol=TOLERANCE, abs_tol=1e-12) for value in values)
    return "" if close else f"three orders of the same rows give {values}"


def _resampled(metric: Any, rows: Rows) -> str:
    """The bootstrap gives any multiset; NaN is an answer there, infinity and an exception are not."""
    for what, some in (
        ("a single row", rows[:1]),
        ("one row three times", rows[[0, 0, 0]]),
        ("two and one", rows[[1, 1, 2]]),
    ):
        value = metric.reduce(some.copy())
        if not _is_number(value) or math.isinf(value):
            return f"{what} reduces to {value!r}; NaN says that there is no value"
    return ""


def _pure(metric: Any, rows: Rows) -> str:
    given = rows.copy()
    fault = global_rng_error(lambda: metric.reduce(given))
    return fault or ("" if np.array_equal(given, rows) else "it writes into the rows; copy them first")


def _weighted(metric: WeightedMetric, rows: Rows) -> str:
    weights = np.array([[1, 1, 1, 1], [2, 0, 1, 0], [0, 3, 0, 1], [0, 1, 2, 1]])
    found = metric.reduce_weighted(rows.copy(), weights.astype(np.float64))
    expected = [metric.reduce(rows.repeat(often, axis=0)) for often in weights]
    same = np.allclose(found, expected, rtol=TOLERANCE, atol=1e-9, equal_nan=True)
    return "" if same else f"it gives {found} where reduce gives {expected}"


def _identity(metric: Any) -> str:
    clip, other = pairs()[0]
    best, worse = (
        metric.reduce(np.asarray([_measure(metric, clip, reference)], np.float64)) for reference in (clip, other)
    )
    if math.isnan(best) or math.isnan(worse):
        return ""
    holds = best >= worse if metric.info.higher_is_better else best <= worse
    return "" if holds else f"{best:g} against itself, {worse:g} against another voice; is higher_is_better right?"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
