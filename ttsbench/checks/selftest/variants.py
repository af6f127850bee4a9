"""The pairs of clip and reference that metrics measure, by name; each is made when it is needed.

Random numbers come from a generator seeded by the clip and the kind of change, so that all grades of one kind add the
same noise at different levels.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from ttsbench.checks.selftest.degrade import (
    GRADES,
    band_limited,
    degraded,
    delayed,
    drowned,
    louder,
    silenced,
    stretched,
    through,
    with_f0,
    with_noise,
)
from ttsbench.checks.selftest.pulses import noise_between_pulses, noise_on_pulses
from ttsbench.types import Clip, Degradation

ITSELF, COPY, FORWARD, BACKWARD = "itself", "copy", "forward", "backward"
QUIETER, LOUDER, LATER, RESAMPLED = "quieter", "louder", "later", "resampled"
SILENCE, WHITE_NOISE = "silence", "white noise"
BAND_LIMIT, FALSE_VOICING, MISSED_VOICING = "band limit", "false voicing", "missed voicing"
BAND_LIMIT_HZ = 4_300.0  # speech of this band is understood by everyone
GAIN_DB = 12.0
LATER_S = 0.05
FLOOR_DB = -50.0  # level of the added noise relative to the clip: a quiet room
THROUGH_HZ = (48_000, 44_100)  # the second is for clips at 48 kHz
SWAPPED_STRETCH, SWAPPED_SNR_DB = 1.05, 20.0  # a pair that differs in time and in sound
F0_FACTORS = (1.1, 1.3)

Pair = tuple[Clip, Clip]  # clip and reference
GRADED_BY_WORLD: frozenset[Degradation] = frozenset({"flat_f0", "stretch", "smoothing"})


def grades(kind: Degradation) -> list[str]:
    """Return the names of a degradation's grades, mildest first; for those made by WORLD it is the plain copy."""
    names = [f"{kind} {grade:g}" for grade in GRADES[kind]]
    return [COPY, *names[1:]] if kind in GRADED_BY_WORLD else names


def known_offset(factor: float) -> str:
    """Return the name of the pair whose F0 differs by a factor."""
    return f"F0 x {factor:g}"


def pair(name: str, clip: Clip) -> Pair:
    """Make the pair of a name from a recording."""
    return _MAKERS[name](clip)


def _against_itself(change: Callable[[Clip], Clip]) -> Callable[[Clip], Pair]:
    return lambda clip: (change(clip), clip)


def _rng(clip: Clip, kind: str) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(clip.id.encode()), zlib.crc32(kind.encode())])


def _again(clip: Clip) -> Clip:
    """Return a copy without cached features, so that a metric that draws random numbers shows it."""
    return replace(clip)


def _quieter(clip: Clip) -> Clip:
    return louder(clip, -GAIN_DB)


def _louder(clip: Clip) -> Clip:
    return louder(clip, GAIN_DB)


def _later(clip: Clip) -> Clip:
    return delayed(clip, LATER_S, FLOOR_DB, _rng(clip, LATER))


def _resampled(clip: Clip) -> Clip:
    return through(clip, THROUGH_HZ[clip.sample_rate == THROUGH_HZ[0]])


def _graded(kind: Degradation, grade: float, clip: Clip) -> Clip:
    return degraded(clip, kind, grade, _rng(clip, kind))


def _white_noise(clip: Clip) -> Clip:
    return drowned(clip, _rng(clip, WHITE_NOISE))


def _damaged(clip: Clip) -> Clip:
    return with_noise(stretched(clip, SWAPPED_STRETCH), SWAPPED_SNR_DB, _rng(clip, FORWARD))


def _band_limited(clip: Clip) -> Clip:
    return band_limited(clip, BAND_LIMIT_HZ)


def _copy(clip: Clip) -> Clip:
    return with_f0(clip, 1.0)


def _offset(factor: float, clip: Clip) -> Pair:
    """Return two copies made by WORLD, so that only F0 differs."""
    return with_f0(clip, factor), clip.feature(_copy)


def _makers() -> Mapping[str, Callable[[Clip], Pair]]:
    makers: dict[str, Callable[[Clip], Pair]] = {
        ITSELF: _against_itself(_again),
        QUIETER: _against_itself(_quieter),
        LOUDER: _against_itself(_louder),
        LATER: _against_itself(_later),
        RESAMPLED: _against_itself(_resampled),
        FORWARD: lambda clip: (clip.feature(_damaged), clip),
        BACKWARD: lambda clip: (clip, clip.feature(_damaged)),
        SILENCE: _against_itself(silenced),
        WHITE_NOISE: _against_itself(_white_noise),
        BAND_LIMIT: _against_itself(_band_limited),
        FALSE_VOICING: lambda clip: noise_between_pulses(clip, _rng(clip, FALSE_VOICING)),
        MISSED_VOICING: lambda clip: noise_on_pulses(clip, _rng(clip, MISSED_VOICING)),
        COPY: lambda clip: (clip.feature(_copy), clip),
    }
    for kind, levels in GRADES.items():
        for name, grade in zip(grades(kind), levels, strict=True):
            makers.setdefault(name, _against_itself(partial(_graded, kind, grade)))
    return makers | {known_offset(factor): partial(_offset, factor) for factor in F0_FACTORS}


_MAKERS = _makers()
