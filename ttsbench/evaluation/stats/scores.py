"""The rows of one system under one metric, and the crossing of training seeds and utterances that they lie in."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
Reduce = Callable[[Rows], float]
Labels = Sequence[Hashable] | NDArray[Any]
CHUNK = 4_000_000  # weights at a time: 32 MB


@dataclass(frozen=True)
class Reduction:
    """A metric's ``reduce``, and the same of many resamples at once where there is such a function.

    ``weighted`` takes rows (n, columns) and weights (R, n), which say how often each resample holds every row, and
    gives (R,).
    """

    reduce: Reduce
    weighted: Callable[[Rows, Rows], Rows] | None = None

    def __call__(self, rows: Rows) -> float:
        """``reduce`` of the rows (n, columns)."""
        return self.reduce(rows)


def reduce_many(
    reduce: Reduce, rows: Rows, count: int, weights: Callable[[slice], Rows], index: Callable[[int], NDArray[np.int64]]
) -> Rows:
    """``reduce`` of ``count`` resamples, (count,); NaN for one without rows.

    ``weights`` gives how often some of the resamples hold every row, (those, n), and is asked where ``reduce`` is a
    ``Reduction`` that can use it; ``index`` gives the rows of one resample.
    """
    values = np.full(count, np.nan)
    if isinstance(reduce, Reduction) and reduce.weighted is not None:
        step = max(1, CHUNK // max(len(rows), 1))
        for some in (slice(start, min(start + step, count)) for start in range(0, count, step)):
            drawn = weights(some)
            there = drawn.any(axis=1)
            values[some][there] = reduce.weighted(rows, drawn[there])
        return values
    for number in range(count):
        own = index(number)
        if len(own):
            values[number] = reduce(rows.take(own, axis=0))
    return values


@dataclass(frozen=True)
class Scores:
    """Sufficient statistics ``rows`` (n, columns), with the utterance (n,) and the training seed (n,) of each row.

    Without ``utterances`` every row is one of its own; without ``seeds`` all rows are of one seed.
    """

    rows: Rows
    utterances: Labels | None = None
    seeds: Labels | None = None


@dataclass(frozen=True)
class Crossing:
    """Where the rows of a (seed, utterance) pair are: ``table`` (seeds, utterances, rows of a pair), -1 at padding.

    Labels are sorted, so that the order of the rows is of no account.
    """

    seeds: NDArray[Any]
    utterances: NDArray[Any]
    table: NDArray[np.int64]

    @property
    def by_utterance(self) -> NDArray[np.int64]:
        """All rows of an utterance, (utterances, rows), -1 at padding."""
        return self.table.transpose(1, 0, 2).reshape(len(self.utterances), -1)


def crossing(scores: Scores) -> Crossing:
    """The crossed design of some rows; raises ``ValueError`` where labels and rows do not match."""
    if scores.rows.ndim != 2:
        raise ValueError(f"rows have shape {scores.rows.shape}, expected (n, columns).")
    count = len(scores.rows)
    utterances, utterance = _coded("utterances", scores.utterances, np.arange(count))
    seeds, seed = _coded("seeds", scores.seeds, np.zeros(count))
    pairs = len(seeds) * len(utterances)
    pair = seed * len(utterances) + utterance
    sizes = np.bincount(pair, minlength=pairs)
    table = np.full((pairs, sizes.max(initial=0)), -1)
    table[np.arange(table.shape[1]) < sizes[:, None]] = np.argsort(pair, kind="stable")
    return Crossing(seeds, utterances, table.reshape(len(seeds), len(utterances), -1))


def same_utterances(a: Crossing, b: Crossing) -> None:
    """Raise ``ValueError`` where two systems do not cover the same utterances."""
    if not np.array_equal(a.utterances, b.utterances):
        unshared = np.setxor1d(a.utterances, b.utterances)
        raise ValueError(
            f"a paired comparison needs the same utterances on both sides, {len(unshared)} are on one only, such as "
            f"{unshared[0]!s}; leave those out first."
        )


def _coded(name: str, labels: Labels | None, default: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The distinct labels in order, and the number of each row's."""
    distinct, code = np.unique(default if labels is None else np.asarray(labels), return_inverse=True)
    if code.shape != default.shape:
        raise ValueError(f"{name} have shape {code.shape}, expected one label for each of {len(default)} rows.")
    return distinct, code
