"""Lists of ``id|text`` lines, for transcripts and speakers of recordings."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from ttsbench.errors import ConfigError

SEPARATORS = "|\t,"


def read_pairs(path: Path, option: str) -> dict[str, str]:
    """Return id -> text from ``id|text``, tab- or comma-separated lines, or from a JSON object.

    Ids are stems of the wavs. ``option`` names the argument in errors. Raises ``ConfigError`` for a file that cannot be
    read, a line without a separator, and a duplicate id.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{option}: {path} cannot be read as UTF-8 text: {error}.") from error
    if path.suffix == ".json":
        return _parse_json(content, path, option)
    lines = [line for line in content.splitlines() if line.strip()]
    separator = next((mark for mark in SEPARATORS if lines and mark in lines[0]), None)
    if separator is None:
        raise ConfigError(f"{option}: the first line of {path} has no '|', tab or comma; lines are 'id|text'.")
    rows = csv.reader(lines) if separator == "," else [line.split(separator) for line in lines]
    pairs: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        if len(row) < 2:
            raise ConfigError(f"{option}: line {number} of {path} has no {separator!r}: {row[0][:60]!r}.")
        id_ = Path(row[0].strip()).stem if row[0].strip().lower().endswith(".wav") else row[0].strip()
        if id_ in pairs:
            raise ConfigError(f"{option}: {path} has {id_!r} twice, the second time in line {number}; remove one.")
        pairs[id_] = row[-1].strip()
    return pairs


def _parse_json(content: str, path: Path, option: str) -> dict[str, str]:
    try:
        values = json.loads(content)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{option}: {path} is no JSON: {error}.") from error
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ConfigError(f'{option}: {path} is no object of strings, such as {{"utt1": "its text"}}.')
    return values
