"""The content of a table, independent of its format: cells, best models and significant differences.

The best model of a metric has the best value on the utterances that all models share. The difference of two models is
significant if p < .05 in a paired permutation test over utterances, after Holm's correction over the comparisons under
one metric, and its interval excludes 0. One mark shows models that differ significantly from the first model, another
shows models that do not differ significantly from the best.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ttsbench.config.schema import ORACLE, pair
from ttsbench.evaluation.estimates import BootstrapSettings, Comparison, MetricCell, corrected
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.reporting.tables.blocks import Blocks
from ttsbench.reporting.tables.headings import Heading, heading

COLUMNS = 8  # maximum number of metrics side by side
FEWEST = 2  # utterances by which systems are ranked: the value of a single one says nothing about the next
SIGNIFICANT = 0.05  # level of the test after Holm's correction


def significant(comparison: Comparison) -> bool:
    """Return whether the two systems of a comparison differ significantly."""
    return comparison.p_holm < SIGNIFICANT and not comparison.low <= 0 <= comparison.high


def smallest_p(utterances: int) -> float:
    """Return the smallest p that a two-sided paired permutation test can give, 2 / 2^n for n utterances."""
    return min(1.0, 2.0 ** (1 - utterances))


def untestable(comparisons: Sequence[Comparison]) -> list[tuple[Comparison, float]]:
    """Return the comparisons on so few utterances that none can be significant, with their smallest corrected p.

    Holm's correction multiplies the smallest p of a family, which is one metric with one baseline, by its size.
    """
    tested = [item for item in comparisons if not math.isnan(item.p)]
    sizes = Counter((item.baseline, item.metric) for item in tested)
    smallest = [(item, min(1.0, sizes[item.baseline, item.metric] * smallest_p(item.n))) for item in tested]
    return [(item, p) for item, p in smallest if p >= SIGNIFICANT]


def best_models(rows: MetricRows, models: Sequence[str]) -> set[str]:
    """Return the models with the best value on the utterances that all of them have.

    Models to which the metric does not apply are left out. The set is empty for a metric without a preferred direction,
    for fewer than two models, if the models share fewer than two utterances, if all have the same value, and for times
    that were measured on several machines.
    """
    models = rows.applicable_systems(models)
    models = [name for name in models if not given_prosody(rows, name)]
    if rows.info.higher_is_better is None or len(models) < 2 or not rows.on_one_machine(models):
        return set()
    common = set.intersection(*(rows.utterances(name) for name in models))
    if len(common) < FEWEST:
        return set()
    values = {name: rows.value(name, common) for name in models}
    if any(math.isnan(value) for value in values.values()):
        return set()
    extreme = max(values.values()) if rows.info.higher_is_better else min(values.values())
    best = {name for name, value in values.items() if math.isclose(value, extreme, rel_tol=1e-9)}
    return best if len(best) < len(values) else set()


def given_prosody(rows: MetricRows, system: str) -> bool:
    """Return whether a system with the recording's prosody has exactly the ideal value, as for phone durations."""
    ideal = rows.info.behaviour.identity
    return ideal is not None and pair(system)[1] == ORACLE and rows.value(system) == ideal


def compare_with_best(
    metrics: Sequence[MetricRows], models: Sequence[str], sampling: BootstrapSettings
) -> list[Comparison]:
    """Compare every other model with the best one, for each metric that has a best model; sets ``p_holm``."""
    comparisons = []
    for rows in metrics:
        best = best_models(rows, models)
        first = next((name for name in models if name in best), None)
        if first is not None:
            comparisons += [
                rows.difference(name, first, sampling)
                for name in rows.applicable_systems(models)
                if name not in best and not given_prosody(rows, name)
            ]
    return corrected(comparisons)


@dataclass(frozen=True)
class Table:
    """The content of a table.

    ``references`` come first and are neither ranked nor compared with the baseline. ``about`` describes the test in
    one sentence, ``notes`` give further remarks. ``titles`` maps systems and metrics to displayed titles. ``label`` is
    the LaTeX label. ``intervals`` and ``signatures`` say whether those are shown. ``layout`` arranges the
    rows of LaTeX tables; without it there is one row per system.
    """

    title: str
    systems: Sequence[str]
    references: Sequence[str]
    metrics: Sequence[MetricRows]
    cells: Mapping[tuple[str, str], MetricCell]
    notes: Sequence[str]
    comparisons: Sequence[Comparison] = ()
    best_comparisons: Sequence[Comparison] = ()
    about: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)
    label: str = "tab:ttsbench"
    intervals: bool = True
    signatures: bool = True
    layout: Blocks | None = None

    @property
    def models(self) -> list[str]:
        """The systems that are ranked."""
        return [name for name in self.systems if name not in self.references]

    @property
    def differing(self) -> set[tuple[str, str]]:
        """(system, metric) of the values that differ significantly from the baseline."""
        return {(item.system, item.metric) for item in self.comparisons if significant(item)}

    @property
    def tied_with_best(self) -> set[tuple[str, str]]:
        """(system, metric) of the values that were tested and do not differ significantly from the best."""
        hopeless = [item for item, _ in untestable(self.best_comparisons)]
        tested = [item for item in self.best_comparisons if not math.isnan(item.p) and item not in hopeless]
        return {(item.system, item.metric) for item in tested if not significant(item)}

    def best(self, rows: MetricRows) -> set[str]:
        """Return the best models of a metric."""
        return best_models(rows, self.models)

    def name(self, system: str) -> str:
        """Return the displayed title of a system."""
        return self.titles.get(system, system)

    def heading(self, rows: MetricRows) -> Heading:
        """Return the heading of a metric's column."""
        return heading(rows.info, self.titles.get(rows.info.name, ""))

    def column(self, rows: MetricRows) -> list[MetricCell]:
        """Return the cells of a metric in the order of the systems; values that are ideal by construction are empty."""
        cells = [self.cells[system, rows.info.name] for system in self.systems]
        return [
            replace(cell, value=math.nan, n_failed=0) if given_prosody(rows, cell.system) else cell for cell in cells
        ]

    def blocks(self, columns: int = COLUMNS) -> list[Sequence[MetricRows]]:
        """Split the metrics into blocks of similar size with at most ``columns`` metrics each."""
        count = max(1, math.ceil(len(self.metrics) / columns))
        bounds = [len(self.metrics) * number // count for number in range(count + 1)]
        return [self.metrics[start:end] for start, end in pairwise(bounds)]
