"""Changes of a clip that a metric should ignore, and degradations in grades that it should notice.

Noise is white and Gaussian. The low-pass filter is a Butterworth filter that runs forwards and backwards, so that it
causes no delay. F0, envelope and time are changed in WORLD's representation (M. Morise, F. Yokomori and K. Ozawa,
"WORLD: a vocoder-based high-quality speech synthesis system for real-time applications", IEICE Trans. E99-D(7), 2016).
The mildest grade of these changes is the plain copy by WORLD, so that its own loss is not counted.

Each function returns a new clip with the information of the original one; phones keep their place in the sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyworld
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, sosfiltfilt

from ttsbench.audio.pitch import F0_MIN, world_f0
from ttsbench.audio.wav import resample
from ttsbench.types import SILENCE, Clip, Degradation, Phone

FRAME_MS = 5.0
# Of one pass; both passes fall by 24 dB per octave. A steep filter would leave nothing but rounding errors in the upper
# band: at 96 dB per octave MCD fell from 24 to 18 dB between cut-offs of 4 and 2 kHz on LJSpeech.
FILTER_ORDER = 2
STEEP_ORDER = 8
WIDEST = 0.9  # of half the sample rate: a higher cut-off would remove nothing

GRADES: Mapping[Degradation, tuple[float, ...]] = {
    "noise": (30.0, 20.0, 10.0, 0.0),  # signal-to-noise ratio, dB
    "low_pass": (6_000.0, 4_000.0, 2_000.0, 1_000.0),  # cut-off, Hz
    "flat_f0": (0.0, 0.33, 0.67, 1.0),  # share of the deviation of log-F0 from its mean that is removed
    "stretch": (1.0, 1.1, 1.25, 1.5),  # times as long
    "smoothing": (0.0, 500.0, 1_000.0, 2_000.0),  # width of the average over frequency, Hz
}

Frames = NDArray[np.float64]


@dataclass(frozen=True)
class WorldParameters:
    """F0 in Hz (T,), 0 where unvoiced, power envelope (T, K) and aperiodicity (T, K), every 5 ms."""

    f0: Frames
    envelope: Frames
    aperiodicity: Frames


def degraded(clip: Clip, kind: Degradation, grade: float, rng: np.random.Generator) -> Clip:
    """Degrade a clip in one way; ``grade`` is in the unit of ``GRADES[kind]``."""
    if kind == "noise":
        return with_noise(clip, grade, rng)
    if kind == "low_pass":
        return low_passed(clip, grade)
    if kind == "flat_f0":
        return with_flat_f0(clip, grade)
    if kind == "stretch":
        return stretched(clip, grade)
    return smoothed(clip, grade)


def louder(clip: Clip, gain_db: float) -> Clip:
    """Amplify a clip by ``gain_db`` dB."""
    return _with(clip, clip.samples * 10 ** (gain_db / 20))


def delayed(clip: Clip, seconds: float, level_db: float, rng: np.random.Generator) -> Clip:
    """Put ``seconds`` of noise before a clip, at ``level_db`` dB relative to its root mean square."""
    noise = _rms(clip) * 10 ** (level_db / 20) * rng.standard_normal(round(seconds * clip.sample_rate))
    phones = clip.phones
    if phones is not None:
        later = (Phone(phone.label, phone.start_s + seconds, phone.end_s + seconds) for phone in phones)
        phones = (Phone(SILENCE, 0.0, seconds), *later)
    return replace(_with(clip, np.concatenate([noise, clip.samples])), phones=phones)


def through(clip: Clip, sample_rate: int) -> Clip:
    """Resample a clip to another rate (Hz) and back."""
    there = resample(clip.samples, clip.sample_rate, sample_rate)
    return _with(clip, resample(there, sample_rate, clip.sample_rate))


def silenced(clip: Clip) -> Clip:
    """Replace a clip by zeros."""
    return _with(clip, np.zeros(len(clip.samples)))


def drowned(clip: Clip, rng: np.random.Generator) -> Clip:
    """Replace a clip by white noise of the same length and level."""
    return _with(clip, _rms(clip) * rng.standard_normal(len(clip.samples)))


def with_noise(clip: Clip, snr_db: float, rng: np.random.Generator) -> Clip:
    """Add white noise at a signal-to-noise ratio over the whole clip."""
    level = _rms(clip) * 10 ** (-snr_db / 20)
    return _with(clip, clip.samples + level * rng.standard_normal(len(clip.samples)))


def low_passed(clip: Clip, cutoff_hz: float) -> Clip:
    """Remove what is above ``cutoff_hz``, where the gain is -6 dB; a clip whose band ends below it is unchanged."""
    if cutoff_hz > WIDEST * clip.sample_rate / 2:
        return _with(clip, clip.samples)
    sections = butter(FILTER_ORDER, cutoff_hz, fs=clip.sample_rate, output="sos")
    return _with(clip, sosfiltfilt(sections, clip.samples.astype(np.float64)))


def band_limited(clip: Clip, cutoff_hz: float) -> Clip:
    """Remove what is above ``cutoff_hz`` with the steep slope of a telephone or a codec, 96 dB per octave."""
    sections = butter(STEEP_ORDER, min(cutoff_hz, WIDEST * clip.sample_rate / 2), fs=clip.sample_rate, output="sos")
    return _with(clip, sosfiltfilt(sections, clip.samples.astype(np.float64)))


def with_f0(clip: Clip, factor: float) -> Clip:
    """Multiply F0, by WORLD."""
    world = clip.feature(world_parameters)
    return _synthesized(clip, replace(world, f0=world.f0 * factor))


def with_flat_f0(clip: Clip, share: float) -> Clip:
    """Move log-F0 towards its mean by a share of the distance, by WORLD: a share of 1 gives a monotone."""
    world = clip.feature(world_parameters)
    f0, voiced = world.f0.copy(), world.f0 > 0
    log_f0 = np.log(f0[voiced])
    f0[voiced] = np.exp(log_f0 + share * (log_f0.mean() - log_f0)) if len(log_f0) else 0.0
    return _synthesized(clip, replace(world, f0=f0))


def stretched(clip: Clip, factor: float) -> Clip:
    """Stretch a clip to ``factor`` times its length at the same pitch, by WORLD."""
    slow = _synthesized(clip, clip.feature(world_parameters), FRAME_MS * factor)
    phones = clip.phones
    if phones is not None:
        phones = tuple(Phone(phone.label, phone.start_s * factor, phone.end_s * factor) for phone in phones)
    return replace(slow, phones=phones)


def smoothed(clip: Clip, width_hz: float) -> Clip:
    """Average the log envelope over ``width_hz`` around each frequency, by WORLD; frames keep their power."""
    world = clip.feature(world_parameters)
    bins = 1 + 2 * round(0.5 * width_hz / (clip.sample_rate / 2) * (world.envelope.shape[1] - 1))
    envelope = np.exp(uniform_filter1d(np.log(world.envelope), bins, axis=1, mode="nearest"))
    envelope *= world.envelope.sum(axis=1, keepdims=True) / envelope.sum(axis=1, keepdims=True)
    return _synthesized(clip, replace(world, envelope=envelope))


def world_parameters(clip: Clip) -> WorldParameters:
    """Return WORLD's representation of a clip at its own rate; call it through ``clip.feature``.

    Raises ``ClipError`` for a clip that is empty, silent or not finite.
    """
    x, rate = np.ascontiguousarray(clip.samples, dtype=np.float64), clip.sample_rate
    f0 = world_f0(clip.samples, rate, FRAME_MS)
    times = np.arange(len(f0)) * FRAME_MS / 1000
    n_fft = pyworld.get_cheaptrick_fft_size(rate, F0_MIN)
    return WorldParameters(
        f0,
        pyworld.cheaptrick(x, f0, times, rate, fft_size=n_fft),
        pyworld.d4c(x, f0, times, rate, fft_size=n_fft),
    )


def _synthesized(clip: Clip, world: WorldParameters, frame_ms: float = FRAME_MS) -> Clip:
    samples = pyworld.synthesize(world.f0, world.envelope, world.aperiodicity, clip.sample_rate, frame_ms)
    return _with(clip, samples[: round(len(clip.samples) * frame_ms / FRAME_MS)])


def _with(clip: Clip, samples: NDArray[np.floating]) -> Clip:
    """Return the clip with other samples (N,), without cached features and without a transcript."""
    return replace(clip, samples=np.array(samples, dtype=np.float32), transcript=None)


def _rms(clip: Clip) -> float:
    return float(np.sqrt(np.mean(clip.samples.astype(np.float64) ** 2)))
