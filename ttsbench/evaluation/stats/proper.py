"""Proper scores and calibration of an ensemble: K draws of a sampler against one observation.

T. Gneiting and A. E. Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation", Journal of the American
Statistical Association 102(477), 2007, https://doi.org/10.1198/016214506000001437. A proper score is lowest in
expectation for the sampler that draws from the distribution of the observations, so neither the mean nor too wide a
sampler can win. With draws x_1 ... x_K and the observation y (s. 4.2 and 4.3):

    CRPS          E|x - y| - E|x - x'| / 2            (equation 21; for a point forecast the absolute error)
    energy score  E||x - y|| - E||x - x'|| / 2        (equation 22 with beta = 1; the CRPS of a vector)

The second expectation is estimated over the K (K - 1) / 2 pairs of different draws. These are the "fair" versions of
C. A. T. Ferro, "Fair scores for ensemble forecasts", Quarterly Journal of the Royal Meteorological Society 140, 2014,
https://doi.org/10.1002/qj.2270: their expectation does not depend on K, so samplers with different numbers of draws are
comparable. A single draw is scored as a deterministic forecast.

Calibration is the ratio of spread to error. If the observation is one more draw of the sampler, then with the unbiased
variance s^2 of K draws and their mean m

    E (y - m)^2 = (1 + 1 / K) E s^2

so that sqrt((K + 1) / K * mean s^2 / mean (y - m)^2) is 1 for a calibrated sampler whatever K is (V. Fortin et al.,
"Why should ensemble spread match the RMSE of the ensemble mean?", Journal of Hydrometeorology 15(4), 2014,
https://doi.org/10.1175/JHM-D-14-0008.1). It is below 1 for a sampler that is too narrow, and 0 for a single draw.

Coverage of a central interval is computed from ranks: if the sampler is calibrated, the rank of the observation among
the draws is uniform on 0 ... K. Rank r stands for the probabilities from r / (K + 1) to (r + 1) / (K + 1), and counts
by the part of these that lies in the central interval (the non-randomised histogram of C. Czado, T. Gneiting and L.
Held, "Predictive model assessment for count data", Biometrics 65(4), 2009,
https://doi.org/10.1111/j.1541-0420.2009.01191.x). The expected coverage is then exactly the level whatever K is. An
observation that equals some draws has the mean of the ranks that it could have.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def crps(draws: Array, observation: Array) -> Array:
    """Return the fair CRPS of every element: draws (K, ...) and observation (...) give (...), in their unit.

    >>> crps(np.array([[1.0], [3.0]]), np.array([1.0])).tolist()  # (0 + 2) / 2 - 2 / 2
    [0.0]
    >>> crps(np.array([[1.0]]), np.array([3.5])).tolist()  # a single draw: the absolute error
    [2.5]
    """
    count = len(draws)
    error: Array = np.abs(draws - observation).mean(axis=0)
    if count == 1:
        return error
    # The sum of |x_i - x_j| over pairs is a weighted sum of the sorted draws.
    weights = 2.0 * np.arange(count) - count + 1
    pairs = np.tensordot(weights, np.sort(draws, axis=0), axes=1)
    return error - pairs / (count * (count - 1))


def energy_score(draws: Array, observation: Array) -> Array:
    """Return the fair energy score of vectors: draws (K, ..., D) and observation (..., D) give (...).

    Distances are divided by sqrt(D), so that the score is in the unit of one element whatever D is.

    >>> print(f"{energy_score(np.array([[3.0, 4.0]]), np.zeros(2)).item() * 2**0.5:.1f}")  # a single draw: the distance
    5.0
    """
    score: Array = windowed_energy_score(draws[..., None, :], observation[..., None, :], 1)[..., 0]
    return score


def windowed_energy_score(draws: Array, observation: Array, window: int) -> Array:
    """Return the fair energy score of windows of frames: draws (K, ..., T, D), observation (..., T, D) give (..., W).

    A window is one vector of ``window`` times D elements. Windows do not overlap, but for the last one, which ends with
    the last frame. A sequence shorter than a window is a single window. Distances are divided by the square root of the
    number of elements.
    """
    frames, channels = observation.shape[-2:]
    window = min(window, frames)
    starts = _window_starts(frames, window)

    def distances(difference: Array) -> Array:
        squares = np.einsum("...d,...d->...", difference, difference)
        sums = np.concatenate([np.zeros((*squares.shape[:-1], 1)), np.cumsum(squares, axis=-1)], axis=-1)
        windowed = squares[..., starts] if window == 1 else sums[..., starts + window] - sums[..., starts]
        return np.asarray(np.sqrt(np.maximum(windowed, 0.0) / (window * channels)))

    count = len(draws)
    score: Array = distances(draws - observation).mean(axis=0)
    if count == 1:
        return score
    for index in range(count - 1):
        score -= distances(draws[index + 1 :] - draws[index]).sum(axis=0) / (count * (count - 1))
    return score


def spread_and_error(draws: Array, observation: Array) -> tuple[Array, Array]:
    """Return squared spread and squared error of every element: draws (K, ...), observation (...) give (...) twice.

    The spread is (K + 1) / K times the unbiased variance of the draws, the error that of their mean. Both have the same
    expectation if the sampler is calibrated; calibration is the root of the ratio of their means.
    """
    count = len(draws)
    error: Array = (draws.mean(axis=0) - observation) ** 2
    if count == 1:
        return np.zeros_like(error), error
    return draws.var(axis=0, ddof=1) * ((count + 1) / count), error


def calibration(draws: Array, observation: Array) -> float:
    """Return spread over error: draws (K, ...), observation (...). It is 1 for a calibrated sampler, NaN without error.

    >>> rng = np.random.default_rng(0)
    >>> print(f"{calibration(rng.normal(size=(4, 100_000)), rng.normal(size=100_000)):.2f}")
    1.00
    """
    spread, error = spread_and_error(draws, observation)
    return float(np.sqrt(spread.mean() / error.mean())) if error.any() else float("nan")


def widest_interval(count: int) -> float:
    """Return the largest level of a central interval between ``count`` draws: (K - 1) / (K + 1).

    >>> widest_interval(19)
    0.9
    """
    return (count - 1) / (count + 1)


def interval_coverage(draws: Array, observation: Array, level: float) -> Array:
    """Return the coverage of every element by the central interval of ``level``: draws (K, ...) give (...) in [0, 1].

    Its expectation is ``level`` for a calibrated sampler. A single draw is an interval of no width. Raises
    ``ValueError`` if the interval would reach beyond the draws (see ``widest_interval``).
    """
    count = len(draws)
    below: NDArray[np.int64] = (draws < observation).sum(axis=0)
    equal: NDArray[np.int64] = (draws == observation).sum(axis=0)
    if count == 1:
        return equal.astype(np.float64)
    if level > widest_interval(count) + 1e-9:
        raise ValueError(
            f"A central interval of {level:.0%} reaches beyond {count} draws, which hold {widest_interval(count):.0%}; "
            "take more draws or a smaller level."
        )
    edges = np.clip(np.arange(count + 2) / (count + 1), (1 - level) / 2, (1 + level) / 2)
    cumulative = np.concatenate([[0.0], np.cumsum(np.diff(edges) * (count + 1))])
    covered: Array = (cumulative[below + equal + 1] - cumulative[below]) / (equal + 1)
    return covered


def _window_starts(frames: int, window: int) -> NDArray[np.int64]:
    """Return the first frames of the windows."""
    starts = np.arange(0, frames - window + 1, window)
    return starts if starts[-1] + window == frames else np.append(starts, frames - window)
