"""Draws of a system beside the recording, for metrics of several draws: mels in dB, and prosody by phrase."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio.usable import require_usable
from ttsbench.errors import MeasurementError, NotApplicable
from ttsbench.evaluation.draws import FRAME_TOLERANCE
from ttsbench.types import SILENCE, Clip, Draws

DB = 20 / np.log(10)  # dB of a natural logarithm of magnitudes
Values = NDArray[np.float64]


def mel_draws(clip: Clip, reference: Clip) -> tuple[Values, Values]:
    """Return mels of all draws (K, T, M) and of the recording (T, M) in dB; raise as ``_draws_of`` does."""
    draws, recorded = _draws_of(clip, reference)
    if draws.log_mel is None or recorded.log_mel is None:
        raise NotApplicable(f"the frames of {clip.id!r} do not correspond to those of the recording")
    frames, expected = draws.log_mel.shape[1], recorded.log_mel.shape[1]
    if abs(frames - expected) > FRAME_TOLERANCE:
        raise MeasurementError(
            f"clip {clip.id!r} has {frames} frames and its reference {expected}; proper scores compare frame by frame, "
            "so generate it with the durations of the reference, or leave these metrics out"
        )
    shared = min(frames, expected)
    return draws.log_mel[:, :shared] * DB, recorded.log_mel[0, :shared] * DB


def prosody_draws(clip: Clip, reference: Clip) -> tuple[list[Values], list[Values]]:
    """Return prosody by phrase, of all draws (K, P', 2) and of the recording (P', 2); raise as ``_draws_of`` does."""
    draws, recorded = _draws_of(clip, reference)
    if draws.prosody is None or recorded.prosody is None or reference.phones is None:
        raise NotApplicable(f"the system does not predict the prosody of {clip.id!r}")
    phones = [phone.label for phone in reference.phones]
    if not len(phones) == draws.prosody.shape[1] == recorded.prosody.shape[1]:
        raise MeasurementError(f"clip {clip.id!r} has {draws.prosody.shape[1]} phones and its reference {len(phones)}")
    runs = groupby(range(len(phones)), lambda index: phones[index] == SILENCE)
    phrases = [list(run) for silent, run in runs if not silent]
    if not phrases:
        raise MeasurementError(f"clip {clip.id!r} has no phone that is not a pause")
    sampled, observed = draws.prosody.astype(np.float64), recorded.prosody[0].astype(np.float64)
    return [sampled[:, phrase] for phrase in phrases], [observed[phrase] for phrase in phrases]


def _draws_of(clip: Clip, reference: Clip) -> tuple[Draws, Draws]:
    """Return the draws of both clips.

    Raises ``NotApplicable`` for clips that are no samples of a model, and for all but the first draw; and
    ``MeasurementError`` if a draw has failed.
    """
    require_usable(clip, reference)
    if clip.draws is None or reference.draws is None:
        raise NotApplicable(f"clip {clip.id!r} has no draws: it is not sampled from a model, or not the first draw")
    for owner, draws in ((clip, clip.draws), (reference, reference.draws)):
        if draws.failure:
            raise MeasurementError(f"clip {owner.id!r}: {draws.failure}")
    return clip.draws, reference.draws
