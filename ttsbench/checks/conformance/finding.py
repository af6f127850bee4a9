"""Checks of a plug-in and their findings, ordered by root cause."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

LIBRARIES = (Path(__file__).parents[2], Path(torch.__file__).parent, Path(np.__file__).parent)


@dataclass(frozen=True)
class Finding:
    """A property that a plug-in must have, and whether it has it.

    ``problem`` says what was observed instead; ``follows_from`` names a failed property that explains this failure.
    """

    property: str
    ok: bool
    problem: str = ""
    follows_from: str = ""


@dataclass(frozen=True)
class Check:
    """A test of one property: ``find_problem`` describes the problem, in an empty string if there is none.

    ``causes`` are properties whose failure usually makes this one fail too.
    """

    property: str
    find_problem: Callable[[], str]
    causes: tuple[str, ...] = ()


def evaluate(checks: Iterable[Check], prefix: str) -> Iterator[Finding]:
    """Run all checks; one that raises an exception has failed, and the next ones run all the same.

    A failure follows from the first of its causes that failed, or from the check that first raised the same exception.
    """
    failed: set[str] = set()
    raised: dict[str, str] = {}  # description of an exception -> the property whose check first raised it
    for check in checks:
        try:
            problem, cause = check.find_problem(), ""
        except Exception as error:
            problem = describe_exception(error)
            cause = raised.setdefault(problem, check.property)
        if problem:
            failed.add(check.property)
            cause = next((name for name in check.causes if name in failed), cause)
        follows_from = f"{prefix}{cause}" if cause and cause != check.property else ""
        yield Finding(f"{prefix}{check.property}", not problem, problem, follows_from)


def describe_exception(error: Exception) -> str:
    """Type and message of an exception with file and line, preferably those in the plug-in's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not any(Path(frame.filename).is_relative_to(root) for root in LIBRARIES)]
    text = f"{type(error).__name__}: {error}"
    if not frames:
        return text
    frame = (own or list(frames))[-1]
    path = Path(frame.filename)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{text} ({shown}:{frame.lineno})"


def first_problem(requirements: Iterable[tuple[bool, str]]) -> str:
    """The message of the first (holds, message) that does not hold; empty if all hold."""
    return next((message for holds, message in requirements if not holds), "")


def name_list(message: str, names: Sequence[str], shown: int = 6) -> str:
    """The message followed by the first names; empty if there are none."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{message} {', '.join(names[:shown])}{more}" if names else ""
