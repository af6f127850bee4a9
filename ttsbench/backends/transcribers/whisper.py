"""Recognition with Whisper through `transformers`.

A. Radford, J. W. Kim, T. Xu, G. Brockman, C. McLeavey and I. Sutskever, "Robust speech recognition via large-scale weak
supervision", ICML 2023, https://arxiv.org/abs/2212.04356.

The decoder contains a language model and guesses unintelligible words, so its error rates are lower than those of a
purely acoustic recogniser. Decoding is greedy or a beam search, in float32; the fallback to higher temperatures of the
original program is omitted because it is random. Whisper takes at most 30 s: longer clips are cut at the quietest
moment between 20 and 30 s, the pieces are recognised separately, and the words are joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any

import numpy as np

from ttsbench.audio.usable import unusable_reason
from ttsbench.backends.hub import HubModel, inference, load
from ttsbench.data.normalisers import language_among, languages_of
from ttsbench.errors import ConfigError
from ttsbench.types import Samples

SAMPLE_RATE = 16000  # Hz
LONGEST_S = 30.0  # the input length of the encoder
EARLIEST_S = 20.0  # the earliest cut of a longer clip
SMOOTHING_S = 0.2  # averaging window of the level in the search for the quietest moment
STEP_S = 0.01


class Whisper:
    """A recogniser with an open vocabulary; ``vocabulary`` is ignored. Transcripts do not depend on earlier clips.

    ``model`` is a hub name or a folder, ``beams`` is 1 for greedy decoding, and ``language`` is a code such as "en",
    the only one for English-only models, or several as "de+en" (``in_language`` selects one). Each worker process loads
    its own weights, about 6 GB for large-v3. Raises ``ConfigError`` for invalid options.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        model: str = "openai/whisper-large-v3",
        language: str = "en",
        beams: int = 1,
        device: str = "cpu",
    ) -> None:
        if not (isinstance(beams, int) and beams >= 1):
            raise ConfigError(f"whisper's beams is {beams!r}: give 1 for greedy decoding, or more.")
        if not (isinstance(language, str) and all(code.isalpha() for code in languages_of(language))):
            raise ConfigError(f"whisper's language is {language!r}: give a code such as 'en', or several as 'de+en'.")
        self._source = HubModel(model, "pocketsphinx", head="WhisperForConditionalGeneration", device=device)
        self._languages, self._beams = languages_of(language), beams
        self._language = self._languages[0]
        self.sample_rate = SAMPLE_RATE
        search = "greedy" if beams == 1 else f"beams:{beams}"
        self.signature = f"whisper|{self._source.label}|{language}|{search}|chunks:20-30s"

    def require(self) -> None:
        """Raise ``ConfigError`` if the model is absent."""
        self._source.require()

    def in_language(self, language: str) -> Whisper:
        """Return the same recogniser for a clip in one of its languages; an empty name means the first.

        Raises ``ConfigError`` for a language that the option does not name.
        """
        chosen = language_among(language, self._languages)
        if chosen is None:
            raise ConfigError(f"A clip is in '{language}', and whisper's language is '{'+'.join(self._languages)}'.")
        other = copy(self)
        other._language = chosen
        return other

    def transcribe(self, samples: Samples) -> str:
        """Return the text of mono samples (N,) at 16 kHz as Whisper writes it; "" for empty, silent or short audio.

        Raises ``ValueError`` for samples that are not mono or not finite, ``ConfigError`` if the model is absent or
        does not know the language.
        """
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise ValueError(f"transcribe takes finite mono samples of shape (N,); these are {samples.shape}.")
        texts = (self._decode(piece) for piece in pieces(samples) if unusable_reason(piece, SAMPLE_RATE) is None)
        return " ".join(text.strip() for text in texts if text.strip())

    def _decode(self, samples: Samples) -> str:
        """Return the text of one piece of at most 30 s."""
        model, processor = load(self._source, "WhisperForConditionalGeneration", "WhisperProcessor")
        inputs = processor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt", return_attention_mask=True)
        with inference():
            tokens = model.generate(
                inputs.input_features.to(model.device),
                attention_mask=inputs.attention_mask.to(model.device),
                num_beams=self._beams,
                do_sample=False,
                **self._task(model),
            )
        return str(processor.batch_decode(tokens, skip_special_tokens=True)[0])

    def _task(self, model: Any) -> dict[str, str]:
        """Return language and task, which English-only models do not take."""
        settings = model.generation_config
        if getattr(settings, "is_multilingual", None) is False:
            known = ["en"]
        else:
            known = sorted(token.strip("<|>") for token in getattr(settings, "lang_to_id", ()))
        if self._language not in known:
            listing = f"it knows {', '.join(known)}" if known else "its generation_config.json lists none"
            raise ConfigError(f"{self._source.name} knows no language '{self._language}': {listing}; use another.")
        return {"language": self._language, "task": "transcribe"} if known != ["en"] else {}


def pieces(samples: Samples) -> Iterator[Samples]:
    """Cut samples (N,) into pieces of at most 30 s, each at its quietest moment after 20 s."""
    longest, earliest = int(LONGEST_S * SAMPLE_RATE), int(EARLIEST_S * SAMPLE_RATE)
    while len(samples) > longest:
        cut = earliest + _quietest(samples[earliest:longest])
        yield samples[:cut]
        samples = samples[cut:]
    yield samples


def _quietest(samples: Samples) -> int:
    """Return the centre of the 0.2 s with the lowest mean power, the first of equal ones."""
    power = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    width, step = int(SMOOTHING_S * SAMPLE_RATE), int(STEP_S * SAMPLE_RATE)
    starts = np.arange(0, len(samples) - width + 1, step)
    return int(starts[np.argmin(power[starts + width] - power[starts])]) + width // 2
