"""Generation of the embedded corpus, run as a process of its own: ``python -m ttsbench.data.espeak.build FOLDER``.

The phase of espeak-ng's noise continues from call to call (see ``ttsbench.data.espeak.voice``), so the samples are
reproducible only in a process that has rendered nothing before. The options arrive as JSON on the standard input.

Layout: ``wavs/ID.wav`` (16 bit, mono), ``TextGrid/ID.TextGrid`` (tiers words and phones), ``manifest.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from ttsbench.data.espeak.prosody import SPEAKERS
from ttsbench.data.espeak.quality import QUALITY
from ttsbench.data.espeak.render import draw, draw_quality, render, textgrid
from ttsbench.data.espeak.text import Phrases, number_sentences, sentences, spell
from ttsbench.data.espeak.voice import SAMPLE_RATE
from ttsbench.engine.store import write_json, write_text

TEST_PER_MINUTE = 0.625  # sentences: 15 in 24 minutes
VALID_PER_MINUTE = 0.5


@dataclass(frozen=True)
class Options:
    """The options that determine the corpus; see ``ttsbench.data.espeak.corpus.EspeakCorpus``."""

    minutes: float
    speakers: tuple[str, ...]
    seed: int
    renderings: int
    voice_quality: bool
    version: int
    language: str = "en"
    test_sentences: int | None = None
    valid_sentences: int | None = None

    def values(self) -> dict[str, Any]:
        """Return the options as JSON values, without defaults of options that earlier versions lacked."""
        defaults = {"language": "en", "test_sentences": None, "valid_sentences": None}
        return {name: value for name, value in asdict(self).items() if name not in defaults or value != defaults[name]}


class _PlannedUtterance(NamedTuple):
    """An utterance before it is rendered."""

    id: str
    split: str
    speaker: str
    phrases: Phrases
    sentence: int
    rendering: int


def build(folder: Path, options: Options) -> None:
    """Write the corpus into an empty folder; the manifest is written last."""
    (folder / "wavs").mkdir()
    (folder / "TextGrid").mkdir()
    rows: list[dict[str, Any]] = []
    seconds = 0.0
    train_speakers: set[str] = set()
    for index, planned in enumerate(_plan(options)):
        if seconds >= 60.0 * options.minutes and train_speakers == set(options.speakers):
            break
        rows.append(_write_utterance(folder, planned, index, options))
        seconds += rows[-1]["duration_s"]
        train_speakers |= {planned.speaker} if planned.split == "train" else set()
    distributions = {name: SPEAKERS[name].prosody.parameters() for name in options.speakers}
    head = {"options": options.values(), "sample_rate": SAMPLE_RATE, "prosody": distributions}
    if options.voice_quality:
        head["voice_quality"] = QUALITY.parameters()
    write_json(folder / "manifest.json", {**head, "utterances": rows})


def _plan(options: Options) -> Iterator[_PlannedUtterance]:
    """Yield the test sentences, each several times by one speaker, the validation sentences, then endless training."""
    rng = np.random.default_rng([options.seed, 0])
    numbered = enumerate(sentences(rng) if options.language == "en" else number_sentences(rng, options.language))
    for split, count in {**_sentence_counts(options), "train": None}.items():
        turn = 0
        while count is None or turn < count:
            sentence, phrases = next(numbered)
            speaker = options.speakers[turn % len(options.speakers)]
            for rendering in range(_renderings(split, options)):
                id = f"{speaker}-{split}-{sentence:04d}-{rendering}"
                yield _PlannedUtterance(id, split, speaker, phrases, sentence, rendering)
            turn += 1


def split_sizes(options: Options) -> dict[str, int]:
    """Return the numbers of test and validation utterances."""
    return {split: count * _renderings(split, options) for split, count in _sentence_counts(options).items()}


def _sentence_counts(options: Options) -> dict[str, int]:
    rates = {"test": (options.test_sentences, TEST_PER_MINUTE), "valid": (options.valid_sentences, VALID_PER_MINUTE)}
    return {
        split: max(1, round(per_minute * options.minutes)) if count is None else count
        for split, (count, per_minute) in rates.items()
    }


def _renderings(split: str, options: Options) -> int:
    return options.renderings if split == "test" else 1


def _write_utterance(folder: Path, planned: _PlannedUtterance, index: int, options: Options) -> dict[str, Any]:
    """Render one utterance, write its files and return its row of the manifest."""
    speaker = SPEAKERS[planned.speaker].in_language(options.language)
    phrases = draw(planned.phrases, speaker, np.random.default_rng([options.seed, 1, index]))
    rng = np.random.default_rng([options.seed, 2, index])
    rendering = render(draw_quality(phrases, rng) if options.voice_quality else phrases, speaker, rng)
    soundfile.write(folder / "wavs" / f"{planned.id}.wav", rendering.samples, SAMPLE_RATE, subtype="PCM_16")
    grid = textgrid({"words": rendering.words, "phones": rendering.phones}, len(rendering.samples))
    write_text(folder / "TextGrid" / f"{planned.id}.TextGrid", grid)
    return {
        "id": planned.id,
        "speaker": planned.speaker,
        "text": spell(planned.phrases),
        "split": planned.split,
        "sentence": planned.sentence,
        "rendering": planned.rendering,
        "duration_s": len(rendering.samples) / SAMPLE_RATE,
        "phrases": rendering.phrases,
    }


if __name__ == "__main__":
    values = json.load(sys.stdin)
    build(Path(sys.argv[1]), Options(**{**values, "speakers": tuple(values["speakers"])}))
