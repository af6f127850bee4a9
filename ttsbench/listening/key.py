"""``key.json``: what the opaque names of a test stand for. Whoever has it is not blind; it is never served."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from ttsbench.config.schema import Section
from ttsbench.engine.store import write_text
from ttsbench.errors import ConfigError

KEY = "key.json"
CHECK = "attention check"  # the system of a stimulus that tells which answer to choose


class Stimulus(Section):
    """What a file holds: an utterance by a system, from the model that was trained with ``seed``."""

    system: str
    utterance: str
    seed: int = 0


class KeyTrial(Section):
    """One question: stimuli in the order of the page; ``reference`` is what a listener knows to be the recording."""

    stimuli: tuple[str, ...]
    reference: str = ""
    expected: int | None = None  # the only right answer, of an attention check


class Key(Section):
    """A listening test. ``lists`` holds the ids of their trials; ``baseline`` is what the others are compared with."""

    test_id: str
    kind: str
    title: str
    baseline: str
    systems: tuple[str, ...]  # of the table, in order; the baseline of a paired test is not among them
    references: tuple[str, ...]  # of these, what is never ranked
    anchors: dict[str, float]  # cut-off in Hz
    seeds: int  # training seeds that the clips are of
    lufs: float
    stimuli: dict[str, Stimulus]
    trials: dict[str, KeyTrial]
    lists: tuple[tuple[str, ...], ...]
    left_out: dict[str, str]  # utterances, and why
    commit: str | None = None  # of ttsbench, when the test was made

    def trials_of(self, number: str) -> tuple[str, ...]:
        """The trials of a list, which answers name by its number from 1; none where there is no such list."""
        known = number.isascii() and number.isdigit() and 1 <= int(number) <= len(self.lists)
        return self.lists[int(number) - 1] if known else ()


def write_key(folder: Path, key: Key) -> None:
    """As JSON."""
    write_text(folder / KEY, key.model_dump_json(indent=1) + "\n")


def read_key(folder: Path) -> Key:
    """The key of an exported test; raises ``ConfigError`` where there is none, or a damaged one."""
    path = folder / KEY
    try:
        return Key.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{folder} holds no {KEY}: give the folder that ttsbench listen export made.") from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ConfigError(f"{path} is no key of a listening test: {' '.join(str(error).split())[:300]}.") from error
