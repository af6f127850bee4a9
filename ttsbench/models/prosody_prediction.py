"""Predicted prosody: draws of a prosody model as durations in frames and phone log-F0."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttsbench.config.systems import SamplingSettings
from ttsbench.data.batching import Prosody, collate, item
from ttsbench.data.corpus import Normalisation, PreparedCorpus, PreparedUtterance
from ttsbench.models.speech_model import SpeechModel, utterance_seed
from ttsbench.types import Noise


def denormalised(drawn: Tensor, norm: Normalisation, longest: float) -> Prosody:
    """Return durations in frames, between 1 and ``longest``, and phone log-F0, from normalised values (P, 2)."""
    values = drawn.cpu().double().numpy()
    log_duration = values[:, 1] * norm.log_duration_std + norm.log_duration_mean
    durations = np.rint(np.exp(np.minimum(log_duration, np.log(longest)))).astype(np.int64)
    return Prosody(np.maximum(durations, 1), _log_f0(drawn, norm))


def predicted_log_f0(
    model: SpeechModel,
    corpus: PreparedCorpus,
    utterances: Iterable[PreparedUtterance],
    seed: int,
    sampling: SamplingSettings,
) -> dict[str, NDArray[np.float32]]:
    """Return one draw of the phone log-F0 (P,) of each utterance by a prosody model."""
    found = {}
    for utterance in utterances:
        noise = Noise([utterance_seed("condition", seed, utterance.id)])
        with torch.no_grad():
            cond = model(collate([item(corpus, utterance, "prosody")], "prosody"))
            drawn = model.sample(cond, sampling.nfe, noise, sampling.temperature, **sampling.options)
        found[utterance.id] = _log_f0(drawn[0], corpus.norm)
    return found


def _log_f0(drawn: Tensor, norm: Normalisation) -> NDArray[np.float32]:
    values = drawn[:, 0].cpu().double().numpy() * norm.log_f0_std + norm.log_f0_mean
    log_f0: NDArray[np.float32] = values.astype(np.float32)
    return log_f0
