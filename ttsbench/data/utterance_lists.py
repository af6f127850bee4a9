"""Transcripts and speakers of recordings, by the id of the clip."""

from __future__ import annotations

import json
from pathlib import Path

from ttsbench.data.text_table import TextTableError, clip_id, read_table


def read_texts(path: Path, option: str) -> dict[str, str]:
    """Return id -> text of a table (see ``ttsbench.data.text_table``), or of a JSON object.

    The text is the normalised one where the table has it. ``option`` names the argument in errors. Raises
    ``TextTableError`` for a file that cannot be read or that can be read in two ways.
    """
    if path.suffix.lower() == ".json":
        return _from_json(path, option)
    return {row.id: row.normalised or row.text for row in read_table(path, option)}


def read_speakers(path: Path, option: str) -> dict[str, str]:
    """Return id -> speaker, as ``read_texts`` does."""
    if path.suffix.lower() == ".json":
        return _from_json(path, option)
    rows = read_table(path, option, second="speaker")
    if unnamed := [row for row in rows if not row.speaker]:
        raise TextTableError(f"{option}: line {unnamed[0].line} of {path} names no speaker; lines are 'id|speaker'.")
    return {row.id: row.speaker for row in rows}


def read_languages(path: Path, option: str) -> dict[str, str]:
    """Return id -> language of a table with a column of languages; empty for other files."""
    if path.suffix.lower() == ".json":
        return {}
    return {row.id: row.language for row in read_table(path, option) if row.language}


def _from_json(path: Path, option: str) -> dict[str, str]:
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise TextTableError(f"{option}: {path} is no JSON: {error}.") from error
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise TextTableError(f'{option}: {path} is no object of strings, such as {{"utt1": "its text"}}.')
    return {clip_id(id_): value for id_, value in values.items()}
