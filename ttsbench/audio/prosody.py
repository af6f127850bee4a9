"""Log-F0 and log-durations of a clip, by frames and by phones.

F0 is WORLD's, every 5 ms. A frame belongs to the phone in whose interval its time lies.

In white noise DIO takes up to 13 % of the frames for voiced (100 noises of 1 to 6 s); in 160 recordings of LJSpeech,
LibriSpeech and the espeak corpus 30 to 84 % are. A clip with less than 20 % of its speech voiced has no F0 to speak of.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio import frames
from ttsbench.audio.pitch import F0_MAX, F0_MIN
from ttsbench.audio.world import analyse
from ttsbench.errors import MeasurementError
from ttsbench.types import SILENCE, Clip, Phone

FRAME_S = 0.005
LEAST_VOICED = 0.2
F0_SIGNATURE = f"dio+stonemask|{F0_MIN:g}-{F0_MAX:g}Hz|5ms|voiced:>{LEAST_VOICED:.0%}"

Values = NDArray[np.float64]


def voiced_f0(clip: Clip) -> Values:
    """F0 in Hz, 0 where unvoiced, (T,), of a usable clip at 16 kHz; raises ``MeasurementError`` where voicing is lost.

    Call it through ``clip.feature``, like the others here that take nothing but a clip.
    """
    f0 = clip.feature(analyse).f0
    voiced_s = FRAME_S * np.count_nonzero(f0)
    speech_s = frames.HOP_S * np.count_nonzero(clip.feature(frames.levels).speech)
    if voiced_s < LEAST_VOICED * speech_s:
        raise MeasurementError(
            f"{voiced_s / speech_s:.0%} of the sound of clip {clip.id!r} is voiced, at least {LEAST_VOICED:.0%} is "
            "needed to measure its F0; listen to it: either its voicing is lost, or this utterance is one to leave out"
        )
    return f0


def voiced_log_f0(clip: Clip) -> Values:
    """Natural log of F0 in Hz of the voiced frames (N,), N >= 1, of a usable clip at 16 kHz."""
    f0 = clip.feature(voiced_f0)
    voiced: Values = np.log(f0[f0 > 0])
    return voiced


def delta_log_f0(clip: Clip) -> Values:
    """Differences of log-F0 between neighbouring voiced frames (N,), N >= 1, of a usable clip at 16 kHz."""
    f0 = clip.feature(voiced_f0)
    pairs = (f0[1:] > 0) & (f0[:-1] > 0)
    if not pairs.any():
        raise MeasurementError(f"clip {clip.id!r} has no two neighbouring voiced frames; listen to it, it is broken up")
    delta: Values = np.log(f0[1:][pairs] / f0[:-1][pairs])
    return delta


def log_f0_between(clip: Clip, start_s: float, end_s: float) -> Values:
    """Natural log of F0 in Hz of the voiced frames in [start_s, end_s) seconds (N,), of a usable clip at 16 kHz."""
    inside = clip.feature(voiced_f0)[_frame(start_s) : _frame(end_s)]
    voiced: Values = np.log(inside[inside > 0])
    return voiced


def speech_phones(clip: Clip) -> list[Phone]:
    """The phones of a clip that are no silence, at least one. Raises ``MeasurementError`` where one has no length."""
    phones = [phone for phone in clip.phones or () if phone.label != SILENCE]
    if not phones:
        raise MeasurementError(f"clip {clip.id!r} came without phones that are not silence; align it to its text first")
    for phone in phones:
        if not phone.end_s > phone.start_s:
            raise MeasurementError(
                f"phone {phone.label!r} of clip {clip.id!r} lasts from {phone.start_s:g} to {phone.end_s:g} s; "
                "time its phones again"
            )
    return phones


def log_durations(clip: Clip) -> Values:
    """Natural log of the duration in seconds of the phones that are no silence (P,), P >= 1."""
    durations: Values = np.log([phone.end_s - phone.start_s for phone in speech_phones(clip)])
    return durations


def phone_log_f0(clip: Clip) -> Values:
    """Mean log-F0 of each phone that is no silence and has a voiced frame (P,), P >= 1, of a usable clip at 16 kHz."""
    spans = [log_f0_between(clip, phone.start_s, phone.end_s) for phone in speech_phones(clip)]
    means = [float(span.mean()) for span in spans if len(span)]
    if not means:
        raise MeasurementError(f"no phone of clip {clip.id!r} is voiced; check that its phones belong to its audio")
    return np.array(means)


def _frame(time_s: float) -> int:
    """The first frame at or after a time; times are known to 1e-6 s."""
    return max(0, int(np.ceil((time_s - 1e-6) / FRAME_S)))
