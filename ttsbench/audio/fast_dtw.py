"""Approximate dynamic time warping, as other tools use it. ``ttsbench.audio.dtw`` is exact and faster.

S. Salvador and P. Chan, "Toward accurate dynamic time warping in linear time and space", Intelligent Data Analysis
11(5), 2007, by the package `fastdtw` (``pip install ttsbench[mcd]``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import euclidean


def fast_dtw_path(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return FastDTW's path of radius 1 between frames a (T1, D) and b (T2, D), as frame indices (L,) each."""
    from fastdtw import fastdtw

    path = np.array(fastdtw(a, b, dist=euclidean)[1], dtype=np.int64)
    return path[:, 0], path[:, 1]
