"""What the blind comparison draws from: of each utterance one clip per system, and how loud it is.

Where there are several seeds or draws the utterances take turns in showing them, so that a system is judged rather
than one model of it. Of two clips the louder is preferred, so the page turns it down to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench.audio.wav import read
from ttsbench.errors import ClipError
from ttsbench.evaluation.test_set import EvaluatedUtterance, evaluated_utterances
from ttsbench.reporting.page.choice import spread
from ttsbench.reporting.page.listening import Listening
from ttsbench.reporting.page.run_clips import Who
from ttsbench.reporting.page.table import PageTable

UTTERANCES = 60


def blind_trials(folder: Path, table: PageTable, listening: Listening) -> dict[str, Any] | None:
    """JSON values: the systems, and per utterance what can be heard of each; None where no two can be compared.

    Only clips within the run's folder take part: of what was handed in, those that the page keeps.
    """
    if listening.clips.handed_in:
        utterances: Sequence[EvaluatedUtterance] = [one.utterance for one in listening.heard]
    else:
        utterances = spread(evaluated_utterances(folder))[:UTTERANCES]
    trials = [_trial(listening, one, number) for number, one in enumerate(utterances)]
    usable = [trial for trial in trials if len(trial["clips"]) > 1]
    models, called = [row.system for row in table.models], dict(table.titles)
    told = {"title": table.title, "systems": table.systems, "titles": called, "models": models, "trials": usable}
    return told if usable else None


def _trial(listening: Listening, utterance: EvaluatedUtterance, turn: int) -> dict[str, Any]:
    clips = {}
    for system, own in listening.owned.items():
        first, keys = turn % len(own), list(own)
        for key in (*keys[first:], *keys[:first]):
            try:
                clips[system] = _sound(listening, Who(system, *key, utterance.id), own[key])
            except ClipError:
                continue
            break
    return {"utterance": utterance.id, "text": utterance.text, "clips": clips}


def _sound(listening: Listening, who: Who, take: str) -> dict[str, Any]:
    path = listening.clips.audio(who)
    samples, _ = read(path)
    level = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    shown = listening.address_of(who) if listening.clips.handed_in else listening.clips.address(path)
    return {"audio": shown, "take": take, "level": round(level, 6)}
