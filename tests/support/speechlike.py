"""Sound with the analysis results of speech: harmonics of a moving F0, moving formants, pauses and noise."""

import numpy as np

FORMANTS = ((500.0, 120.0), (1500.0, 120.0), (2500.0, 160.0), (3500.0, 250.0))  # centre and bandwidth, Hz


def contour(n: int, sample_rate: int, f0: float) -> np.ndarray:
    """F0 of every sample (N,): four syllables a second of falling and rising pitch, each followed by a gap of 0 Hz."""
    t = np.arange(n) / sample_rate
    voiced = (t * 4) % 1 < 0.75
    return np.where(voiced, f0 * (1 + 0.1 * np.sin(2 * np.pi * 0.9 * t)), 0.0)


def speechlike(duration_s: float = 1.2, f0: float = 140.0, sample_rate: int = 22050, vowel: float = 1.0) -> np.ndarray:
    """Samples (N,) float32; ``vowel`` scales the formants."""
    n = int(duration_s * sample_rate)
    pitch = contour(n, sample_rate, f0)
    phase = 2 * np.pi * np.cumsum(np.where(pitch > 0, pitch, f0)) / sample_rate
    glide = 1 + 0.25 * np.sin(2 * np.pi * 1.7 * np.arange(n) / sample_rate)
    out = np.zeros(n)
    for k in range(1, int(sample_rate / 2.5 / f0)):
        gain = sum(1 / (1 + ((k * f0 - vowel * glide * centre) / width) ** 2) for centre, width in FORMANTS)
        out += gain / k * np.cos(k * phase)  # 1 / k is the spectral tilt of a voice
    edge = np.hanning(441)
    out *= np.convolve((pitch > 0).astype(float), edge / edge.sum(), mode="same")
    out += 0.01 * np.random.default_rng(0).standard_normal(n)
    return (0.5 * out / np.abs(out).max()).astype(np.float32)
