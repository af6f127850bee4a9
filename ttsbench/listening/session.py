"""Parsed answers of one listener, before validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RawRating:
    """A rating as a file holds it: trial, stimulus and rating."""

    trial: str
    stimulus: str
    rating: Any
    position: Any = None
    seconds: Any = None


@dataclass(frozen=True)
class Session:
    """The answers of one listener to one list, which is identified by its number."""

    file: str
    test_id: str
    listener: str
    list: str
    started: str
    ratings: Sequence[RawRating]
    device: str = ""
    comment: str = ""
