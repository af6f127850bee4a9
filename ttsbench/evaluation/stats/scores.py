"""The rows of one system under one metric, and the crossed design of training seeds and utterances."""

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
    """A metric's ``reduce``, with an optional function that reduces many resamples at once.

    ``weighted`` takes rows (n, columns) and weights (R, n), the number of times that each resample contains each row,
    and returns (R,).
    """

    reduce: Reduce
    weighted: Callable[[Rows, Rows], Rows] | None = None

    def __call__(self, rows: Rows) -> float:
        """Return ``reduce`` of the rows (n, columns)."""
        return self.reduce(rows)


def reduce_many(
    reduce: Reduce, rows: Rows, count: int, weights: Callable[[slice], Rows], index: Callable[[int], NDArray[np.int64]]
) -> Rows:
    """Return ``reduce`` of ``count`` resamples, (count,). An empty resample gives NaN.

    ``weights`` returns the number of times that each resample of a slice contains each row, (slice, n). It is used if
    ``reduce`` is a ``Reduction`` with ``weighted``. Otherwise ``index`` returns the row numbers of one resample.
    """
    values = np.full(count, np.nan)
    if isinstance(reduce, Reduction) and reduce.weighted is not None:
        step = max(1, CHUNK // max(len(rows), 1))
        for chunk in (slice(start, min(start + step, count)) for start in range(0, count, step)):
            drawn = weights(chunk)
            filled = drawn.any(axis=1)
            values[chunk][filled] = reduce.weighted(rows, drawn[filled])
        return values
    for number in range(count):
        own = index(number)
        if len(own):
            values[number] = reduce(rows.take(own, axis=0))
    return values


@dataclass(frozen=True)
class Scores:
    """Sufficient statistics ``rows`` (n, columns), with the utterance (n,) and the training seed (n,) of each row.

    Without ``utterances`` every row is an utterance of its own. Without ``seeds`` all rows belong to one seed.
    """

    rows: Rows
    utterances: Labels | None = None
    seeds: Labels | None = None


@dataclass(frozen=True)
class Crossing:
    """Row numbers by (seed, utterance): ``table`` has shape (seeds, utterances, rows of a pair), -1 at padding.

    Labels are sorted, so that the order of the rows does not matter.
    """

    seeds: NDArray[Any]
    utterances: NDArray[Any]
    table: NDArray[np.int64]

    @property
    def by_utterance(self) -> NDArray[np.int64]:
        """Row numbers of each utterance, (utterances, rows), -1 at padding."""
        return self.table.transpose(1, 0, 2).reshape(len(self.utterances), -1)


def crossing(scores: Scores) -> Crossing:
    """Return the crossed design of the rows. Raises ``ValueError`` if labels and rows do not match."""
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
    """Raise ``ValueError`` if two systems do not cover the same utterances."""
    if not np.array_equal(a.utterances, b.utterances):
        unshared = np.setxor1d(a.utterances, b.utterances)
        raise ValueError(
            f"A paired comparison needs the same utterances on both sides, but {len(unshared)} are on one side only, "
            f"for example {unshared[0]!s}. Remove these first."
        )


def _coded(name: str, labels: Labels | None, default: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the distinct labels in order, and the index of each row's label."""
    distinct, code = np.unique(default if labels is None else np.asarray(labels), return_inverse=True)
    if code.shape != default.shape:
        raise ValueError(f"{name} have shape {code.shape}, expected one label for each of {len(default)} rows.")
    return distinct, code
