"""Intervals, paired tests, and what many comparisons do to them. See the modules for papers and formulas."""

from ttsbench.evaluation.stats.bootstrap import (
    LEVEL,
    RESAMPLES,
    Contrast,
    Difference,
    Interval,
    bootstrap_interval,
    contrast,
    paired_difference,
)
from ttsbench.evaluation.stats.crossed import CrossedEstimate, crossed_estimate
from ttsbench.evaluation.stats.effect import POWER, effect_size, minimum_detectable_effect
from ttsbench.evaluation.stats.multiple import holm
from ttsbench.evaluation.stats.permutation import permutation_test
from ttsbench.evaluation.stats.scores import Crossing, Reduce, Reduction, Rows, Scores, crossing

__all__ = [
    "LEVEL",
    "POWER",
    "RESAMPLES",
    "Contrast",
    "CrossedEstimate",
    "Crossing",
    "Difference",
    "Interval",
    "Reduce",
    "Reduction",
    "Rows",
    "Scores",
    "bootstrap_interval",
    "contrast",
    "crossed_estimate",
    "crossing",
    "effect_size",
    "holm",
    "minimum_detectable_effect",
    "paired_difference",
    "permutation_test",
]
