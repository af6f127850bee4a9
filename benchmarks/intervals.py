"""Compare two ways to bootstrap the interval of a metric: all resamples at once, and one after another.

The rows are random, for three seeds and 60 utterances, as in the tables of this project. Both ways give the same
interval. The script alternates between them and prints the ratio of their median times.
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
    """Return random rows that the metric can reduce: (seeds x utterances, columns).

    A first column that codes the speaker or the utterance cycles through four values.
    """
    count = SEEDS * UTTERANCES
    rows = rng.integers(1, 40, size=(count, len(metric.info.columns))).astype(np.float64)
    if metric.info.columns[0].endswith("_code"):
        rows[:, 0] = np.tile(np.arange(UTTERANCES) % 4, SEEDS)
    if metric.info.name.startswith("std_ratio"):
        rows[:, [3, 6]] *= 1_000.0  # sums of squares
    if metric.info.name == "gv_ratio":
        rows /= 100.0  # the columns are logarithms
    return Scores(rows, np.tile(np.arange(UTTERANCES), SEEDS), np.repeat(np.arange(SEEDS), UTTERANCES))


def seconds(scores: Scores, reduction: Reduction) -> float:
    """Return the processor time of one interval, in seconds."""
    start = time.process_time()
    bootstrap_interval(scores, reduction, np.random.default_rng(0))
    return time.process_time() - start


def main() -> None:
    """Print one line per metric, and the ratio of the total times."""
    totals = np.zeros(2)
    for name in METRICS:
        metric = registry.load("metrics", name)()
        scores = rows_of(metric, np.random.default_rng(1))
        reductions = Reduction(metric.reduce), Reduction(metric.reduce, metric.reduce_weighted)
        rounds = [[seconds(scores, reduction) for reduction in reductions] for _ in range(ROUNDS)]
        sequential, batched = (statistics.median(column) for column in zip(*rounds, strict=True))
        totals += sequential, batched
        print(
            f"{name:<18} {1e3 * sequential:7.1f} ms one by one, {1e3 * batched:6.1f} ms at once: "
            f"{sequential / batched:5.1f} times faster"
        )
    print(f"{'all':<18} {totals[0] / totals[1]:.1f} times faster")


if __name__ == "__main__":
    main()
