"""Recognition with Whisper through `transformers`.

A. Radford, J. W. Kim, T. Xu, G. Brockman, C. McLeavey and I. Sutskever, "Robust speech recognition via large-scale weak
supervision", ICML 2023, https://arxiv.org/abs/2212.04356.

Its decoder knows a language and guesses words that were swallowed, so that its error rates are lower than those of a
recogniser of sounds. Decoding is greedy, or a beam search, in float32; the fallback to higher temperatures that the
paper's own program uses is left out, because it draws random numbers. Whisper hears 30 s at most: longer clips are cut
at the quietest moment between 20 and 30 s, each piece is recognised by itself, and the words are joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ttsbench.audio.usable import fault
from ttsbench.backends.hub import HubModel, inference, load
from ttsbench.data.text import words
from ttsbench.errors import ConfigError
from ttsbench.types import Samples

SAMPLE_RATE = 16000  # Hz
LONGEST_S = 30.0  # what the encoder takes
EARLIEST_S = 20.0  # where a longer clip is cut at the earliest
SMOOTHING_S = 0.2  # over which the level is averaged when the quietest moment is looked for
STEP_S = 0.01


class Whisper:
    """A recogniser of open vocabulary; ``vocabulary`` is ignored. What it hears does not depend on the clips before.

    ``model`` is a name of the hub or a folder, ``beams`` 1 for greedy decoding, ``language`` a code such as "en", which
    is all that models of English alone take. Each worker loads the weights for itself, large-v3 about 6 GB. Raises
    ``ConfigError`` for options that are none.
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
            raise ConfigError(f"whisper's beams is {beams!r}; it is 1 for greedy decoding, or more.")
        if not (isinstance(language, str) and language.isalpha()):
            raise ConfigError(f"whisper's language is {language!r}; it is a code such as 'en'.")
        self._source = HubModel(model, "pocketsphinx", head="WhisperForConditionalGeneration", device=device)
        self._language, self._beams = language, beams
        self.sample_rate = SAMPLE_RATE
        search = "greedy" if beams == 1 else f"beams:{beams}"
        self.signature = f"whisper|{self._source.label}|{language}|{search}|chunks:20-30s"

    def require(self) -> None:
        """Raise ``ConfigError`` where the model is absent."""
        self._source.require()

    def transcribe(self, samples: Samples) -> str:
        """Mono samples (N,) at 16 kHz -> words in lower case; empty for empty, silent or very short audio.

        Raises ``ValueError`` for samples that are not mono or not finite, ``ConfigError`` where the model is absent or
        does not know the language.
        """
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise ValueError(f"transcribe takes finite mono samples of shape (N,); these are {samples.shape}.")
        heard = (self._hear(piece) for piece in pieces(samples) if fault(piece, SAMPLE_RATE) is None)
        return " ".join(word for text in heard for word in words(text))

    def _hear(self, samples: Samples) -> str:
        """The text of one piece of 30 s at most."""
        model, processor = load(self._source, "WhisperForConditionalGeneration", "WhisperProcessor")
        given = processor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt", return_attention_mask=True)
        with inference():
            tokens = model.generate(
                given.input_features.to(model.device),
                attention_mask=given.attention_mask.to(model.device),
                num_beams=self._beams,
                do_sample=False,
                **self._task(model),
            )
        return str(processor.batch_decode(tokens, skip_special_tokens=True)[0])

    def _task(self, model: Any) -> dict[str, str]:
        """Language and task, which models of English alone do not take."""
        settings = model.generation_config
        if getattr(settings, "is_multilingual", None) is False:
            known = ["en"]
        else:
            known = sorted(token.strip("<|>") for token in getattr(settings, "lang_to_id", ()))
        if self._language not in known:
            said = f"it knows {', '.join(known)}" if known else "its generation_config.json names none"
            raise ConfigError(f"{self._source.name} knows no language '{self._language}': {said}; name another model.")
        return {"language": self._language, "task": "transcribe"} if known != ["en"] else {}


def pieces(samples: Samples) -> Iterator[Samples]:
    """Samples (N,) cut into pieces of 30 s at most, at the quietest moment after 20 s of each; together all of them."""
    longest, earliest = int(LONGEST_S * SAMPLE_RATE), int(EARLIEST_S * SAMPLE_RATE)
    while len(samples) > longest:
        cut = earliest + _quietest(samples[earliest:longest])
        yield samples[:cut]
        samples = samples[cut:]
    yield samples


def _quietest(samples: Samples) -> int:
    """Where the mean power over 0.2 s is least: the middle of those 0.2 s, the first of equals."""
    power = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    width, step = int(SMOOTHING_S * SAMPLE_RATE), int(STEP_S * SAMPLE_RATE)
    starts = np.arange(0, len(samples) - width + 1, step)
    return int(starts[np.argmin(power[starts + width] - power[starts])]) + width // 2
