"""Intervals, paired tests and corrections for many comparisons. The modules name the papers and formulas.

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> difficulty = rng.normal(size=(40, 1))
>>> a, b = Scores(difficulty + 1), Scores(difficulty + rng.normal(0, 0.1, (40, 1)))
>>> difference = paired_difference(a, b, lambda rows: rows.mean(), rng)
>>> print(f"{difference.value:.1f} [{difference.low:.1f}, {difference.high:.1f}]")
1.0 [0.9, 1.0]
>>> permutation_test(a, b, lambda rows: rows.mean(), rng) < 0.01
True
"""

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
from ttsbench.evaluation.stats.power import (
    VarianceComponents,
    difference_power,
    equivalence_power,
    seeds_needed,
    seeds_needed_for_equivalence,
    variance_components,
)
from ttsbench.evaluation.stats.scores import Crossing, Reduce, Reduction, Rows, Scores, crossing
from ttsbench.evaluation.stats.seeds import (
    Decision,
    SeedDifference,
    decide,
    difference_of_means,
    equivalence_p,
    seed_difference,
    seed_values,
)

__all__ = [
    "LEVEL",
    "POWER",
    "RESAMPLES",
    "Contrast",
    "CrossedEstimate",
    "Crossing",
    "Decision",
    "Difference",
    "Interval",
    "Reduce",
    "Reduction",
    "Rows",
    "Scores",
    "SeedDifference",
    "VarianceComponents",
    "bootstrap_interval",
    "contrast",
    "crossed_estimate",
    "crossing",
    "decide",
    "difference_of_means",
    "difference_power",
    "effect_size",
    "equivalence_p",
    "equivalence_power",
    "holm",
    "minimum_detectable_effect",
    "paired_difference",
    "permutation_test",
    "seed_difference",
    "seed_values",
    "seeds_needed",
    "seeds_needed_for_equivalence",
    "variance_components",
]
