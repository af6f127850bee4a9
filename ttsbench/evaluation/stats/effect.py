"""How large a difference is, and how large it would have to be to be found.

J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, ch. 2: d_z of paired differences is their mean
over their standard deviation. A bootstrap standard error times the root of the number of utterances stands for that
deviation whatever the metric is; for the mean of paired differences of one seed it is that deviation (with n rather
than n - 1 below the fraction line). With several seeds it also holds what they differ by.

The minimum detectable effect is the true difference that a two-sided test at 1 - ``level`` finds with probability
``power`` (H. S. Bloom, "Minimum detectable effects", Evaluation Review 19(5), 1995):
(z_{(1 + level) / 2} + z_{power}) standard errors, 2.80 of them at .95 and .8.
"""

from __future__ import annotations

import math
from statistics import NormalDist

POWER = 0.8


def effect_size(difference: float, error: float, utterances: int) -> float:
    """``difference`` over ``error`` times the root of ``utterances``; NaN where ``error`` is 0 or unknown."""
    return difference / (error * math.sqrt(utterances)) if error > 0 else math.nan


def minimum_detectable_effect(error: float, level: float, power: float = POWER) -> float:
    """The difference found with probability ``power``, in the unit of ``error``, the bootstrap standard error."""
    normal = NormalDist()
    return (normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(power)) * error
