"""Generation of the embedded corpus, run as a process of its own: ``python -m ttsbench.data.espeak.build FOLDER``.

espeak-ng's noise runs on from call to call (see ``ttsbench.data.espeak.voice``); only a process that has rendered
nothing yet gives the same samples every time. The options arrive as JSON on the standard input.

Layout: ``wavs/ID.wav`` (16 bit, mono), ``TextGrid/ID.TextGrid`` (tiers words and phones), ``manifest.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from ttsbench.data.espeak.prosody import SPEAKERS
from ttsbench.data.espeak.render import render, textgrid
from ttsbench.data.espeak.text import Phrases, sentences, spell
from ttsbench.data.espeak.voice import SAMPLE_RATE
from ttsbench.engine.store import write_json, write_text

TEST_PER_MINUTE = 0.625  # sentences: 15 in 24 minutes
VALID_PER_MINUTE = 0.5


@dataclass(frozen=True)
class Options:
    """What the corpus depends on; see ``ttsbench.data.espeak.corpus.EspeakCorpus``."""

    minutes: float
    speakers: tuple[str, ...]
    seed: int
    renderings: int
    version: int


class _Planned(NamedTuple):
    id: str
    split: str
    speaker: str
    phrases: Phrases
    sentence: int
    rendering: int


def build(folder: Path, options: Options) -> None:
    """Fill an empty folder; the manifest is written last."""
    (folder / "wavs").mkdir()
    (folder / "TextGrid").mkdir()
    rows: list[dict[str, Any]] = []
    seconds = 0.0
    trained: set[str] = set()
    for index, planned in enumerate(_plan(options)):
        if seconds >= 60.0 * options.minutes and trained == set(options.speakers):
            break
        rng = np.random.default_rng([options.seed, 1, index])
        rows.append(_make(folder, planned, rng))
        seconds += rows[-1]["duration_s"]
        trained |= {planned.speaker} if planned.split == "train" else set()
    distributions = {name: SPEAKERS[name].prosody.parameters() for name in options.speakers}
    head = {"options": options.__dict__, "sample_rate": SAMPLE_RATE, "prosody": distributions}
    write_json(folder / "manifest.json", {**head, "utterances": rows})


def _plan(options: Options) -> Iterator[_Planned]:
    """The test sentences, each several times by one speaker, the validation sentences, then training without end."""
    told = enumerate(sentences(np.random.default_rng([options.seed, 0])))
    counts = {"test": _count(TEST_PER_MINUTE, options), "valid": _count(VALID_PER_MINUTE, options), "train": None}
    for split, count in counts.items():
        turn = 0
        while count is None or turn < count:
            sentence, phrases = next(told)
            speaker = options.speakers[turn % len(options.speakers)]
            for rendering in range(options.renderings if split == "test" else 1):
                id = f"{speaker}-{split}-{sentence:04d}-{rendering}"
                yield _Planned(id, split, speaker, phrases, sentence, rendering)
            turn += 1


def _count(per_minute: float, options: Options) -> int:
    return max(1, round(per_minute * options.minutes))


def _make(folder: Path, planned: _Planned, rng: np.random.Generator) -> dict[str, Any]:
    """Render one utterance, write its files, and return its row of the manifest."""
    made = render(planned.phrases, SPEAKERS[planned.speaker], rng)
    soundfile.write(folder / "wavs" / f"{planned.id}.wav", made.samples, SAMPLE_RATE, subtype="PCM_16")
    grid = textgrid({"words": made.words, "phones": made.phones}, len(made.samples))
    write_text(folder / "TextGrid" / f"{planned.id}.TextGrid", grid)
    return {
        "id": planned.id,
        "speaker": planned.speaker,
        "text": spell(planned.phrases),
        "split": planned.split,
        "sentence": planned.sentence,
        "rendering": planned.rendering,
        "duration_s": len(made.samples) / SAMPLE_RATE,
        "phrases": made.phrases,
    }


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    build(Path(sys.argv[1]), Options(**{**asked, "speakers": tuple(asked["speakers"])}))
