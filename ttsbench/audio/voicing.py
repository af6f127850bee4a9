"""Voicing decision: which F0 candidate of a frame is the period of the signal, if any.

The strength of a candidate f is the normalised cross-correlation of the samples at its period (B. S. Atal, "Automatic
speaker recognition based on pitch contours", Ph.D. thesis, 1968; D. Talkin, "A robust algorithm for pitch tracking
(RAPT)", in Speech Coding and Synthesis, Elsevier, 1995). With L = 1 / f and a window of W = max(10 ms, L),

    r(f) = sum_i x_i x_(i+L) / sqrt(sum_i x_i^2 sum_i x_(i+L)^2)

A path over all frames maximises the sum of strengths minus transition costs, as in P. Boersma, "Accurate short-term
analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled sound", IFA Proceedings 17, 1993. A
path may be unvoiced in any frame. The strength of the unvoiced state is ``threshold``, more in quiet frames, and a cost
for each change of voicing gives the decision hysteresis. Levels are relative to the clip's own level
(sum P_t^2 / sum P_t, so pauses have no weight), and a gain has no effect.

The first path covers the whole range. The second is restricted to the speaker's range, from ``RANGE[0]`` times the
first quartile of the first path's F0 to ``RANGE[1]`` times its third quartile; D. Hirst, "The analysis by synthesis of
speech melody", Journal of Speech Sciences 1(1), 2011, uses .75 and 1.5. The wider range here misses fewer frames of
lively and creaky readers. Finally, voiced segments grow at both ends while the correlation near the last period exceeds
the threshold: half of the voiced frames that the path misses have no candidate.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Chosen on 12 clips of LJSpeech and 36 of LibriSpeech: voicing against REAPER, pYIN and RAPT, and the root mean square
# error of a known offset of log-F0 between two copies through WORLD (.023; .032 by DIO alone, .083 by Praat).
WINDOW_S = 0.010
LEVEL_WINDOW_S = 0.025
QUIET_DB = -15.0  # relative to the clip's own level
QUIET_SLOPE = 0.03  # added to the threshold per dB below QUIET_DB
SWITCH_COST = 0.3  # of a change of voicing between two frames that are 5 ms apart
JUMP_COST = 1.0  # of an octave, likewise
HIGH_BONUS = 0.01  # per octave, so that the shorter of two multiples of a period wins
RANGE = (0.6, 1.8)
MIN_RANGE_FRAMES = 20  # voiced in the first path, for a second one
SEARCH = 0.03  # relative distance from a candidate's period in which the correlation is searched
EXTENSION = 0.06  # likewise, from a frame to the next one, for the growth of voiced segments
TINY = 1e-12

Values = NDArray[np.float64]


def best_path(x: Values, sample_rate: int, candidates: Values, frame_period_ms: float, threshold: float) -> Values:
    """Return F0 in Hz, 0 where unvoiced, (T,), chosen from candidates in Hz (bands, T), 0 where there is none.

    ``x`` (N,) has no offset or rumble; frames are at times ``frame_period_ms * arange(T)``. ``threshold`` is the least
    normalised cross-correlation of a voiced frame that is not quiet.
    """
    unvoiced = _unvoiced_strengths(x, float(sample_rate), candidates.shape[1], frame_period_ms / 1000, threshold)
    energy = np.append(0.0, np.cumsum(x * x))
    strengths = _strengths(x, energy, float(sample_rate), candidates, unvoiced, frame_period_ms)
    switch, jump = SWITCH_COST * 5.0 / frame_period_ms, JUMP_COST * 5.0 / frame_period_ms
    path: Values = _viterbi(candidates, strengths, unvoiced, switch, jump)
    own = speaker_range(path)
    if own is not None:
        strengths[(candidates < own[0]) | (candidates > own[1])] = -np.inf
        path = _viterbi(candidates, strengths, unvoiced, switch, jump)
    _extend(path, x, energy, float(sample_rate), unvoiced, frame_period_ms)
    return path


def speaker_range(f0: Values) -> tuple[float, float] | None:
    """Return the F0 range in Hz of the speaker of a contour (T,), 0 where unvoiced; None if too little is voiced.

    >>> speaker_range(np.full(100, 120.0))
    (72.0, 216.0)
    """
    voiced = f0[f0 > 0]
    if len(voiced) < MIN_RANGE_FRAMES:
        return None
    low, high = np.quantile(voiced, [0.25, 0.75]) * RANGE
    return float(low), float(high)


@njit(cache=True, nogil=True)
def _unvoiced_strengths(x: Values, sample_rate: float, frames: int, period_s: float, threshold: float) -> Values:
    """Return the strength of the unvoiced state (T,): the threshold, raised in quiet frames."""
    half = int(LEVEL_WINDOW_S * sample_rate / 2)
    power = np.zeros(frames)
    for t in range(frames):
        centre = int(t * period_s * sample_rate + 0.5)
        piece = x[max(0, centre - half) : centre + half]
        power[t] = np.square(piece).sum() / max(1, len(piece))
    level = (power * power).sum() / (power.sum() + TINY)
    db = 10.0 * np.log10(np.maximum(power, TINY * level) / (level + TINY * TINY))
    strengths: Values = threshold + QUIET_SLOPE * np.maximum(0.0, QUIET_DB - db)
    return strengths


@njit(cache=True, nogil=True)
def _strengths(
    x: Values, energy: Values, sample_rate: float, candidates: Values, unvoiced: Values, frame_period_ms: float
) -> Values:
    """Return the strength of each candidate (bands, T), -inf where there is none or the frame is too quiet for any.

    ``energy`` (N + 1,) is the cumulative sum of x^2.
    """
    bands, frames = candidates.shape
    out = np.full((bands, frames), -np.inf)
    for t in range(frames):
        if unvoiced[t] >= 1.0:
            continue
        centre = int(t * frame_period_ms / 1000 * sample_rate + 0.5)
        for band in range(bands):
            if candidates[band, t] > 0.0:
                lag = sample_rate / candidates[band, t]
                peak, _ = _peak(x, energy, centre, lag, sample_rate, SEARCH)
                out[band, t] = peak - HIGH_BONUS * math.log2(lag / sample_rate * 50.0)
    return out


@njit(cache=True, nogil=True)
def _peak(x: Values, energy: Values, centre: int, lag: float, sample_rate: float, search: float) -> tuple[float, float]:
    """Return the largest normalised cross-correlation near a lag, and its lag, both interpolated by a parabola."""
    width = int(max(WINDOW_S * sample_rate, lag) + 0.5)
    radius = max(1, int(search * lag + 0.5))
    first = int(lag + 0.5) - radius
    values = np.empty(2 * radius + 1)
    for i in range(len(values)):
        values[i] = _correlation(x, energy, centre, first + i, width)
    i = int(np.argmax(values))
    best, best_lag = float(values[i]), float(first + i)
    if 0 < i < len(values) - 1:
        bend = values[i - 1] - 2.0 * best + values[i + 1]
        if bend < 0.0:
            slope = values[i + 1] - values[i - 1]
            best -= float(slope**2 / (8.0 * bend))
            best_lag -= float(slope / (2.0 * bend))
    return min(best, 1.0), best_lag


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _correlation(x: Values, energy: Values, centre: int, lag: int, width: int) -> float:
    """Return the normalised cross-correlation of two windows of ``width`` samples, ``lag`` apart, around ``centre``."""
    start = min(max(0, centre - (width + lag) // 2), len(x) - width - lag)
    if start < 0:
        return 0.0
    total = 0.0
    left, right = x[start : start + width], x[start + lag : start + lag + width]
    for i in range(width):
        total += left[i] * right[i]
    energies = (energy[start + width] - energy[start]) * (energy[start + lag + width] - energy[start + lag])
    return total / math.sqrt(energies) if energies > 0.0 else 0.0


@njit(cache=True, nogil=True)
def _viterbi(candidates: Values, strengths: Values, unvoiced: Values, switch: float, jump: float) -> Values:
    """Return the path (T,) through the candidates (bands, T) with the largest sum of strengths minus costs."""
    bands, frames = candidates.shape
    octaves = np.log2(np.maximum(candidates, 1.0))
    total = np.full(bands + 1, -np.inf)  # the last state is unvoiced
    total[bands] = 0.0
    origin = np.empty((frames, bands + 1), np.int64)
    for t in range(frames):
        previous = total.copy()
        voiced = int(np.argmax(previous[:bands]))
        stay = previous[bands] >= previous[voiced] - switch
        origin[t, bands] = bands if stay else voiced
        total[bands] = (previous[bands] if stay else previous[voiced] - switch) + unvoiced[t]
        for band in range(bands):
            best, state = previous[bands] - switch, bands
            if strengths[band, t] == -np.inf:
                total[band], origin[t, band] = -np.inf, bands
                continue
            for other in range(bands):
                if previous[other] > -np.inf:
                    value = previous[other] - jump * abs(octaves[band, t] - octaves[other, t - 1])
                    if value > best:
                        best, state = value, other
            total[band], origin[t, band] = best + strengths[band, t], state
    path = np.zeros(frames)
    state = int(np.argmax(total))
    for t in range(frames - 1, -1, -1):
        if state < bands:
            path[t] = candidates[state, t]
        state = origin[t, state]
    return path


@njit(cache=True, nogil=True)
def _extend(
    path: Values, x: Values, energy: Values, sample_rate: float, unvoiced: Values, frame_period_ms: float
) -> None:
    """Extend the voiced segments of a path (T,) in place, forwards and then backwards."""
    frames = len(path)
    for step in (1, -1):
        for i in range(frames - 1):
            t = i if step == 1 else frames - 1 - i
            if path[t] > 0.0 and path[t + step] == 0.0 and unvoiced[t + step] < 1.0:
                centre = int((t + step) * frame_period_ms / 1000 * sample_rate + 0.5)
                peak, lag = _peak(x, energy, centre, sample_rate / path[t], sample_rate, EXTENSION)
                if peak >= unvoiced[t + step]:
                    path[t + step] = sample_rate / lag
