"""Prompts: another recording of the speaker, whose voice a zero-shot model imitates.

A prompt lasts about 3 s, as in SLED (Ma et al. 2025, https://arxiv.org/abs/2505.13181) and DMOSpeech. Every utterance
has one fixed prompt, which is never a test recording; models and metrics use the same one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np

from ttsbench.data.batching import Item, item
from ttsbench.data.corpus import PreparedCorpus, PreparedUtterance
from ttsbench.errors import CorpusError

PROMPT_FRAMES = 260  # about 3 s at the default mel


class Prompts:
    """The recordings that may serve as prompts, by speaker."""

    def __init__(self, corpus: PreparedCorpus) -> None:
        self._by_speaker: dict[str, list[PreparedUtterance]] = defaultdict(list)
        for utterance in corpus.utterances:
            if utterance.split in ("train", "held_out"):
                self._by_speaker[utterance.speaker].append(utterance)
        for candidates in self._by_speaker.values():
            candidates.sort(key=lambda candidate: (abs(candidate.frames - PROMPT_FRAMES), candidate.id))

    def of(self, utterance: PreparedUtterance) -> PreparedUtterance | None:
        """Return the recording of a length nearest to ``PROMPT_FRAMES``; None if the speaker has no other one."""
        return next((other for other in self._by_speaker[utterance.speaker] if other.id != utterance.id), None)

    def drawn(self, utterance: PreparedUtterance, rng: np.random.Generator) -> PreparedUtterance | None:
        """Draw another recording of the speaker, for training."""
        others = [other for other in self._by_speaker[utterance.speaker] if other.id != utterance.id]
        return others[int(rng.integers(len(others)))] if others else None


class Prompting:
    """Adds prompts to utterances. Raises ``CorpusError`` if a speaker has only one recording."""

    def __init__(self, corpus: PreparedCorpus) -> None:
        self._corpus, self._prompts, self._items = corpus, Prompts(corpus), dict[str, Item]()
        for utterance in corpus.utterances:
            if utterance.split != "held_out" and self._prompts.of(utterance) is None:
                raise CorpusError(
                    f"{utterance.id} has no prompt: speaker {utterance.speaker} has no other recording in the train or "
                    "held_out split. Leave the utterance out, or add recordings."
                )

    def __call__(self, whole: Item, utterance: PreparedUtterance, rng: np.random.Generator | None = None) -> Item:
        """Return ``whole`` with the prompt of its utterance, or with a random prompt if ``rng`` is given."""
        other = self._prompts.drawn(utterance, rng) if rng else self._prompts.of(utterance)
        assert other is not None  # the constructor has checked it
        if other.id not in self._items:
            self._items[other.id] = item(self._corpus, other, "acoustic")
        return prompted(whole, self._items[other.id])


def prompted(whole: Item, prompt: Item) -> Item:
    """Return an item with its prompt, the first ``PROMPT_FRAMES`` of a recording rounded down to whole phones.

    The speaker number becomes 0, so that only the prompt carries the identity of the speaker.
    """
    count = max(1, int(np.searchsorted(np.cumsum(prompt.durations), PROMPT_FRAMES, side="right")))
    frames = int(prompt.durations[:count].sum())
    start = Item(
        prompt.phones[:count], 0, prompt.durations[:count], prompt.alignment[:frames], prompt.frame_features[:frames],
        prompt.target[:frames],
    )  # fmt: skip
    return replace(whole, speaker=0, prompt=start)
