"""Effect sizes, and the smallest effect that a comparison can detect.

J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, ch. 2: d_z of paired differences is their mean
divided by their standard deviation. Here the bootstrap standard error times the square root of the number of utterances
takes the place of the standard deviation, so that d_z exists for every metric. For the mean of paired differences of
one seed the two agree (with n instead of n - 1 in the denominator). With several seeds the value also contains the
variance between seeds.

The minimum detectable effect is the true difference that a two-sided test at 1 - ``level`` finds with probability
``power`` (H. S. Bloom, "Minimum detectable effects", Evaluation Review 19(5), 1995):
(z_{(1 + level) / 2} + z_{power}) standard errors, which is 2.80 standard errors at .95 and .8.
"""

from __future__ import annotations

import math
from statistics import NormalDist

POWER = 0.8


def effect_size(difference: float, error: float, utterances: int) -> float:
    """Return ``difference / (error * sqrt(utterances))``, NaN if the standard error is 0 or unknown.

    >>> effect_size(1.0, 0.25, 64)
    0.5
    """
    return difference / (error * math.sqrt(utterances)) if error > 0 else math.nan


def minimum_detectable_effect(error: float, level: float, power: float = POWER) -> float:
    """Return the true difference that is detected with probability ``power``, in the unit of the standard error.

    >>> round(minimum_detectable_effect(1.0, 0.95), 2)
    2.8
    """
    normal = NormalDist()
    return (normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(power)) * error
