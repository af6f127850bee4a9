"""The utterances that systems are compared on: the test split of a corpus, or what two folders of wavs share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ttsbench.data.corpus import PreparedCorpus, PreparedUtterance
from ttsbench.data.prompts import Prompts
from ttsbench.data.text import words
from ttsbench.engine.store import read_json, write_json

LISTING = "utterances.json"


@dataclass(frozen=True)
class EvaluatedUtterance:
    """One utterance of the table. ``prompt`` is another recording of the speaker, where there is one."""

    id: str
    text: str = ""
    speaker: str = ""
    prompt: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


def evaluated_utterances(folder: Path) -> list[EvaluatedUtterance]:
    """Everything that the run in ``folder`` scores, in the order of the rows."""
    listing = folder / LISTING
    if listing.exists():
        return [EvaluatedUtterance(**values) for values in read_json(listing)]
    corpus = PreparedCorpus(folder / "prepare")
    prompts = Prompts(corpus)
    return [_evaluated(one, prompts.of(one)) for one in corpus.split("test")]


def _evaluated(one: PreparedUtterance, prompt: PreparedUtterance | None) -> EvaluatedUtterance:
    return EvaluatedUtterance(one.id, one.text, one.speaker, prompt.audio if prompt else None, one.attributes)


def write_listing(folder: Path, utterances: Iterable[EvaluatedUtterance]) -> None:
    """What a comparison of folders is about."""
    write_json(folder / LISTING, [asdict(one) for one in utterances])


def vocabulary(folder: Path) -> list[str]:
    """The words of the whole corpus, or of all texts that were handed in: what a flat unigram may hear."""
    listing = folder / LISTING
    texts = (
        [one.text for one in evaluated_utterances(folder)]
        if listing.exists()
        else [one.text for one in PreparedCorpus(folder / "prepare").utterances]
    )
    return sorted({word for text in texts for word in words(text)})
