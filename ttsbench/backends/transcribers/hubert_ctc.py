"""Recognition with HuBERT and connectionist temporal classification (CTC) through `transformers`.

W.-N. Hsu et al., "HuBERT: self-supervised speech representation learning by masked prediction of hidden units", TASLP
2021, https://arxiv.org/abs/2106.07447, fine-tuned with the loss of A. Graves et al., "Connectionist temporal
classification", ICML 2006. Decoding takes the most probable letter of each 20 ms and removes repetitions and blanks,
without a language model. The language is that of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from ttsbench.audio.usable import unusable_reason
from ttsbench.backends.hub import HubModel, inference, load
from ttsbench.types import Samples

SAMPLE_RATE = 16000  # Hz


class HubertCtc:
    """A recogniser of letters; ``vocabulary`` is ignored. Transcripts do not depend on earlier clips.

    ``model`` is a hub name or the folder of a CTC model of transformers (HuBERT, wav2vec 2.0, WavLM) whose labels are
    letters. A clip of any length is decoded as a whole.
    """

    def __init__(
        self, vocabulary: Sequence[str], model: str = "facebook/hubert-large-ls960-ft", device: str = "cpu"
    ) -> None:
        self._source = HubModel(model, "pocketsphinx", head="ForCTC", device=device)
        self.sample_rate = SAMPLE_RATE
        self.signature = f"hubert_ctc|{self._source.label}|greedy|lm:none"

    def require(self) -> None:
        """Raise ``ConfigError`` if the model is absent."""
        self._source.require()

    def transcribe(self, samples: Samples) -> str:
        """Return the words of mono samples (N,) at 16 kHz in lower case; "" for empty, silent or very short audio.

        Raises ``ValueError`` for samples that are not mono or not finite, ``ConfigError`` if the model is absent.
        """
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise ValueError(f"transcribe takes finite mono samples of shape (N,); these are {samples.shape}.")
        if unusable_reason(samples, SAMPLE_RATE) is not None:
            return ""
        model, processor = load(self._source, "AutoModelForCTC", "Wav2Vec2Processor")
        inputs = processor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with inference():
            scores = model(inputs.input_values.to(model.device)).logits  # (1, frames, letters)
        return " ".join(spell(scores[0].argmax(dim=-1).tolist(), processor.tokenizer).lower().split())


def spell(labels: Sequence[int], tokenizer: Any) -> str:
    """Return the text of a label sequence: repetitions are merged, then blanks and other special tokens are removed.

    Some releases of transformers remove blanks first, which turns "hello" into "helo"; hence this function.
    """
    tokens = tokenizer.convert_ids_to_tokens([label for label, _ in groupby(labels)])
    gap = tokenizer.word_delimiter_token
    special = set(tokenizer.all_special_tokens) - {gap}
    return "".join(" " if token == gap else token for token in tokens if token not in special)
