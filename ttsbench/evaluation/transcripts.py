"""Transcripts on disk: ``transcripts.json`` maps "<id>#<draw>" to {"text": ...} or {"error": ...}."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ttsbench.engine.store import read_json

TRANSCRIPTS = "transcripts.json"


def clip_key(id_: str, draw: int) -> str:
    """Return the key of one draw of an utterance in ``transcripts.json``. Ids contain no '#'."""
    return f"{id_}#{draw}"


def read_transcripts(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """Return the ``text`` or ``error`` of every clip by ``clip_key``."""
    clips: Mapping[str, Mapping[str, str]] = read_json(folder / TRANSCRIPTS)["clips"]
    return clips


def recogniser_signature(folder: Path) -> str:
    """Return the signature of the recogniser that made the transcripts."""
    return str(read_json(folder / TRANSCRIPTS)["signature"])
