"""A pulse train with known voicing, shaped like a recording: F0 extractors must find it in noise, and nothing else.

Segments of 0.3 s with a pulse train and without one alternate. The train glides by 10 % around the median F0 of the
recording. Train and noise pass through the all-pole filter of the recording's long-term spectrum (linear prediction of
order 16), so that the noise has the colour of speech. Two pairs of clip and reference separate both kinds of error:

    noise between pulses  the clip has noise in the gaps only, 20 dB below the train; every voiced gap is false voicing
    noise on pulses       the clip has noise under the train only, at 10 dB; every unvoiced train is a miss

The reference is the train alone, with digital silence in the gaps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from ttsbench.audio.pitch import world_f0
from ttsbench.types import Clip

SEGMENT_S = 0.3
FADE_S = 0.01
GLIDE, GLIDE_S = 0.1, 1.7  # share of F0, and the time of one cycle of the glide
DEFAULT_F0 = 120.0  # Hz, for a recording without voice
ORDER = 16
GAP_DB, TRAIN_DB = -20.0, -10.0  # level of the noise relative to the train

Signal = NDArray[np.float64]


def noise_between_pulses(clip: Clip, rng: np.random.Generator) -> tuple[Clip, Clip]:
    """Return a pulse train with noise in its gaps, and the train alone."""
    train, noise, gate = _train_and_noise(clip, rng)
    return _pair(clip, train * gate, noise * (1 - gate), GAP_DB)


def noise_on_pulses(clip: Clip, rng: np.random.Generator) -> tuple[Clip, Clip]:
    """Return a pulse train with noise under it, and the train alone."""
    train, noise, gate = _train_and_noise(clip, rng)
    return _pair(clip, train * gate, noise * gate, TRAIN_DB)


def _pair(clip: Clip, train: Signal, noise: Signal, noise_db: float) -> tuple[Clip, Clip]:
    noisy, alone = (
        replace(clip, samples=x.astype(np.float32), transcript=None, phones=None)
        for x in (train + 10 ** (noise_db / 20) * noise, train)
    )
    return noisy, alone


def _train_and_noise(clip: Clip, rng: np.random.Generator) -> tuple[Signal, Signal, Signal]:
    """Return pulse train and noise at the level of the clip, and the gate of the segments with a train, (N,) each."""
    recording = clip.samples.astype(np.float64)
    f0 = world_f0(clip.samples, clip.sample_rate)
    median = float(np.median(f0[f0 > 0])) if (f0 > 0).any() else DEFAULT_F0
    time = np.arange(len(recording)) / clip.sample_rate
    cycles = np.cumsum(median * (1 + GLIDE * np.sin(2 * np.pi * time / GLIDE_S))) / clip.sample_rate
    pulses = np.diff(np.floor(cycles), prepend=0.0)
    shape, level = _predictor(recording), np.sqrt(np.mean(recording**2))
    train, noise = (lfilter([1.0], shape, x) for x in (pulses, rng.standard_normal(len(recording))))
    return train * level / np.sqrt(np.mean(train**2)), noise * level / np.sqrt(np.mean(noise**2)), _gate(time)


def _gate(time: Signal) -> Signal:
    """Return 1 in segments with a train, 0 in gaps, and ramps of 10 ms between them; the first segment is a gap."""
    place = time % (2 * SEGMENT_S)
    gate: Signal = np.clip(np.minimum(place - SEGMENT_S, 2 * SEGMENT_S - place) / FADE_S, 0.0, 1.0)
    return gate


def _predictor(samples: Signal) -> Signal:
    """Return the coefficients 1, a_1 .. a_16 of the prediction error filter."""
    n_fft = 2 ** int(np.ceil(np.log2(2 * len(samples))))
    autocorrelation = np.fft.irfft(np.abs(np.fft.rfft(samples, n_fft)) ** 2)[: ORDER + 1]
    autocorrelation[0] *= 1 + 1e-4  # a floor at -40 dB
    return np.concatenate([[1.0], -solve_toeplitz(autocorrelation[:-1], autocorrelation[1:])])
