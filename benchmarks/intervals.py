"""The bootstrap interval of a metric: all resamples at once against one after another, in one run.

Rows are random, of three seeds and 60 utterances as in a table of this project; both ways give the same interval. What
is printed is the ratio of their times, medians of several rounds in turn.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

from ttsbench import registry
from ttsbench.evaluation.stats import Reduction, Scores, bootstrap_interval

SEEDS, UTTERANCES, ROUNDS = 3, 60, 5
METRICS = ("mcd", "wer", "js_mel", "js_log_f0", "std_ratio_log_f0", "gv_ratio")


def rows_of(metric: Any, rng: np.random.Generator) -> Scores:
    """Counts that any of these metrics can reduce, with a code of four speakers or of the utterance in front."""
    count = SEEDS * UTTERANCES
    rows = rng.integers(1, 40, size=(count, len(metric.info.columns))).astype(np.float64)
    if metric.info.columns[0].endswith("_code"):
        rows[:, 0] = np.tile(np.arange(UTTERANCES) % 4, SEEDS)
    if metric.info.name.startswith("std_ratio"):
        rows[:, [3, 6]] *= 1_000.0  # sums of squares
    if metric.info.name == "gv_ratio":
        rows /= 100.0  # a logarithm
    return Scores(rows, np.tile(np.arange(UTTERANCES), SEEDS), np.repeat(np.arange(SEEDS), UTTERANCES))


def seconds(scores: Scores, reduction: Reduction) -> float:
    """Processor time of one interval."""
    began = time.process_time()
    bootstrap_interval(scores, reduction, np.random.default_rng(0))
    return time.process_time() - began


def main() -> None:
    """Print a line per metric, and the ratio of all."""
    totals = np.zeros(2)
    for name in METRICS:
        metric = registry.load("metrics", name)()
        scores = rows_of(metric, np.random.default_rng(1))
        ways = Reduction(metric.reduce), Reduction(metric.reduce, metric.reduce_weighted)
        rounds = [[seconds(scores, way) for way in ways] for _ in range(ROUNDS)]
        one, many = (statistics.median(column) for column in zip(*rounds, strict=True))
        totals += one, many
        print(
            f"{name:<18} {1e3 * one:7.1f} ms one by one, {1e3 * many:6.1f} ms at once: {one / many:5.1f} times as fast"
        )
    print(f"{'all':<18} {totals[0] / totals[1]:.1f} times as fast")


if __name__ == "__main__":
    main()
