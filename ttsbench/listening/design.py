"""Design a test: lists of trials, balanced so that differences between lists do not affect systems.

The utterances are split into blocks, and a listener hears one block.

    single     A Latin square per block with one list per system: list l plays utterance u by system u + l. A listener
               hears every utterance once and every system equally often, and the lists of a block play every utterance
               by every system.
    pair       The same with a pair of baseline and system in the place of a system. Within a list both orders of a
               pair are as balanced as possible, and the order of an utterance changes from list to list.
    together   One list per block, with all systems side by side for each utterance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttsbench.errors import ConfigError
from ttsbench.listening.kinds import Arrangement


@dataclass(frozen=True)
class Trial:
    """A question about an utterance, spoken by one or more systems; in a pair the second is rated against the first."""

    utterance: str
    systems: tuple[str, ...]


@dataclass(frozen=True)
class Size:
    """The number of utterances of the test and of one listener."""

    utterances: int
    per_listener: int


ABOUT = {"single": 30, "pair": 24, "together": 10}  # default number of trials per listener


def size(
    arrangement: Arrangement, conditions: int, available: int, utterances: int | None, per_listener: int | None
) -> Size:
    """Return the requested or default numbers; raises ``ConfigError`` if the lists would not be balanced.

    ``conditions`` is the number of systems or pairs. The utterances of a listener are a multiple of it, and the
    utterances of the test are a multiple of those of a listener.
    """
    step = 1 if arrangement == "together" else conditions
    if available < step:
        raise ConfigError(
            f"{available} utterances can be used, but a listener needs at least one for each of {step} systems or "
            "pairs. Choose fewer --systems, or a run with more test utterances."
        )
    most = available if utterances is None else min(utterances, available)
    if per_listener is None:
        per_listener = max(step, min(step * round(ABOUT[arrangement] / step), most - most % step))
    if utterances is None:
        utterances = per_listener
    if min(per_listener, utterances) < 1 or per_listener % step or utterances % per_listener or utterances > available:
        raise ConfigError(
            f"--utterances {utterances} and --per-listener {per_listener} give no balanced lists of the {available} "
            f"utterances that can be used. --per-listener must be a multiple of {step}, and --utterances a multiple of "
            "--per-listener. Choose such numbers, or other --systems."
        )
    return Size(utterances, per_listener)


def make_lists(
    arrangement: Arrangement, utterances: Sequence[str], systems: Sequence[str], baseline: str, per_listener: int
) -> list[list[Trial]]:
    """Return the lists of a test; in pairs the ``systems`` are compared with the ``baseline``."""
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
    """Add the baseline to each trial, first or second: the order of a pair alternates over its utterances."""
    ordered = []
    for number, trial in enumerate(trials):
        pair = (baseline, *trial.systems)
        ordered.append(Trial(trial.utterance, pair if (number // pairs + shift) % 2 else pair[::-1]))
    return ordered
