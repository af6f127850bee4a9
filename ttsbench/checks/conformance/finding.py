"""What a check found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A property that a plug-in must have, whether it has it, and if not, what was seen."""

    what: str
    ok: bool
    detail: str = ""


def judge(what: str, fault: Callable[[], str]) -> Finding:
    """``fault()`` says what is wrong, nothing where all is well. A check that cannot be run to its end has failed."""
    try:
        detail = fault()
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
    return Finding(what, not detail, detail)


def first_fault(claims: Iterable[tuple[bool, str]]) -> str:
    """The sentence of the first (holds, sentence) that does not hold."""
    return next((sentence for holds, sentence in claims if not holds), "")


def listed(sentence: str, names: Sequence[str], shown: int = 6) -> str:
    """The sentence with the first names, nothing where there are none."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{sentence} {', '.join(names[:shown])}{more}" if names else ""
