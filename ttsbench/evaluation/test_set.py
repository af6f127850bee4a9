"""The utterances that systems are compared on: the test split of a corpus, or the clips that folders have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ttsbench.data.corpus import PreparedCorpus, PreparedUtterance
from ttsbench.data.prompts import Prompts
from ttsbench.data.text import words
from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import read_json, write_json
from ttsbench.evaluation.clip_table import FILE


@dataclass(frozen=True)
class EvaluatedUtterance:
    """An utterance that is scored.

    ``prompt`` is the path of another recording of the speaker, and ``recording`` that of a recording of the text, for
    prompt lists that name them. ``language`` is empty unless the corpus or the list names one for each utterance.
    """

    id: str
    text: str = ""
    speaker: str = ""
    prompt: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    prompt_text: str = ""
    recording: str | None = None
    language: str = ""


def evaluated_utterances(folder: Path) -> list[EvaluatedUtterance]:
    """Return all utterances that the run in ``folder`` scores in order; an archive has ids and speakers alone."""
    listing = RunLayout(folder).utterances
    if listing.exists():
        return [EvaluatedUtterance(**values) for values in read_json(listing)]
    if not RunLayout(folder).prepare.exists() and (folder / FILE).exists():
        return _archived_utterances(folder / FILE)
    corpus = PreparedCorpus(RunLayout(folder).prepare)
    prompts = Prompts(corpus)
    return [_evaluated(utterance, prompts.of(utterance)) for utterance in corpus.split("test")]


def _archived_utterances(rows: Path) -> list[EvaluatedUtterance]:
    """Return the utterances of an archive, whose texts and prompts are not archived."""
    frame = pd.read_parquet(rows, columns=["utterance", "speaker"]).drop_duplicates().astype(str)
    pairs = zip(frame["utterance"].tolist(), frame["speaker"].tolist(), strict=True)
    return [EvaluatedUtterance(str(name), speaker=str(speaker)) for name, speaker in pairs]


def _evaluated(utterance: PreparedUtterance, prompt: PreparedUtterance | None) -> EvaluatedUtterance:
    audio = prompt.audio if prompt else None
    language = str(utterance.attributes.get("language", ""))
    return EvaluatedUtterance(
        utterance.id, utterance.text, utterance.speaker, audio, utterance.attributes, language=language
    )


def write_listing(folder: Path, utterances: Iterable[EvaluatedUtterance]) -> None:
    """Write the utterances of a comparison of folders."""
    write_json(RunLayout(folder).utterances, [asdict(utterance) for utterance in utterances])


def vocabulary(folder: Path) -> list[str]:
    """Return the words of the whole corpus, or of all given texts: the vocabulary of the recogniser."""
    listing = RunLayout(folder).utterances
    texts = (
        [text for each in evaluated_utterances(folder) for text in (each.text, each.prompt_text)]
        if listing.exists()
        else [utterance.text for utterance in PreparedCorpus(RunLayout(folder).prepare).utterances]
    )
    return sorted({word for text in texts for word in words(text)})
