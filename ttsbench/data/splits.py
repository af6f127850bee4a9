"""Splits of a corpus into training, validation and test utterances.

Splits consist of whole sentences: all utterances with the same words, by any speaker, are in one split, so that no test
or validation sentence occurs in training. The order is by a hash of (seed, words) and independent of the listing.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

from ttsbench.data.text import spoken_key
from ttsbench.errors import ConfigError, CorpusError
from ttsbench.types import Utterance

Split = Literal["train", "valid", "test", "held_out"]  # held_out: prompts only
GIVEN = ("train", "valid", "test")  # splits that a corpus may set itself
Sentences = dict[str, list[Utterance]]  # words -> utterances with these words


def split(utterances: Sequence[Utterance], *, test: int, valid: int, seed: int) -> tuple[dict[str, Split], list[str]]:
    """Return the split of each utterance id (sorted by id), and notes on deviations from the requested sizes.

    ``test`` and ``valid`` count utterances. They are selected one sentence at a time, always from the speaker with the
    fewest so far. A sentence is skipped if it exceeds the remaining count or would leave one of its speakers without
    training data; a speaker with a single clip stays in training. A corpus that sets ``attributes["split"]`` keeps its
    own splits after a check.

    Raises ``CorpusError`` if less than half of the corpus would remain for training, if no sentence can be tested, or
    if the corpus' own splits share a sentence, test an untrained speaker or leave a split empty; ``ConfigError`` for
    invalid counts.
    """
    if any("split" in utterance.attributes for utterance in utterances):
        return _given(utterances)
    _check_counts(len(utterances), test, valid)
    sentences: Sentences = defaultdict(list)
    for utterance in utterances:
        sentences[spoken_key(utterance.text)].append(utterance)
    spare = Counter(utterance.speaker for utterance in utterances)
    alone = sorted(speaker for speaker, count in spare.items() if count == 1)
    notes = [f"Speaker {speaker} has a single clip, which is in the training split." for speaker in alone]
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
    """Return splits by id in which only ``speakers`` are tested and none of them is trained on, and a note.

    Their other clips become ``held_out``, as do the test clips of all other speakers; such clips serve only as prompts.
    Raises ``CorpusError`` for an unknown speaker, for one without both a test clip and another clip, and if no training
    clip remains.
    """
    moved: dict[str, Split] = {}
    for id_, name in splits.items():
        away = speaker_of[id_] in speakers
        moved[id_] = name if away == (name == "test") else "held_out"
    for speaker in speakers:
        own = {moved[id_] for id_ in moved if speaker_of[id_] == speaker}
        has = f"only clips of {', '.join(own)}" if own else "no clips"
        if own != {"test", "held_out"}:
            raise CorpusError(
                f"corpus.held_out_speakers: {speaker} has {has}, but needs a test clip and another one as prompt. "
                f"Raise corpus.test, or choose among {', '.join(sorted(set(speaker_of.values()))[:20])}."
            )
    if "train" not in moved.values():
        raise CorpusError("corpus.held_out_speakers leaves no speaker to train on; hold out fewer.")
    tested = sum(name == "test" for name in moved.values())
    return moved, [f"Speakers {', '.join(speakers)} are never trained on; {tested} of their clips are tested."]


def _check_counts(total: int, test: int, valid: int) -> None:
    if test < 1 or valid < 0:
        raise ConfigError(
            f"corpus.test is {test} and corpus.valid is {valid}: set test to at least 1 and valid to at least 0."
        )
    if 2 * (test + valid) > total:
        raise CorpusError(
            f"{total} usable utterances are too few for {test} test and {valid} validation utterances: less than half "
            f"would remain for training. Set corpus.test + corpus.valid to at most {total // 2}, or add recordings."
        )


def _choose(sentences: Sentences, spare: Counter[str], count: int, seed: int) -> list[str]:
    """Return sentences with at most ``count`` utterances in total, and subtract these from ``spare`` (by speaker)."""
    queues: dict[str, list[str]] = defaultdict(list)
    for text in sorted(sentences, key=lambda text: _order(seed, text), reverse=True):
        for speaker in sorted({utterance.speaker for utterance in sentences[text]}):
            queues[speaker].append(text)
    turn = {speaker: _order(seed, speaker) for speaker in queues}
    used: Counter[str] = Counter()
    chosen: list[str] = []
    while queues and used.total() < count:
        speaker = min(queues, key=lambda name: (used[name], turn[name]))
        text = queues[speaker].pop()
        if not queues[speaker]:
            del queues[speaker]
        clips = Counter(utterance.speaker for utterance in sentences[text])
        fits = used.total() + clips.total() <= count and all(spare[name] > number for name, number in clips.items())
        if fits and text not in chosen:
            chosen.append(text)
            used += clips
            spare.subtract(clips)
    return chosen


def _order(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{text}".encode()).digest()


def _shortfall(name: Split, taken: int, count: int) -> list[str]:
    reason = "the other sentences have too many speakers to fit, or are the only ones of a speaker"
    if taken == count:
        return []
    if not taken:
        raise CorpusError(f"No sentence fits into the {name} split of {count}: {reason}. Increase corpus.{name}.")
    return [f"The {name} split has {taken} utterances instead of {count}: {reason}."]


def _given(utterances: Iterable[Utterance]) -> tuple[dict[str, Split], list[str]]:
    """Return the corpus' own splits after a check."""
    splits: dict[str, Split] = {}
    home: dict[str, Utterance] = {}
    speakers: Mapping[Split, set[str]] = {"train": set(), "valid": set(), "test": set()}
    for utterance in sorted(utterances, key=lambda utterance: utterance.id):
        name = utterance.attributes.get("split")
        if name not in GIVEN:
            raise CorpusError(f"{utterance.id} has the split {name!r}: set train, valid or test for every utterance.")
        first = home.setdefault(spoken_key(utterance.text), utterance)
        if first.attributes["split"] != name:
            raise CorpusError(
                f"{first.id} ({first.attributes['split']}) and {utterance.id} ({name}) have the same words: "
                f"{utterance.text[:60]!a}. Put them into the same split."
            )
        splits[utterance.id] = name
        speakers[name].add(utterance.speaker)
    if not speakers["train"] or not speakers["test"]:
        raise CorpusError(f"The corpus sets its own splits, {dict(Counter(splits.values()))}: fill train and test.")
    untrained = sorted(speakers["test"] - speakers["train"])
    if untrained:
        raise CorpusError(f"Speakers {', '.join(untrained[:5])} are tested but not trained on: add training clips.")
    sizes = Counter(splits.values())
    counts = ", ".join(f"{sizes[name]} {name}" for name in speakers)
    return splits, [f"The corpus sets its own splits, which override corpus.test and corpus.valid: {counts}."]
