"""What the WORLD-based metrics share: one analysis per clip and one alignment per pair of clips.

F0 is searched at the full 16 kHz. At 10 kHz nothing was lost in voicing or gross errors (copies of 60 LJSpeech and
LibriSpeech clips), but a contour of half the movement then measured .59 of the standard deviation instead of .5; and at
8 kHz there were .80 instead of .50 % gross errors in LJSpeech.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio.cepstrum import SAMPLE_RATE, world_mel_cepstrum
from ttsbench.audio.pitch import F0_MAX, F0_MIN, world_f0
from ttsbench.audio.usable import usable_at
from ttsbench.errors import MeasurementError
from ttsbench.types import Clip

if TYPE_CHECKING:
    from ttsbench.audio.dtw import Path

F0_SIGNATURE = f"dio+stonemask|{F0_MIN:g}-{F0_MAX:g}Hz|5ms"

Align = Literal["dtw", "time"]
MAX_MISMATCH = 0.1  # of the longer clip: beyond it, cutting the longer one would hide what was left out


@dataclass(frozen=True)
class WorldAnalysis:
    """F0 in Hz (T,), 0 where unvoiced, and mel-cepstrum (T, order + 1) every 5 ms, of a clip at 16 kHz."""

    f0: NDArray[np.float64]
    mcep: NDArray[np.float64]


@dataclass(frozen=True)
class AlignedPair:
    """Frames of a clip and of its reference, brought together: F0 (L,) in Hz and mel-cepstrum (L, order + 1)."""

    clip: WorldAnalysis
    reference: WorldAnalysis


def analyse(clip: Clip) -> WorldAnalysis:
    """WORLD analysis of a clip that is at 16 kHz already; call it through ``clip.feature``."""
    f0 = world_f0(clip.samples, clip.sample_rate)
    return WorldAnalysis(f0, world_mel_cepstrum(clip.samples, clip.sample_rate, f0))


def aligned(clip: Clip, reference: Clip, align: Align) -> AlignedPair:
    """A clip and its reference at 16 kHz, aligned by DTW over c_1 .. c_order, or by time up to the shorter's end.

    Computed once per pair. Raises ``MeasurementError`` where either cannot be analysed, or where their lengths differ
    too much to be compared by time.
    """
    clip, reference = usable_at(clip, SAMPLE_RATE), usable_at(reference, SAMPLE_RATE)
    left, right = clip.feature(_PathTo(reference, align))
    return AlignedPair(_take(clip.feature(analyse), left), _take(reference.feature(analyse), right))


@dataclass(frozen=True, eq=False)
class _PathTo:
    """The alignment with one reference, as a feature of a clip. Two are the same where the reference object is."""

    reference: Clip
    align: Align

    def __call__(self, clip: Clip) -> Path:
        from ttsbench.audio.dtw import dtw_path  # its compiler takes a second to import, and a plan needs none

        a, b = clip.feature(analyse).mcep, self.reference.feature(analyse).mcep
        if self.align == "dtw":
            return dtw_path(a[:, 1:], b[:, 1:])
        if abs(len(a) - len(b)) > MAX_MISMATCH * max(len(a), len(b)):
            raise MeasurementError(
                f"clip {clip.id!r} lasts {clip.duration_s:.2f} s, its reference {self.reference.duration_s:.2f} s: too "
                "far apart to be compared frame by frame; take the metric without `_plain`, which warps time"
            )
        frames = np.arange(min(len(a), len(b)))
        return frames, frames

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _PathTo) and other.reference is self.reference and other.align == self.align

    def __hash__(self) -> int:
        return hash((id(self.reference), self.align))


def _take(analysis: WorldAnalysis, frames: NDArray[np.int64]) -> WorldAnalysis:
    """The analysis at ``frames`` (L,)."""
    return WorldAnalysis(analysis.f0[frames], analysis.mcep[frames])
