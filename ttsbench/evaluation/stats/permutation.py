"""A paired permutation test.

R. A. Fisher, "The Design of Experiments", 1935, s. 21; E. W. Noreen, "Computer-Intensive Methods for Testing
Hypotheses", 1989 (approximate randomization); for tests of systems on shared sentences: S. Riezler and J. T. Maxwell,
"On some pitfalls in automatic evaluation and significance testing for MT", 2005.

Under the null hypothesis the two systems are interchangeable on every utterance. The rows of whole utterances (all
seeds and all draws together) are therefore swapped at random between the systems, and the observed difference is
compared with the differences after swapping. The test is valid for every ``reduce``, and exact if both systems
have equally many rows of each utterance.

The hypothesis is about trained models: two trainings of one objective that differ only in the seed are two models, and
the test finds them different in four to five of ten comparisons of real scores (see `test_false_positives`). Statements
about objectives need several seeds: see ``seeds``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ttsbench.evaluation.stats.scores import Reduce, Rows, Scores, crossing, reduce_many, same_utterances

PERMUTATIONS = 1000
EXACT = 12  # utterances; up to this number all swaps are enumerated
TOLERANCE = 1e-12  # relative: sums of the same rows in another order count as equal


def permutation_test(
    a: Scores, b: Scores, reduce: Reduce, rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> float:
    """Return the two-sided p of ``reduce(a) - reduce(b)`` under swaps of the systems' rows of whole utterances.

    p = (1 + N') / (1 + N), if N' of N random swaps give a difference at least as large. Up to twelve utterances it is
    the share among all 2^U swaps. It is NaN if ``reduce`` is undefined on the rows or on any swap. Raises
    ``ValueError`` if the utterances differ.

    >>> a, b = Scores(np.array([[2.0], [3.0], [4.0]])), Scores(np.array([[1.0], [1.0], [1.0]]))
    >>> permutation_test(a, b, lambda rows: rows.mean(), np.random.default_rng(0))  # 2 of 2 ** 3 swaps
    0.25
    """
    rows, left, right = _side_by_side(a, b)
    value_a, value_b = reduce(a.rows), reduce(b.rows)
    if np.isnan(value_a - value_b):
        return float("nan")
    exact = len(left) <= EXACT
    swaps = _all_swaps(len(left)) if exact else rng.random((permutations, len(left))) < 0.5
    after_a, after_b = (_swapped(rows, reduce, swaps, *sides) for sides in ((left, right), (right, left)))
    differences = np.abs(after_a - after_b)
    if np.isnan(differences).any():
        return float("nan")
    slack = TOLERANCE * (abs(value_a) + abs(value_b))
    extreme = int((differences >= abs(value_a - value_b) - slack).sum())
    return extreme / len(swaps) if exact else (1 + extreme) / (1 + len(swaps))


def _swapped(
    rows: Rows, reduce: Reduce, swaps: NDArray[np.bool_], side: NDArray[np.int64], other: NDArray[np.int64]
) -> Rows:
    """Return ``reduce`` of one side after each of the swaps (N, utterances), as (N,)."""
    own, theirs = side >= 0, other >= 0
    of_own, of_theirs = np.nonzero(own)[0], np.nonzero(theirs)[0]

    def weights(chunk: slice) -> Rows:
        counts = np.empty((chunk.stop - chunk.start, len(rows)))
        counts[:, side[own]] = ~swaps[chunk][:, of_own]
        counts[:, other[theirs]] = swaps[chunk][:, of_theirs]
        return counts

    def index(number: int) -> NDArray[np.int64]:
        chosen = np.where(swaps[number][:, None], other, side)
        return chosen[chosen >= 0]

    return reduce_many(reduce, rows, len(swaps), weights, index)


def _side_by_side(a: Scores, b: Scores) -> tuple[Rows, NDArray[np.int64], NDArray[np.int64]]:
    """Return all rows, and for each side a table of row numbers, (utterances, most rows), -1 at padding."""
    of_a, of_b = crossing(a), crossing(b)
    same_utterances(of_a, of_b)
    right = np.where(of_b.by_utterance < 0, -1, of_b.by_utterance + len(a.rows))
    width = max(of_a.by_utterance.shape[1], right.shape[1])
    return np.concatenate([a.rows, b.rows]), _widened(of_a.by_utterance, width), _widened(right, width)


def _all_swaps(count: int) -> NDArray[np.bool_]:
    """Return every set of swaps of ``count`` utterances that leaves the last one in place, (2^(count-1), count).

    The remaining sets are these with the sides exchanged, which only changes the sign of the difference.
    """
    numbers = np.arange(2 ** max(count - 1, 0))[:, None]
    return np.asarray((numbers >> np.arange(count)) % 2, dtype=np.bool_)


def _widened(table: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    return np.pad(table, ((0, 0), (0, width - table.shape[1])), constant_values=-1)
