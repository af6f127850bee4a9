"""Select the utterances of the page without using any score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ttsbench.errors import TtsbenchError
from ttsbench.evaluation.test_set import EvaluatedUtterance
from ttsbench.registry import did_you_mean

UTTERANCES = 6


def select_utterances(
    every: Sequence[EvaluatedUtterance], listen: Sequence[str] = ()
) -> tuple[list[EvaluatedUtterance], str]:
    """Return the utterances named by ``listen``, or a few of every speaker, and a sentence on how they were selected.

    Raises ``TtsbenchError`` for an unknown id.
    """
    by_id = {utterance.id: utterance for utterance in every}
    for id_ in listen:
        if id_ not in by_id:
            raise TtsbenchError(f"The run has no utterance '{id_}'. {did_you_mean(id_, by_id)}")
    if listen:
        return [by_id[id_] for id_ in dict.fromkeys(listen)], "Selected by name."
    selected = spread(every)[:UTTERANCES]
    rule = "the first of each speaker in turn, each text once" if any(item.speaker for item in every) else "the first"
    return selected, f"{len(selected)} of {len(every)} ({rule}), selected without using any score."


def spread(utterances: Iterable[EvaluatedUtterance]) -> list[EvaluatedUtterance]:
    """Order the utterances so that speakers alternate; repeated texts come last."""
    by_speaker: dict[str, list[EvaluatedUtterance]] = defaultdict(list)
    repeated: list[EvaluatedUtterance] = []
    texts: set[str] = set()
    for utterance in utterances:
        text = utterance.text or utterance.id
        (repeated if text in texts else by_speaker[utterance.speaker]).append(utterance)
        texts.add(text)
    rounds = max((len(own) for own in by_speaker.values()), default=0)
    first = [own[number] for number in range(rounds) for own in by_speaker.values() if number < len(own)]
    return first + repeated
