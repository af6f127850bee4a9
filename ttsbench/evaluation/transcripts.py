"""Transcripts on disk: the clips of ``transcripts.json`` map "<id>#<draw>" to {"text": ...} or {"error": ...}.

The file also holds the signature of the recogniser and the size of its vocabulary, null if that is open.
"""

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


def vocabulary_size(folder: Path) -> int | None:
    """Return the number of words that the recogniser knows, or None if its vocabulary is open or unknown."""
    size: int | None = read_json(folder / TRANSCRIPTS).get("vocabulary_size")
    return size
