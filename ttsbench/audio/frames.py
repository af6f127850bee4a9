"""Frame levels of a clip, overall and in mel bands, relative to the clip's own level.

Frames are 32 ms long (Hann), one every 10 ms, at 16 kHz. Levels are in dB of mean power per FFT bin between 62.5 Hz
(which excludes offset and rumble) and 8 kHz. With P_t the power of frame t, the level of a clip is

    L = sum_t P_t 10 log10 P_t / sum_t P_t

Each frame counts by its power, so pauses have no weight and a gain changes L by exactly that gain. Frames more than
40 dB below L count as pauses. They contain noise of the room, the codec or the vocoder, in which recordings differ more
than voices do: the quietest twentieth of all frames lies below -46 dB in LJSpeech and below -37 dB in LibriSpeech, and
is digital silence in the espeak corpus.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ttsbench.audio.mel import filterbank, magnitudes
from ttsbench.config.schema import MelConfig
from ttsbench.types import Clip

SAMPLE_RATE = 16_000  # Hz
BANDS = 16
HOP_S = 0.01
SPEECH_DB = -40.0  # relative to the clip's own level
MEL = MelConfig(sample_rate=SAMPLE_RATE, n_fft=512, hop_length=160, n_mels=BANDS, f_min=62.5, f_max=8_000.0)
SIGNATURE = f"16kHz|32ms/10ms|level:power-weighted|frames:>{SPEECH_DB:g}dB"

_FIRST_BIN = 2  # 62.5 Hz
_MIN_POWER = 1e-10  # relative to the loudest frame, so that digital silence has a finite level


@dataclass(frozen=True)
class Levels:
    """Levels in dB relative to the clip's own, overall (T,) and in mel bands (T, BANDS), and a mask of speech (T,)."""

    overall: NDArray[np.float64]
    bands: NDArray[np.float64]
    speech: NDArray[np.bool_]


def levels(clip: Clip) -> Levels:
    """Return the levels of a usable clip that is already at 16 kHz; call it through ``clip.feature``.

    Frame t is centred at 10 t + 5 ms. At least one frame is speech, because the loudest lies above the mean.

    >>> from ttsbench.types import Clip
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)
    >>> result = Clip("tone", tone, 16_000).feature(levels)
    >>> result.bands.shape, bool(result.speech.all()), abs(round(float(result.overall[50]), 1))
    ((100, 16), True, 0.0)
    """
    samples = torch.from_numpy(np.array(clip.samples, dtype=np.float32))
    power = magnitudes(samples, MEL).numpy().astype(np.float64) ** 2
    bank = filterbank(MEL).numpy().astype(np.float64)
    overall = power[:, _FIRST_BIN:].mean(axis=1)
    min_power = _MIN_POWER * float(overall.max())
    overall_db = _decibel(overall, min_power)
    level = float(overall @ overall_db / overall.sum())
    bands_db = _decibel(power @ (bank / bank.sum(axis=0)), min_power)
    return Levels(overall_db - level, bands_db - level, overall_db - level > SPEECH_DB)


def _decibel(power: NDArray[np.float64], min_power: float) -> NDArray[np.float64]:
    decibel: NDArray[np.float64] = 10.0 * np.log10(np.maximum(power, min_power))
    return decibel
