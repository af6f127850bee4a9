"""Streaming: chunks of samples from an adapter and a vocoder that can both stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from ttsbench.data.corpus import Normalisation
from ttsbench.errors import ClipError
from ttsbench.interfaces import Streaming, StreamingVocoder
from ttsbench.types import Condition, Noise


def audio_stream(
    adapter: Streaming, vocoder: StreamingVocoder, norm: Normalisation, cond: Condition, rng: Noise,
    temperature: float = 1.0, **sampling: Any,
) -> Iterator[Tensor]:  # fmt: skip
    """Yield chunks of samples (N_i,) of a single utterance; call it under ``torch.no_grad``."""
    chunks = adapter.stream(cond, rng, temperature, **sampling)
    return vocoder.stream(chunk.values[0, : chunk.lengths[0]].cpu() * norm.mel_std + norm.mel_mean for chunk in chunks)


def first_chunk_s(start: Callable[[], Iterator[Tensor]]) -> float:
    """Return the seconds from before ``start()`` to its first samples. Raises ``ClipError`` if there are none."""
    began = time.perf_counter()
    for samples in start():
        if len(samples):
            return time.perf_counter() - began
    raise ClipError("the stream ended before its first sample")
