"""Rows of scores and reductions of them, for tests of the statistics."""

import math

import numpy as np


def mean(rows):
    """Mean of the first column."""
    return float(rows[:, 0].mean())


def ratio(rows):
    """Ratio of sums, as error rates are."""
    return float(rows[:, 0].sum() / rows[:, 1].sum())


def ratio_or_nan(rows):
    """Ratio of sums, or NaN without any words."""
    return ratio(rows) if rows[:, 1].sum() else math.nan


def random(seed=0):
    """A generator."""
    return np.random.default_rng(seed)


def errors_and_words(rng, utterances=50, rate=0.2):
    """Counts of errors in utterances of 3 to 39 words."""
    length = rng.integers(3, 40, size=utterances)
    return np.stack([rng.binomial(length, rate), length], axis=1).astype(float)
