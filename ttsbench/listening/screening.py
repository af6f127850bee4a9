"""Post-screening: exclude listeners by rules that are fixed before the test and do not depend on the systems.

A listener is excluded in

    MUSHRA              (ITU-R BS.1534-3) for rating the hidden reference below 90 on more than 15 % of the utterances,
                        or the middle anchor (7 kHz) above 90 on more than 15 % of them
    MOS                 (ITU-T P.808, trapping questions) for failing an attention check, or for rating the low anchor
                        on average at least as high as the recording, if both are in the test
    CMOS, preference    for failing an attention check

BS.1534-3 exempts the middle anchor of utterances that more than a quarter of the listeners rate above 90, because the
filter hardly changes them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from statistics import fmean

from ttsbench.config.systems import GROUND_TRUTH
from ttsbench.listening.answers import AcceptedSession
from ttsbench.listening.key import Key
from ttsbench.listening.kinds import Kind

LEAST_HIDDEN = 90  # on the scale of 0 to 100
MIDDLE_HZ = 7000.0
TOLERATED = 0.15  # share of the utterances
EXCUSED = 0.25  # share of the listeners of an utterance above which it is exempt


def signature(kind: Kind, key: Key) -> str:
    """Return the rules that apply to this test, for the signature."""
    rules = ["hidden-reference<90:15%"] if kind.arrangement == "together" else []
    rules += [f"{_middle(key)}>90:15%"] if kind.arrangement == "together" and _middle(key) else []
    rules += ["attention"] if any(trial.expected is not None for trial in key.trials.values()) else []
    rules += ["reference>anchor"] if kind.arrangement == "single" and _low(key) else []
    return "+".join(rules) or "none"


def screened_out(accepted: Sequence[AcceptedSession], kind: Kind, key: Key) -> dict[str, str]:
    """Return the excluded listeners with the reasons."""
    if kind.arrangement == "together":
        return _middle_above(accepted, _middle(key)) | _hidden_below(accepted)
    reasons = {}
    for session in accepted:
        if session.missed:
            reasons[session.listener] = f"missed {session.missed} of {session.checks} attention checks"
        elif kind.arrangement == "single" and (reason := _anchor_as_good(session, _low(key))):
            reasons[session.listener] = reason
    return reasons


def _hidden_below(accepted: Sequence[AcceptedSession]) -> dict[str, str]:
    """Return the listeners who rate the hidden reference too low too often."""
    reasons = {}
    for session in accepted:
        low = [rating < LEAST_HIDDEN for rating in _of(session, GROUND_TRUTH)]
        if low and fmean(low) > TOLERATED:
            reasons[session.listener] = (
                f"rated the hidden reference below {LEAST_HIDDEN} on {fmean(low):.0%} of utterances"
            )
    return reasons


def _middle_above(accepted: Sequence[AcceptedSession], anchor: str) -> dict[str, str]:
    """Return the listeners who rate the middle anchor too high too often, where others do not."""
    above: dict[str, list[bool]] = defaultdict(list)  # by utterance
    ratings = {
        session.listener: [rating for rating in session.ratings if rating.system == anchor] for session in accepted
    }
    for rating in chain.from_iterable(ratings.values()):
        above[rating.utterance].append(rating.rating > LEAST_HIDDEN)
    held = {utterance for utterance, high in above.items() if fmean(high) <= EXCUSED}
    reasons = {}
    for listener, given in ratings.items():
        high = [rating.rating > LEAST_HIDDEN and rating.utterance in held for rating in given]
        if high and fmean(high) > TOLERATED:
            reasons[listener] = f"rated {anchor} above {LEAST_HIDDEN} on {fmean(high):.0%} of utterances"
    return reasons


def _anchor_as_good(session: AcceptedSession, anchor: str) -> str:
    low, high = _of(session, anchor), _of(session, GROUND_TRUTH)
    if not low or not high or fmean(low) < fmean(high):
        return ""
    return f"rated {anchor} {fmean(low):.2f} on average and the recording {fmean(high):.2f}"


def _of(session: AcceptedSession, system: str) -> list[int]:
    return [rating.rating for rating in session.ratings if rating.system == system]


def _middle(key: Key) -> str:
    """Return the name of the middle anchor; empty without session."""
    return next((name for name in key.anchors if key.anchors[name] == MIDDLE_HZ), "")


def _low(key: Key) -> str:
    """Return the name of the lowest anchor; empty if the recording is not in the test."""
    return min(key.anchors, key=lambda name: key.anchors[name], default="") if GROUND_TRUTH in key.systems else ""
