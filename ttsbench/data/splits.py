"""Which utterance is trained on, which is validated with and which is tested.

Splits are made of whole sentences: utterances whose words are the same, whoever says them, lie in one split, so that
no sentence that is tested or validated was ever trained on. Order is by a hash of (seed, words), never by the listing.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

from ttsbench.data.text import words
from ttsbench.errors import ConfigError, CorpusError
from ttsbench.types import Utterance

Split = Literal["train", "valid", "test", "held_out"]  # the last is for prompts alone
GIVEN = ("train", "valid", "test")  # what a corpus may set itself
Sentences = dict[str, list[Utterance]]  # words -> everyone who says them


def split(utterances: Sequence[Utterance], *, test: int, valid: int, seed: int) -> tuple[dict[str, Split], list[str]]:
    """Split of each utterance id (sorted by id), and notes on what did not come out as asked for.

    ``test`` and ``valid`` count utterances. They are taken a sentence at a time, always from the speaker who has the
    fewest so far; a sentence that does not fit in what is left is passed over, and so is one that would leave any of
    its speakers without training data: a speaker with a single clip stays in training. A corpus that sets
    ``attributes["split"]`` keeps its own splits, once checked.

    Raises ``CorpusError`` where training would keep less than half, no sentence can be tested, or the corpus' own
    splits share a sentence, test a speaker they do not train on, or leave a split empty; ``ConfigError`` for counts
    that are no counts.
    """
    if any("split" in utterance.attributes for utterance in utterances):
        return _given(utterances)
    _check_counts(len(utterances), test, valid)
    sentences: Sentences = defaultdict(list)
    for utterance in utterances:
        sentences[" ".join(words(utterance.text))].append(utterance)
    spare = Counter(utterance.speaker for utterance in utterances)
    alone = sorted(speaker for speaker, count in spare.items() if count == 1)
    notes = [f"Speaker {speaker} has a single clip, which is trained on and never tested." for speaker in alone]
    splits: dict[str, Split] = {utterance.id: "train" for utterance in utterances}
    counts: Mapping[Split, int] = {"test": test, "valid": valid}
    for name, count in counts.items():
        chosen = _choose(sentences, spare, count, seed)
        taken = [utterance.id for text in chosen for utterance in sentences.pop(text)]
        splits.update(dict.fromkeys(taken, name))
        notes += _shortfall(name, len(taken), count)
    return dict(sorted(splits.items())), notes


def hold_out(
    splits: Mapping[str, Split], speaker_of: Mapping[str, str], speakers: Collection[str]
) -> tuple[dict[str, Split], list[str]]:
    """Splits by id in which ``speakers`` are never trained on and alone are tested, and a note that says so.

    What else they have read becomes ``held_out``, and so do test clips of the others: prompts, at most. Raises
    ``CorpusError`` for a speaker who is unknown or has no test clip and another one, and where nobody is left.
    """
    found: dict[str, Split] = {}
    for id_, name in splits.items():
        away = speaker_of[id_] in speakers
        found[id_] = name if away == (name == "test") else "held_out"
    for speaker in speakers:
        own = {found[id_] for id_ in found if speaker_of[id_] == speaker}
        has = f"only clips of {', '.join(own)}" if own else "no clips"
        if own != {"test", "held_out"}:
            raise CorpusError(
                f"corpus.held_out_speakers: {speaker} has {has}, and needs one to be tested and another as its prompt. "
                f"Raise corpus.test, or choose among {', '.join(sorted(set(speaker_of.values()))[:20])}."
            )
    if "train" not in found.values():
        raise CorpusError("corpus.held_out_speakers leaves nobody to train on; hold out fewer.")
    tested = sum(name == "test" for name in found.values())
    return found, [f"Speakers {', '.join(speakers)} are never trained on; {tested} of their clips are tested."]


def _check_counts(total: int, test: int, valid: int) -> None:
    if test < 1 or valid < 0:
        raise ConfigError(
            f"corpus.test is {test} and corpus.valid is {valid}: test at least 1, validate with 0 or more."
        )
    if 2 * (test + valid) > total:
        raise CorpusError(
            f"{total} usable utterances are too few for {test} to test and {valid} to validate: less than half would "
            f"be left to train. Set corpus.test + corpus.valid to at most {total // 2}, or add recordings."
        )


def _choose(sentences: Sentences, spare: Counter[str], count: int, seed: int) -> list[str]:
    """Sentences of ``count`` utterances together, or fewer; takes what they use from ``spare``, clips by speaker."""
    queues: dict[str, list[str]] = defaultdict(list)
    for text in sorted(sentences, key=lambda text: _order(seed, text), reverse=True):
        for speaker in sorted({utterance.speaker for utterance in sentences[text]}):
            queues[speaker].append(text)
    turn = {speaker: _order(seed, speaker) for speaker in queues}
    taken: Counter[str] = Counter()
    chosen: list[str] = []
    while queues and taken.total() < count:
        speaker = min(queues, key=lambda name: (taken[name], turn[name]))
        text = queues[speaker].pop()
        if not queues[speaker]:
            del queues[speaker]
        use = Counter(utterance.speaker for utterance in sentences[text])
        fits = taken.total() + use.total() <= count and all(spare[name] > used for name, used in use.items())
        if fits and text not in chosen:
            chosen.append(text)
            taken += use
            spare.subtract(use)
    return chosen


def _order(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{text}".encode()).digest()


def _shortfall(name: Split, taken: int, count: int) -> list[str]:
    why = "the other sentences are read by too many speakers to fit, or are all that a speaker has"
    if taken == count:
        return []
    if not taken:
        raise CorpusError(f"No sentence can be put into the {name} split of {count}: {why}. Set split.{name} higher.")
    return [f"The {name} split has {taken} utterances instead of {count}: {why}."]


def _given(utterances: Iterable[Utterance]) -> tuple[dict[str, Split], list[str]]:
    """The corpus' own splits, checked."""
    splits: dict[str, Split] = {}
    home: dict[str, Utterance] = {}
    speakers: Mapping[Split, set[str]] = {"train": set(), "valid": set(), "test": set()}
    for utterance in sorted(utterances, key=lambda utterance: utterance.id):
        name = utterance.attributes.get("split")
        if name not in GIVEN:
            raise CorpusError(f"{utterance.id} has the split {name!r}: a corpus sets train, valid or test, for all.")
        first = home.setdefault(" ".join(words(utterance.text)), utterance)
        if first.attributes["split"] != name:
            raise CorpusError(
                f"{first.id} ({first.attributes['split']}) and {utterance.id} ({name}) have the same words: "
                f"{utterance.text[:60]!a}. Put them into one split."
            )
        splits[utterance.id] = name
        speakers[name].add(utterance.speaker)
    if not speakers["train"] or not speakers["test"]:
        raise CorpusError(f"The corpus sets its own splits, {dict(Counter(splits.values()))}: fill train and test.")
    unheard = sorted(speakers["test"] - speakers["train"])
    if unheard:
        raise CorpusError(f"Speakers {', '.join(unheard[:5])} are tested and never trained on: add training clips.")
    sizes = Counter(splits.values())
    told = ", ".join(f"{sizes[name]} {name}" for name in speakers)
    return splits, [f"The corpus sets its own splits, whatever corpus.test and corpus.valid ask for: {told}."]
