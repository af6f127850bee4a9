"""Similarity of voices: the cosine of two speaker embeddings.

L. Wan, Q. Wang, A. Papir and I. Lopez Moreno, "Generalized end-to-end loss for speaker verification", ICASSP 2018, in
the model that the `resemblyzer` package carries: a 256-dimensional d-vector per 1.6 s window, averaged over the clip.
Embeddings are not negative, so that even strangers score about 0.5 to 0.7: read it beside the ground truth's row.

Before embedding, resemblyzer raises clips quieter than -30 dBFS to that level and cuts pauses with the WebRTC voice
activity detector (mode 3); what is left must last half a second, a choice of this project.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio.usable import usable_at
from ttsbench.errors import MeasurementError
from ttsbench.types import Clip, MetricInfo

SAMPLE_RATE = 16000  # Hz, what the encoder was trained on
MIN_SPEECH_S = 0.5


@lru_cache(maxsize=1)
def encoder() -> Any:
    """The pretrained encoder on the CPU, loaded once per process."""
    from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)


def embed(clip: Clip) -> NDArray[np.float32]:
    """Speaker embedding (256,) of unit length, of a clip at 16 kHz; call it through ``clip.feature``.

    Raises ``MeasurementError`` where less than half a second of speech is found.
    """
    from resemblyzer import preprocess_wav

    speech = preprocess_wav(clip.samples)
    if len(speech) < MIN_SPEECH_S * SAMPLE_RATE:
        raise MeasurementError(
            f"clip {clip.id!r} holds {len(speech) / SAMPLE_RATE:.2f} s of speech by WebRTC's detector, a voice needs "
            f"{MIN_SPEECH_S} s; listen to it, or use longer utterances"
        )
    embedding: NDArray[np.float32] = encoder().embed_utterance(speech)
    return embedding


class SpeakerSimilarity:
    """Cosine of the d-vectors of a clip and of its reference, averaged over utterances."""

    info = MetricInfo(
        name="speaker_similarity",
        title="Speaker similarity",
        unit="cosine",
        higher_is_better=True,
        columns=("cosine",),
        signature="speaker_similarity|resemblyzer|16kHz|volume:-30dBFS|vad:webrtc3|mean:utterances|v1",
        paper="Wan et al. 2018, https://arxiv.org/abs/1710.10467",
        sample_rate=SAMPLE_RATE,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """The cosine, 1 for one voice. Raises ``MeasurementError`` where either holds too little speech."""
        a, b = (usable_at(one, SAMPLE_RATE).feature(embed).astype(np.float64) for one in (clip, reference))
        return (float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))),)

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """Mean over utterances, rows (n, 1)."""
        return float(rows[:, 0].mean())
