"""Which recording tells a model whose voice it is to speak with, and what of it.

A prompt is about 3 s, as those of SLED (Ma et al. 2025, https://arxiv.org/abs/2505.13181) and of DMOSpeech. For every
utterance it is one and the same other recording of its speaker, never a tested one, whether a model is prompted with it
or a metric compares speech with it.
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
    """The recordings that may be prompts, by speaker."""

    def __init__(self, corpus: PreparedCorpus) -> None:
        self._by_speaker: dict[str, list[PreparedUtterance]] = defaultdict(list)
        for one in corpus.utterances:
            if one.split in ("train", "held_out"):
                self._by_speaker[one.speaker].append(one)
        for ones in self._by_speaker.values():
            ones.sort(key=lambda one: (abs(one.frames - PROMPT_FRAMES), one.id))

    def of(self, utterance: PreparedUtterance) -> PreparedUtterance | None:
        """That whose length is nearest to a prompt's, the first of them by id; None where there is no other."""
        return next((one for one in self._by_speaker[utterance.speaker] if one.id != utterance.id), None)

    def drawn(self, utterance: PreparedUtterance, rng: np.random.Generator) -> PreparedUtterance | None:
        """Any other recording of the speaker, for training."""
        others = [one for one in self._by_speaker[utterance.speaker] if one.id != utterance.id]
        return others[int(rng.integers(len(others)))] if others else None


class Prompting:
    """Gives utterances their prompts. Raises ``CorpusError`` where a speaker has one recording alone."""

    def __init__(self, corpus: PreparedCorpus) -> None:
        self._corpus, self._prompts, self._items = corpus, Prompts(corpus), dict[str, Item]()
        for one in corpus.utterances:
            if one.split != "held_out" and self._prompts.of(one) is None:
                raise CorpusError(
                    f"{one.id} has no prompt: no other recording of speaker {one.speaker} is trained on or held out. "
                    "Leave it out, or add recordings."
                )

    def __call__(self, whole: Item, utterance: PreparedUtterance, rng: np.random.Generator | None = None) -> Item:
        """``whole`` with the prompt of its utterance, or with one that is drawn."""
        other = self._prompts.drawn(utterance, rng) if rng else self._prompts.of(utterance)
        assert other is not None  # of everybody there is one
        if other.id not in self._items:
            self._items[other.id] = item(self._corpus, other, "acoustic")
        return prompted(whole, self._items[other.id])


def prompted(whole: Item, prompt: Item) -> Item:
    """An item with its prompt, the first ``PROMPT_FRAMES`` of a recording up to the end of a phone.

    The prompt alone says who speaks: the speaker becomes number 0 for everybody.
    """
    count = max(1, int(np.searchsorted(np.cumsum(prompt.durations), PROMPT_FRAMES, side="right")))
    frames = int(prompt.durations[:count].sum())
    start = Item(
        prompt.phones[:count], 0, prompt.durations[:count], prompt.alignment[:frames], prompt.frame_features[:frames],
        prompt.target[:frames],
    )  # fmt: skip
    return replace(whole, speaker=0, prompt=start)
