"""``key.json``: the systems behind the random names of a test. It unblinds the test and is never served."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from ttsbench.config.section import Section
from ttsbench.engine.store import write_text
from ttsbench.errors import ConfigError

KEY = "key.json"
CHECK = "attention check"  # the system of a stimulus that asks for a given answer


class Stimulus(Section):
    """The content of a file: an utterance by a system, from the model trained with ``seed``."""

    system: str
    utterance: str
    seed: int = 0


class KeyTrial(Section):
    """A question: its stimuli in the order of the page; ``reference`` is the open reference."""

    stimuli: tuple[str, ...]
    reference: str = ""
    expected: int | None = None  # the right answer of an attention check


class Key(Section):
    """A listening test; ``lists`` holds the ids of trials, ``baseline`` is the system that others are compared with."""

    test_id: str
    kind: str
    title: str
    baseline: str
    systems: tuple[str, ...]  # in the order of the table, without the baseline of a paired test
    references: tuple[str, ...]  # those of the systems that are never ranked
    anchors: dict[str, float]  # cut-off in Hz
    seeds: int  # number of training seeds of the clips
    lufs: float
    stimuli: dict[str, Stimulus]
    trials: dict[str, KeyTrial]
    lists: tuple[tuple[str, ...], ...]
    left_out: dict[str, str]  # utterance -> reason
    commit: str | None = None  # of ttsbench at export
    created: str = ""  # UTC time of the export; no session can have started before it

    def trials_of(self, number: str) -> tuple[str, ...]:
        """Return the trials of a list, which is numbered from 1; an empty tuple for an unknown list."""
        numbers = [str(place) for place in range(1, len(self.lists) + 1)]
        return self.lists[numbers.index(number)] if number in numbers else ()


def write_key(folder: Path, key: Key) -> None:
    """Write the key as JSON."""
    write_text(folder / KEY, key.model_dump_json(indent=1) + "\n")


def read_key(folder: Path) -> Key:
    """Read the key of an exported test; raises ``ConfigError`` if it is missing or damaged."""
    path = folder / KEY
    try:
        return Key.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{folder} holds no {KEY}. Give the folder that ttsbench listen export wrote.") from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ConfigError(
            f"{path} is not the key of a listening test: {' '.join(str(error).split())[:300]}."
        ) from error
