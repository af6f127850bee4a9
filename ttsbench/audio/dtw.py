"""Exact dynamic time warping.

H. Sakoe and S. Chiba, "Dynamic programming algorithm optimization for spoken word recognition", IEEE Trans. ASSP 26(1),
1978, without slope constraint or weights:

    D(i, j) = |a_i - b_j| + min(D(i-1, j-1), D(i-1, j), D(i, j-1))

Ties prefer the diagonal, then the step in ``a``. FastDTW only approximates D and is not faster than this compiled code.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

DIAGONAL, STEP_A, STEP_B = 0, 1, 2

Path = tuple[NDArray[np.int64], NDArray[np.int64]]


def dtw_path(a: NDArray[np.float64], b: NDArray[np.float64]) -> Path:
    """Return the cheapest monotonic path between frames a (T1, D) and b (T2, D), from (0, 0) to (T1 - 1, T2 - 1).

    The path is a pair of frame indices into ``a`` and ``b``, (L,) each. Memory is T1 * T2 bytes. Raises ``ValueError``
    if the frames have different widths or one side has no frames.

    >>> a, b = np.array([[0.0], [1.0], [5.0]]), np.array([[0.0], [0.0], [1.0], [5.0]])
    >>> [indices.tolist() for indices in dtw_path(a, b)]
    [[0, 0, 1, 2], [0, 1, 2, 3]]
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or len(a) == 0 or len(b) == 0:
        raise ValueError(f"DTW needs frames (T1, D) and (T2, D), got {a.shape} and {b.shape}.")
    steps = _steps(np.ascontiguousarray(a, dtype=np.float64), np.ascontiguousarray(b.T, dtype=np.float64))
    path: Path = _backtrack(steps)
    return path


@njit(cache=True, nogil=True)
def _steps(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the step that led to each pair of frames, (T1, T2); ``b`` is transposed, (D, T2)."""
    n = b.shape[1]
    steps = np.empty((len(a), n), dtype=np.uint8)
    distance = np.empty(n)
    total = np.full(n + 1, np.inf)  # D(i, j - 1) at index j, for the row being filled
    total[0] = 0.0
    for i in range(len(a)):
        _distances(a[i], b, distance)
        diagonal = total[0]
        total[0] = np.inf
        for j in range(n):
            best, step = diagonal, DIAGONAL
            if total[j + 1] < best:
                best, step = total[j + 1], STEP_A
            if total[j] < best:
                best, step = total[j], STEP_B
            diagonal = total[j + 1]
            total[j + 1] = best + distance[j]
            steps[i, j] = step
    return steps


@njit(cache=True, nogil=True)
def _distances(frame: NDArray[np.float64], b: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write the Euclidean distances of a frame (D,) to all of b (D, T2); the layout lets the compiler vectorise."""
    out[:] = 0.0
    for d in range(len(frame)):
        for j in range(b.shape[1]):
            out[j] += (frame[d] - b[d, j]) ** 2
    for j in range(b.shape[1]):
        out[j] = math.sqrt(out[j])


@njit(cache=True, nogil=True)
def _backtrack(steps: NDArray[np.uint8]) -> Path:
    """Return the frame indices along the path, (L,) each, first to last."""
    i, j = steps.shape[0] - 1, steps.shape[1] - 1
    left = np.empty(i + j + 1, dtype=np.int64)
    right = np.empty(i + j + 1, dtype=np.int64)
    n = len(left)
    while True:
        n -= 1
        left[n], right[n] = i, j
        if i == 0 and j == 0:
            return left[n:].copy(), right[n:].copy()
        step = steps[i, j]
        if step != STEP_B:
            i -= 1
        if step != STEP_A:
            j -= 1
