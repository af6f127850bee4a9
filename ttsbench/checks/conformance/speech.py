"""Clips for the checks of a metric.

Usable clips are a buzz with formants, syllables and pauses, which pitch trackers and voice activity detectors accept as
speech. Unusable clips have the faults that synthesis can cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ttsbench.types import SILENCE, Clip, Cost, Draws, Phone, Samples

SAMPLE_RATE = 22_050  # Hz
DURATION_S = 1.5
TEXT = "nine people asked for a small blue boat"
OTHER_TEXT = "the small boat was sold to nine people"
OTHER_SPEAKER = "f2"
SPEAKER = "f5"  # a speaker of the embedded corpus, whose prosody has a known distribution
PITCHES = (178.2, 235.8)  # Hz, where that speaker's two registers are densest
EFFORTS = (2.5, -2.5)  # dB per octave, the two modes of the embedded corpus
TRANSCRIPT = "nine people ask for a tall boat"
FORMANTS = ((600.0, 130.0), (1_300.0, 130.0), (2_600.0, 180.0), (3_400.0, 260.0))  # centre and bandwidth, Hz
LABELS = ("n", "aɪ", "n", "ə", SILENCE, "p", "iː", "p", "ə", "l", SILENCE)  # as espeak-ng names them
SYLLABLES_PER_S = 4.0
DRAWS = 19
LAW = 8  # draws of the law of a corpus that can draw its recordings again
FRAMES, BANDS = 129, 80  # of a clip of DURATION_S, at the default mel
VOICED = 0.75  # of a syllable


@cache
def voice(f0: float, tract: float, duration_s: float = DURATION_S) -> Samples:
    """Return samples (N,) of a voice at about ``f0`` Hz whose formants are scaled by ``tract``."""
    t = np.arange(int(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(f0 * (1 + 0.12 * np.sin(2 * np.pi * 0.8 * t))) / SAMPLE_RATE
    glide = tract * (1 + 0.2 * np.sin(2 * np.pi * 1.9 * t))
    out = np.zeros(len(t))
    for k in range(1, int(0.4 * SAMPLE_RATE / f0)):
        out += _gain(k * f0, glide) / k * np.cos(k * phase)
    edge = np.hanning(SAMPLE_RATE // 50)
    syllables = np.convolve((t * SYLLABLES_PER_S) % 1 < VOICED, edge / edge.sum(), mode="same")
    hiss = 0.01 * np.random.default_rng(int(f0)).standard_normal(len(t))
    sound = out * syllables + hiss
    samples: Samples = (0.5 * sound / np.abs(sound).max()).astype(np.float32)
    samples.setflags(write=False)  # all checks share the array; clips hold copies
    return samples


def _gain(frequency: float, glide: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the gain (N,) of the formants at one frequency in Hz."""
    gain = np.zeros_like(glide)
    for centre, width in FORMANTS:
        gain += 1 / (1 + ((frequency - glide * centre) / width) ** 2)
    return gain


def clip_of(samples: Samples, id_: str = "check-1", draw: int = 0, text: str = TEXT, speaker: str = SPEAKER) -> Clip:
    """Return a clip with everything that a metric may need."""
    seconds = max(len(samples), 1) / SAMPLE_RATE
    cost = Cost(0.4, 0.2, seconds, nfe=4, parameters=1_000, flops=2e9, peak_bytes=3e6, first_chunk_s=0.1)
    prompt = Clip(f"{id_}-prompt", voice(130.0, 1.0).copy(), SAMPLE_RATE, speaker=speaker)
    phones = _phones(seconds)
    return Clip(
        id_, samples.copy(), SAMPLE_RATE, text, speaker, TRANSCRIPT, cost,
        draw=draw, phones=phones, prompt=prompt, attributes={"phrases": _phrases(phones)}, draws=_draws(samples),
    )  # fmt: skip


def _draws(samples: Samples) -> Draws:
    """Draws of mels and prosody around values that depend on the clip; as many as a central interval of 90 % needs."""
    rng = np.random.default_rng(len(samples))
    level = float(np.nan_to_num(np.abs(samples)).clip(0, 1).sum())
    log_mel, law = (level + rng.standard_normal((count, FRAMES, BANDS)) for count in (DRAWS, LAW))
    prosody = rng.standard_normal((DRAWS, len(LABELS), 2))
    return Draws(log_mel.astype(np.float32), prosody.astype(np.float32), law=law.astype(np.float32))


def _phones(seconds: float) -> tuple[Phone, ...]:
    """Return phones of unequal length that fill the clip."""
    ends = np.cumsum([1.0 + index % 4 for index in range(len(LABELS))])
    bounds = [0.0, *(ends / ends[-1] * seconds).tolist()]
    return tuple(Phone(*phone) for phone in zip(LABELS, bounds, bounds[1:], strict=False))


def _phrases(phones: Sequence[Phone]) -> list[dict[str, float]]:
    """Return the attributes that the `espeak` corpus has for each run of phones between pauses."""
    runs = [list(run) for silent, run in groupby(phones, lambda phone: phone.label == SILENCE) if not silent]
    return [
        {"pitch": pitch, "range": 45.0, "rate": 180.0, "start_s": run[0].start_s, "end_s": run[-1].end_s,
         "pause_s": 0.1, "effort": effort, "formant_scale": 1.0, "quality_log_density": 0.0}
        for pitch, effort, run in zip(PITCHES, EFFORTS, runs, strict=True)
    ]  # fmt: skip


def pairs() -> list[tuple[Clip, Clip]]:
    """Return four different clips with references: two draws of one text, another text, and another speaker."""
    voices = (
        ("check-1", 0, TEXT, SPEAKER, (140, 1.0), (150, 1.05)),
        ("check-1", 1, TEXT, SPEAKER, (190, 1.1), (170, 1.15)),
        ("check-2", 0, OTHER_TEXT, SPEAKER, (110, 0.95), (125, 0.9)),
        ("check-3", 0, OTHER_TEXT, OTHER_SPEAKER, (160, 1.02), (155, 0.98)),
    )
    return [
        (clip_of(voice(*first), id_, draw, text, speaker), clip_of(voice(*second), id_, draw, text, speaker))
        for id_, draw, text, speaker, first, second in voices
    ]


def unusable() -> dict[str, Samples]:
    """Return samples (N,) that cannot be measured, by their fault."""
    sound = voice(140.0, 1.0, 1.0)
    with_nan, infinite = sound.copy(), sound.copy()
    with_nan[1_000], infinite[1_000] = np.nan, np.inf
    return {
        "empty": np.zeros(0, np.float32),
        "silent": np.zeros(SAMPLE_RATE, np.float32),
        "holding NaN": with_nan,
        "holding infinity": infinite,
    }
