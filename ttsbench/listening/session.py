"""What a listener handed in, before anything of it is believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Given:
    """One rating, as it stands in a file: the stimulus that was rated, in which trial, and the rating."""

    trial: str
    stimulus: str
    rating: Any
    position: Any = None
    seconds: Any = None


@dataclass(frozen=True)
class Session:
    """One listener's answers to one list, which is named by its number."""

    file: str
    test_id: str
    listener: str
    list: str
    started: str
    given: Sequence[Given]
    device: str = ""
    comment: str = ""
