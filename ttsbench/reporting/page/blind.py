"""Data of the blind comparison: for each utterance one clip per system, with its loudness.

If a system has several seeds or draws, the utterances rotate through them, so that listeners judge the objective and
not a single model. Listeners prefer louder clips, so the page turns the louder clip of a pair down to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench.audio.wav import read
from ttsbench.errors import ClipError
from ttsbench.evaluation.test_set import EvaluatedUtterance, evaluated_utterances
from ttsbench.reporting.page.listening import Listening
from ttsbench.reporting.page.run_clips import ClipId
from ttsbench.reporting.page.selection import spread
from ttsbench.reporting.page.table import PageTable

UTTERANCES = 60


def blind_trials(
    folder: Path, table: PageTable, listening: Listening, shown_only: bool = False
) -> dict[str, Any] | None:
    """Return JSON values with the systems and the clips of each utterance; None if no two systems can be compared.

    Clips outside the run's folder take part only if the page holds copies of them; ``shown_only`` has the same effect.
    """
    shown_only |= listening.clips.external
    if shown_only:
        utterances: Sequence[EvaluatedUtterance] = [item.utterance for item in listening.utterances]
    else:
        utterances = spread(evaluated_utterances(folder))[:UTTERANCES]
    trials = [_trial(listening, utterance, number, shown_only) for number, utterance in enumerate(utterances)]
    usable = [trial for trial in trials if len(trial["clips"]) > 1]
    models, titles = [row.system for row in table.models], dict(table.titles)
    values = {"title": table.title, "systems": table.systems, "titles": titles, "models": models, "trials": usable}
    return values if usable else None


def _trial(listening: Listening, utterance: EvaluatedUtterance, turn: int, shown_only: bool) -> dict[str, Any]:
    clips = {}
    for system, takes in listening.owned.items():
        first, keys = turn % len(takes), list(takes)
        for key in (*keys[first:], *keys[:first]):
            try:
                clips[system] = _clip(listening, ClipId(system, *key, utterance.id), takes[key], shown_only)
            except ClipError:
                continue
            break
    return {"utterance": utterance.id, "text": utterance.text, "clips": clips}


def _clip(listening: Listening, clip: ClipId, take: str, shown_only: bool) -> dict[str, Any]:
    path = listening.clips.audio(clip)
    samples, _ = read(path)
    level = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    address = listening.address_of(clip) if shown_only else listening.clips.address(path)
    return {"audio": address, "take": take, "level": round(level, 6)}
