"""The samples of training utterances, for objectives that compare waveforms (``AdapterInfo.waveform``).

Frame t of a mel spectrogram covers the samples [t * hop_length, (t + 1) * hop_length). Recordings are read again at
every step: their samples would fill the memory long before their features do.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ttsbench.audio.wav import load_clip_audio
from ttsbench.config.schema import CorpusConfig, MelConfig
from ttsbench.data.batching import Item
from ttsbench.data.corpus import PreparedUtterance


class Waveforms:
    """Adds samples at the mel's sample rate to whole utterances."""

    def __init__(self, mel: MelConfig, corpus: CorpusConfig) -> None:
        self._mel, self._max_s = mel, corpus.max_s

    def __call__(self, whole: Item, utterance: PreparedUtterance) -> Item:
        """Return ``whole`` with the samples (T * hop_length,) of its T frames; raises ``ClipError``."""
        samples = load_clip_audio(Path(utterance.audio), self._mel.sample_rate, max_s=self._max_s)
        length = len(whole.alignment) * self._mel.hop_length
        return replace(whole, waveform=np.pad(samples[:length], (0, max(0, length - len(samples)))))
