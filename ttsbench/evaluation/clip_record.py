"""A clip on disk: a wav file, and a JSON record with its cost and phone times, or the reason why it could not be made.

``<system>/sample<draw>/<id>.json`` is written last, so a clip with a record is complete. Clips of the user's folders
have records too, which hold the path of the wav and the hash of its bytes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ttsbench.engine.store import file_stem, read_json, write_json
from ttsbench.errors import ClipError
from ttsbench.types import Cost, Phone


@dataclass(frozen=True)
class Record:
    """Facts about a clip that need no audio. ``content`` is the hash of the wav, for clips of the user's folders."""

    audio: Path
    cost: Cost | None = None  # None for recordings and for clips of the user's folders
    phones: tuple[Phone, ...] | None = None
    content: str | None = None


def wav_path(folder: Path, id_: str, draw: int) -> Path:
    """Return the path of the wav of a clip that a run made."""
    return folder / f"sample{draw}" / f"{file_stem(id_)}.wav"


def record_path(folder: Path, id_: str, draw: int) -> Path:
    """Return the path of the record of a clip."""
    return folder / f"sample{draw}" / f"{file_stem(id_)}.json"


def write_record(folder: Path, id_: str, draw: int, record: Record) -> None:
    """Write the record of a clip whose wav is complete."""
    values: dict[str, Any] = {"cost": asdict(record.cost) if record.cost else None}
    if record.phones is not None:
        values["phones"] = [[phone.label, round(phone.start_s, 6), round(phone.end_s, 6)] for phone in record.phones]
    if record.audio != wav_path(folder, id_, draw):
        values["audio"] = str(record.audio)
    if record.content is not None:
        values["content"] = record.content
    write_json(record_path(folder, id_, draw), values)


def write_failure(folder: Path, id_: str, draw: int, reason: str) -> None:
    """Write the record of a clip that could not be made."""
    write_json(record_path(folder, id_, draw), {"error": reason})


def read_record(folder: Path, id_: str, draw: int) -> Record:
    """Read the record of a clip. Raises ``ClipError`` with the reason if the clip could not be made."""
    values = read_json(record_path(folder, id_, draw))
    if "error" in values:
        raise ClipError(values["error"])
    return Record(
        Path(values["audio"]) if "audio" in values else wav_path(folder, id_, draw),
        Cost(**values["cost"]) if values["cost"] else None,
        tuple(Phone(*phone) for phone in values["phones"]) if "phones" in values else None,
        values.get("content"),
    )


def is_made(folder: Path, id_: str, draw: int) -> bool:
    """Return whether a clip exists or is recorded as a failure."""
    path = record_path(folder, id_, draw)
    if not path.exists():
        return False
    try:
        return read_record(folder, id_, draw).audio.exists()
    except ClipError:
        return True
