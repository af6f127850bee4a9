"""A paired permutation test.

R. A. Fisher, "The Design of Experiments", 1935, s. 21; E. W. Noreen, "Computer-Intensive Methods for Testing
Hypotheses", 1989 (approximate randomization); for tests of systems on shared sentences: S. Riezler and J. T. Maxwell,
"On some pitfalls in automatic evaluation and significance testing for MT", 2005.

Were two systems alike, nobody could tell which of them spoke which rendering of an utterance. So the rows of whole
utterances (all seeds and all draws together) change sides at random, and the difference is compared with the
differences that this gives. It holds whatever ``reduce`` is, exactly where both have equally many rows of an utterance.
What it speaks of is the models that were trained: two trainings of one objective that differ in the seed alone are two
models, and are told apart in four to five of ten comparisons of real scores (see `test_false_positives`). Of
objectives speaks an interval over several seeds, which is why tables ask for both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ttsbench.evaluation.stats.scores import Reduce, Rows, Scores, crossing, reduce_many, same_utterances

PERMUTATIONS = 1000
EXACT = 12  # utterances; up to here all swaps are tried
TOLERANCE = 1e-12  # relative: the same rows summed in another order are the same difference


def permutation_test(
    a: Scores, b: Scores, reduce: Reduce, rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> float:
    """Two-sided p of ``reduce(a) - reduce(b)`` by swapping the two systems' rows of whole utterances.

    p = (1 + N') / (1 + N), where N' of N random swaps give a difference at least as large; up to twelve utterances the
    share among all 2^U swaps. NaN where ``reduce`` is undefined on the rows or on some swap. Raises ``ValueError``
    where the two do not cover the same utterances.
    """
    rows, left, right = _side_by_side(a, b)
    value_a, value_b = reduce(a.rows), reduce(b.rows)
    if np.isnan(value_a - value_b):
        return float("nan")
    exact = len(left) <= EXACT
    swaps = _all_swaps(len(left)) if exact else rng.random((permutations, len(left))) < 0.5
    one, other = (_swapped(rows, reduce, swaps, *sides) for sides in ((left, right), (right, left)))
    differences = np.abs(one - other)
    if np.isnan(differences).any():
        return float("nan")
    slack = TOLERANCE * (abs(value_a) + abs(value_b))
    extreme = int((differences >= abs(value_a - value_b) - slack).sum())
    return extreme / len(swaps) if exact else (1 + extreme) / (1 + len(swaps))


def _swapped(
    rows: Rows, reduce: Reduce, swaps: NDArray[np.bool_], side: NDArray[np.int64], other: NDArray[np.int64]
) -> Rows:
    """``reduce`` of one side after each of the swaps (N, utterances), (N,)."""
    own, theirs = side >= 0, other >= 0
    of_own, of_theirs = np.nonzero(own)[0], np.nonzero(theirs)[0]

    def weights(some: slice) -> Rows:
        held = np.empty((some.stop - some.start, len(rows)))
        held[:, side[own]] = ~swaps[some][:, of_own]
        held[:, other[theirs]] = swaps[some][:, of_theirs]
        return held

    def index(number: int) -> NDArray[np.int64]:
        held = np.where(swaps[number][:, None], other, side)
        return held[held >= 0]

    return reduce_many(reduce, rows, len(swaps), weights, index)


def _side_by_side(a: Scores, b: Scores) -> tuple[Rows, NDArray[np.int64], NDArray[np.int64]]:
    """All rows, and where each side's are: two tables (utterances, most rows of one), -1 at padding."""
    of_a, of_b = crossing(a), crossing(b)
    same_utterances(of_a, of_b)
    right = np.where(of_b.by_utterance < 0, -1, of_b.by_utterance + len(a.rows))
    width = max(of_a.by_utterance.shape[1], right.shape[1])
    return np.concatenate([a.rows, b.rows]), _widened(of_a.by_utterance, width), _widened(right, width)


def _all_swaps(count: int) -> NDArray[np.bool_]:
    """Every way to swap some of ``count`` utterances but never the last, (2^(count-1), count).

    The others are these with the sides exchanged, which changes no more than the sign of a difference.
    """
    numbers = np.arange(2 ** max(count - 1, 0))[:, None]
    return np.asarray((numbers >> np.arange(count)) % 2, dtype=np.bool_)


def _widened(table: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    return np.pad(table, ((0, 0), (0, width - table.shape[1])), constant_values=-1)
