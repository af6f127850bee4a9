"""Recognition with pocketsphinx and a flat unigram over the vocabulary of the corpus.

All words are equally likely in any position, so that the transcript depends on the sound alone. A language model of the
texts themselves would guess unintelligible words and hide the errors that a word error rate should count.
D. Huggins-Daines et al., PocketSphinx, ICASSP 2006, https://github.com/cmusphinx/pocketsphinx.

The size of the vocabulary is part of the signature, because few words are easy to tell apart. WER of eight LibriSpeech
sentences, 100 words in all, clean and with white noise at 5 dB:

    words                    clean  noise
    of each sentence alone     .07    .31
    64, of all sentences       .11    .57
    200, with others           .19    .65
    400                        .23    .74
    800                        .31    .82
    1,600                      .41    .84

Rates are comparable only between runs with the same vocabulary. ``word_list`` gives several runs the same one.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench.audio.usable import unusable_reason
from ttsbench.data.alignment import SAMPLE_RATE, add_words, decode, make_decoder, pcm16
from ttsbench.data.pronunciation import pronounce
from ttsbench.data.text import words
from ttsbench.errors import ConfigError
from ttsbench.types import Samples


class PocketSphinx:
    """A recogniser of a fixed vocabulary. The transcript of a clip does not depend on earlier clips.

    ``vocabulary`` holds normalised words (``ttsbench.data.text.words``). ``word_list`` is a text file whose words
    replace them, so that runs on several corpora share a vocabulary; words of the texts that are not in the file cannot
    be recognised and count as errors. Raises ``ConfigError`` if the vocabulary is empty or holds other strings, or if
    the file cannot be read, and ``ClipError`` for a word without pronunciation. Instances are not thread-safe.
    """

    languages = ("en",)

    def __init__(self, vocabulary: Sequence[str], word_list: str | None = None) -> None:
        self.vocabulary = tuple(sorted(set(vocabulary if word_list is None else _listed_words(word_list))))
        if not self.vocabulary:
            raise ConfigError("pocketsphinx needs a vocabulary, but that of the corpus is empty: add texts.")
        invalid = [word for word in self.vocabulary if words(word) != [word]]
        if invalid:
            raise ConfigError(f"{invalid[0]!r} is not a normalised word: take words from ttsbench.data.text.words.")
        for word in self.vocabulary:
            pronounce(word)  # raises now rather than hours later, when clips are transcribed
        digest = hashlib.sha256("\n".join(self.vocabulary).encode()).hexdigest()[:8]
        self.sample_rate = SAMPLE_RATE
        self.vocabulary_size = len(self.vocabulary)
        self.signature = f"pocketsphinx{version('pocketsphinx')}|unigram|words:{self.vocabulary_size}|vocab:{digest}"
        self._decoder: Any = None

    def transcribe(self, samples: Samples) -> str:
        """Return the words of mono samples (N,) at 16 kHz in lower case; "" for empty, silent or very short audio.

        Raises ``ValueError`` for samples that are not mono or not finite.
        """
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise ValueError(f"transcribe takes finite mono samples of shape (N,); these are {samples.shape}.")
        if unusable_reason(samples, SAMPLE_RATE) is not None:
            return ""
        if self._decoder is None:
            self._decoder = self._load()
        try:
            decode(self._decoder, pcm16(samples))
            hypothesis = self._decoder.hyp()
        except RuntimeError:
            self._decoder = None  # after an error its state is undefined
            raise
        return "" if hypothesis is None else str(hypothesis.hypstr)

    def _load(self) -> Any:
        """Return a decoder with the words and the language model of the vocabulary."""
        decoder = make_decoder(lm=None)
        add_words(decoder, list(self.vocabulary))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "unigram.arpa"
            path.write_text(unigram_arpa(self.vocabulary), encoding="utf-8")
            decoder.add_lm_file("unigram", str(path))
        decoder.activate_search("unigram")
        return decoder


def _listed_words(word_list: str) -> list[str]:
    """Return the normalised words of a text file; raises ``ConfigError``."""
    path = Path(word_list).expanduser()
    try:
        return words(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"word_list: {path} cannot be read as UTF-8 text ({error}). Give a file of words.") from error


def unigram_arpa(vocabulary: Sequence[str]) -> str:
    """Return an ARPA language model in which each word and the end of the sentence have equal probability.

    ``<s>`` starts a sentence and is never predicted; its log10 probability is -99 by convention of the format.

    >>> unigram_arpa(["hello"]).splitlines()[4:7]
    ['-99.000000 <s> 0.000000', '-0.301030 </s>', '-0.301030 hello']
    """
    log10 = -math.log10(len(vocabulary) + 1)
    lines = [f"{log10:.6f} {word}" for word in ("</s>", *vocabulary)]
    entries = "\n".join(["-99.000000 <s> 0.000000", *lines])
    return f"\\data\\\nngram 1={len(lines) + 1}\n\n\\1-grams:\n{entries}\n\n\\end\\\n"
