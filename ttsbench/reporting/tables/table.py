"""What a table shows, whatever it is written in: cells, the best, and who is told apart from whom.

The best of a metric is the model that no other is better than on the utterances that all models share. Two models are
told apart where p < .05 in a paired permutation test over utterances, after Holm's correction over the comparisons
under one metric, and 0 lies outside the interval of the difference: by that rule a model carries one mark where it
differs from the first model, and another where it is not told apart from the best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ttsbench.evaluation.metric_rows import Cell, Comparison, MetricRows, Sampling, corrected
from ttsbench.reporting.tables.headings import Heading, heading

COLUMNS = 8  # most metrics side by side
SIGNIFICANT = 0.05  # after Holm's correction


def significant(one: Comparison) -> bool:
    """Whether a comparison tells its two systems apart."""
    return one.p_holm < SIGNIFICANT and not one.low <= 0 <= one.high


def best_models(rows: MetricRows, models: Sequence[str]) -> set[str]:
    """The best models of a metric, compared on the utterances that all of them have; none where one has none."""
    if rows.info.higher_is_better is None or len(models) < 2:
        return set()
    common = set.intersection(*(rows.utterances(name) for name in models))
    values = {name: rows.value(name, common) for name in models}
    if any(math.isnan(value) for value in values.values()):
        return set()
    extreme = max(values.values()) if rows.info.higher_is_better else min(values.values())
    best = {name for name, value in values.items() if math.isclose(value, extreme, rel_tol=1e-9)}
    return best if len(best) < len(values) else set()


def compare_with_best(metrics: Sequence[MetricRows], models: Sequence[str], sampling: Sampling) -> list[Comparison]:
    """Every other model against the best one of each metric that has a best, with ``p_holm``."""
    found = []
    for rows in metrics:
        best = best_models(rows, models)
        first = next((name for name in models if name in best), None)
        if first is not None:
            found += [rows.difference(name, first, sampling) for name in models if name not in best]
    return corrected(found)


@dataclass(frozen=True)
class Table:
    """What all renderings show. ``references`` come first and are never ranked, nor compared with the baseline.

    ``about`` says what was measured on what, in one sentence; ``notes`` what else there is to know. ``titles`` holds
    what systems and metrics are called where it is not their name. ``label`` is what LaTeX refers to the table by.
    """

    title: str
    systems: Sequence[str]
    references: Sequence[str]
    metrics: Sequence[MetricRows]
    cells: Mapping[tuple[str, str], Cell]
    notes: Sequence[str]
    comparisons: Sequence[Comparison] = ()
    best_comparisons: Sequence[Comparison] = ()
    about: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)
    label: str = "tab:ttsbench"

    @property
    def models(self) -> list[str]:
        """What is ranked."""
        return [name for name in self.systems if name not in self.references]

    @property
    def marked(self) -> set[tuple[str, str]]:
        """(system, metric) of the values that differ from the baseline's."""
        return {(one.system, one.metric) for one in self.comparisons if significant(one)}

    @property
    def level_with_best(self) -> set[tuple[str, str]]:
        """(system, metric) of the values that are tested against the best and not told apart from it."""
        return {
            (one.system, one.metric) for one in self.best_comparisons if not math.isnan(one.p) and not significant(one)
        }

    def best(self, rows: MetricRows) -> set[str]:
        """The best models of a metric."""
        return best_models(rows, self.models)

    def name(self, system: str) -> str:
        """What a system is called."""
        return self.titles.get(system, system)

    def heading(self, rows: MetricRows) -> Heading:
        """What stands over a metric's column."""
        return heading(rows.info, self.titles.get(rows.info.name, ""))

    def column(self, rows: MetricRows) -> list[Cell]:
        """The cells of a metric, in the order of the systems."""
        return [self.cells[system, rows.info.name] for system in self.systems]

    def blocks(self, columns: int = COLUMNS) -> list[Sequence[MetricRows]]:
        """The metrics in runs of at most ``columns``, as even as can be."""
        count = max(1, math.ceil(len(self.metrics) / columns))
        bounds = [len(self.metrics) * number // count for number in range(count + 1)]
        return [self.metrics[start:end] for start, end in pairwise(bounds)]
