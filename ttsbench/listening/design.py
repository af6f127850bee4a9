"""Who hears what: lists of trials, balanced so that a difference between systems is not one between lists.

Utterances are cut into blocks, and a listener hears one block.

    single     A Latin square per block: as many lists as there are systems; list l gives utterance u the system
               u + l. A listener hears every utterance once and every system equally often, and over the lists of a
               block every utterance is heard under every system.
    pair       The same with a pair of baseline and system in the place of a system. Within a list a pair is heard in
               either order, as nearly equally often as can be, and an utterance's order changes from list to list.
    together   One list per block, each utterance with all systems side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttsbench.errors import ConfigError
from ttsbench.listening.kinds import Arrangement


@dataclass(frozen=True)
class Trial:
    """One question: the systems that are heard with an utterance; of a pair, the second is rated against the first."""

    utterance: str
    systems: tuple[str, ...]


@dataclass(frozen=True)
class Size:
    """How many utterances the test has, and how many of them a listener hears."""

    utterances: int
    per_listener: int


ABOUT = {"single": 30, "pair": 24, "together": 10}  # trials of a listener, where nobody says


def size(
    arrangement: Arrangement, conditions: int, available: int, utterances: int | None, per_listener: int | None
) -> Size:
    """The numbers that were asked for, or good ones; raises ``ConfigError`` where lists would not be balanced.

    ``conditions``: systems, or pairs of them; a listener hears a multiple of so many utterances, and the test has a
    multiple of what a listener hears.
    """
    step = 1 if arrangement == "together" else conditions
    if available < step:
        raise ConfigError(
            f"{available} utterances can be used, and a listener hears at least one for each of {step} systems or "
            "pairs: choose fewer --systems, or a run with more test utterances."
        )
    most = available if utterances is None else min(utterances, available)
    if per_listener is None:
        per_listener = max(step, min(step * round(ABOUT[arrangement] / step), most - most % step))
    if utterances is None:
        utterances = per_listener
    if min(per_listener, utterances) < 1 or per_listener % step or utterances % per_listener or utterances > available:
        raise ConfigError(
            f"--utterances {utterances} and --per-listener {per_listener} give no balanced lists of the {available} "
            f"utterances that can be used: a listener hears a multiple of {step}, and the test has a multiple of what "
            "a listener hears. Choose such numbers, or other --systems."
        )
    return Size(utterances, per_listener)


def make_lists(
    arrangement: Arrangement, utterances: Sequence[str], systems: Sequence[str], baseline: str, per_listener: int
) -> list[list[Trial]]:
    """The lists of a test. ``systems`` are all that are heard; those of a pair are heard against the ``baseline``."""
    starts = range(0, len(utterances), per_listener)
    blocks = [utterances[start : start + per_listener] for start in starts]
    if arrangement == "together":
        return [[Trial(utterance, tuple(systems)) for utterance in block] for block in blocks]
    if arrangement == "single":
        return [_rotated(block, systems, shift) for block in blocks for shift in range(len(systems))]
    against = [system for system in systems if system != baseline]
    return [_ordered(_rotated(block, against, shift), baseline, len(against), shift)
            for block in blocks for shift in range(len(against))]  # fmt: skip


def _rotated(block: Sequence[str], systems: Sequence[str], shift: int) -> list[Trial]:
    return [Trial(utterance, (systems[(number + shift) % len(systems)],)) for number, utterance in enumerate(block)]


def _ordered(trials: Sequence[Trial], baseline: str, pairs: int, shift: int) -> list[Trial]:
    """Each trial with the baseline first or second: a pair's order changes from one of its utterances to the next."""
    found = []
    for number, trial in enumerate(trials):
        heard = (baseline, *trial.systems)
        found.append(Trial(trial.utterance, heard if (number // pairs + shift) % 2 else heard[::-1]))
    return found
