"""Which utterances the page is about: chosen without a look at any score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ttsbench.errors import TtsbenchError
from ttsbench.evaluation.test_set import EvaluatedUtterance
from ttsbench.registry import did_you_mean

UTTERANCES = 6


def chosen(every: Sequence[EvaluatedUtterance], listen: Sequence[str] = ()) -> tuple[list[EvaluatedUtterance], str]:
    """Those named by ``listen``, or a few over all speakers; and a sentence that says how they were chosen.

    Raises ``TtsbenchError`` for one that is not there.
    """
    by_id = {one.id: one for one in every}
    for id_ in listen:
        if id_ not in by_id:
            raise TtsbenchError(f"The run has no utterance '{id_}'. {did_you_mean(id_, by_id)}")
    if listen:
        return [by_id[id_] for id_ in dict.fromkeys(listen)], "Named when the page was made."
    found = spread(every)[:UTTERANCES]
    how = "the first of each speaker in turn, no text twice" if any(one.speaker for one in every) else "the first"
    return found, f"{len(found)} of {len(every)}: {how}, without a look at any score."


def spread(utterances: Iterable[EvaluatedUtterance]) -> list[EvaluatedUtterance]:
    """All of them: each speaker's first, then each one's second, and so on; those whose text came before at the end."""
    by_speaker: dict[str, list[EvaluatedUtterance]] = defaultdict(list)
    again: list[EvaluatedUtterance] = []
    seen: set[str] = set()
    for one in utterances:
        text = one.text or one.id
        (again if text in seen else by_speaker[one.speaker]).append(one)
        seen.add(text)
    rounds = max((len(own) for own in by_speaker.values()), default=0)
    first = [own[number] for number in range(rounds) for own in by_speaker.values() if number < len(own)]
    return first + again
