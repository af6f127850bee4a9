"""Which listeners are left out after the test, by rules that were there before it and know nothing of the systems.

    MUSHRA              ITU-R BS.1534-3, post-screening: who rates the hidden reference below 90 on more than 15 % of
                        the utterances, or the middle anchor (7 kHz), where there is one, above 90 on more than 15 %.
    MOS                 ITU-T P.808, trapping questions: who misses a check of attention. Also who rates the low
                        anchor, on average, as high as the recording or higher, where both are in the test.
    CMOS, preference    Who misses a check of attention.

BS.1534-3 holds nobody to the middle anchor of an utterance that more than a quarter of its listeners rate so high: it
hardly suffers from the filter then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from statistics import fmean

from ttsbench.config.systems import GROUND_TRUTH
from ttsbench.listening.answers import Answered
from ttsbench.listening.key import Key
from ttsbench.listening.kinds import Kind

LEAST_HIDDEN = 90  # of a hundred
MIDDLE_HZ = 7000.0
TOLERATED = 0.15  # share of the utterances
EXCUSED = 0.25  # share of the listeners of an utterance, above which it is not their fault


def signature(kind: Kind, key: Key) -> str:
    """The rules that this test can apply."""
    rules = ["hidden-reference<90:15%"] if kind.arrangement == "together" else []
    rules += [f"{_middle(key)}>90:15%"] if kind.arrangement == "together" and _middle(key) else []
    rules += ["attention"] if any(trial.expected is not None for trial in key.trials.values()) else []
    rules += ["reference>anchor"] if kind.arrangement == "single" and _low(key) else []
    return "+".join(rules) or "none"


def screened_out(answered: Sequence[Answered], kind: Kind, key: Key) -> dict[str, str]:
    """Who is left out, and why."""
    if kind.arrangement == "together":
        return _middle_above(answered, _middle(key)) | _hidden_below(answered)
    reasons = {}
    for one in answered:
        if one.missed:
            reasons[one.listener] = f"missed {one.missed} of {one.checks} attention checks"
        elif kind.arrangement == "single" and (reason := _anchor_as_good(one, _low(key))):
            reasons[one.listener] = reason
    return reasons


def _hidden_below(answered: Sequence[Answered]) -> dict[str, str]:
    """Listeners who rate the hidden reference too low, too often."""
    reasons = {}
    for one in answered:
        low = [rating < LEAST_HIDDEN for rating in _of(one, GROUND_TRUTH)]
        if low and fmean(low) > TOLERATED:
            reasons[one.listener] = f"rated the hidden reference below {LEAST_HIDDEN} on {fmean(low):.0%} of utterances"
    return reasons


def _middle_above(answered: Sequence[Answered], anchor: str) -> dict[str, str]:
    """Listeners who rate the middle anchor too high, too often, where others do not."""
    above: dict[str, list[bool]] = defaultdict(list)  # by utterance
    ratings = {one.listener: [rating for rating in one.ratings if rating.system == anchor] for one in answered}
    for rating in chain.from_iterable(ratings.values()):
        above[rating.utterance].append(rating.rating > LEAST_HIDDEN)
    held = {utterance for utterance, high in above.items() if fmean(high) <= EXCUSED}
    reasons = {}
    for listener, given in ratings.items():
        high = [rating.rating > LEAST_HIDDEN and rating.utterance in held for rating in given]
        if high and fmean(high) > TOLERATED:
            reasons[listener] = f"rated {anchor} above {LEAST_HIDDEN} on {fmean(high):.0%} of utterances"
    return reasons


def _anchor_as_good(one: Answered, anchor: str) -> str:
    low, high = _of(one, anchor), _of(one, GROUND_TRUTH)
    if not low or not high or fmean(low) < fmean(high):
        return ""
    return f"rated {anchor} {fmean(low):.2f} on average and the recording {fmean(high):.2f}"


def _of(one: Answered, system: str) -> list[int]:
    return [rating.rating for rating in one.ratings if rating.system == system]


def _middle(key: Key) -> str:
    """The name of the middle anchor; empty where there is none."""
    return next((name for name in key.anchors if key.anchors[name] == MIDDLE_HZ), "")


def _low(key: Key) -> str:
    """The name of the lowest anchor, where the recording is in the test too."""
    return min(key.anchors, key=lambda name: key.anchors[name], default="") if GROUND_TRUTH in key.systems else ""
