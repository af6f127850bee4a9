"""Draws of a model beside those of a recording, before the vocoder, in the form that metrics of draws read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ttsbench.data.batching import Prosody
from ttsbench.data.corpus import Normalisation, PreparedCorpus, PreparedUtterance
from ttsbench.errors import ClipError
from ttsbench.stages.sampling import Sample, Sampler
from ttsbench.types import Draws


def recorded_draws(corpus: PreparedCorpus, utterance: PreparedUtterance, has_mels: bool) -> Draws:
    """Return mel and prosody of a recording as a single draw; the latents of a codec are no mels."""
    features = corpus.features(utterance)
    return Draws(features.mel[None] if has_mels else None, corpus.norm.prosody(features)[None])


def sampled_draws(
    samples: Sequence[Sample | ClipError], sampler: Sampler, corpus: PreparedCorpus, has_mels: bool
) -> Draws:
    """Return what can be compared with the recording: mels of its own durations, or predicted prosody."""
    drawn: list[Sample] = []
    for number, sample in enumerate(samples, start=1):
        if isinstance(sample, ClipError):
            return Draws(failure=f"draw {number} of {len(samples)} failed: {sample}")
        drawn.append(sample)
    log_mel = prosody = None
    if has_mels and sampler.uses_recorded_durations:
        log_mel = np.stack([sample.log_mel.numpy() for sample in drawn])
    if "prosody" in sampler.models:
        prosody = np.stack([standardised(sample.prosody, corpus.norm) for sample in drawn if sample.prosody])
    return Draws(log_mel, prosody)


def standardised(prosody: Prosody, norm: Normalisation) -> NDArray[np.float32]:
    """Return predicted log-F0 and log-duration in training-set deviations, (P, 2)."""
    log_f0 = (prosody.phone_log_f0 - norm.log_f0_mean) / norm.log_f0_std
    log_duration = (np.log(prosody.durations) - norm.log_duration_mean) / norm.log_duration_std
    return np.stack([log_f0, log_duration], axis=1).astype(np.float32)
