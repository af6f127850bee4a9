"""Tables of utterances in text files: transcripts, speakers, prompt lists and the metadata of corpora.

A file has one line per utterance; its separator is the first of ``|``, tab and comma that its first line contains.
With a heading, columns are read by name, in any order, and unknown columns are ignored. Without a heading, the number
of fields and their content decide:

| fields | reading |
|---|---|
| 2 | id, text (or id, speaker in a list of speakers) |
| 3 | id, text, then the normalised text if it resembles the text, or the speaker if it is a single word |
| 4, 5 | id, prompt text, prompt audio, text and possibly a recording of it, if the third field is an audio file |
| 4 | id, text, normalised text, speaker otherwise |

The text of the last column may contain the separator if that is certain: a comma followed by a space, or a bar between
spaces. Everything else that can be read in two ways is refused with the number of the line. Fields between quotation
marks are read in comma-separated files only, and end on the line on which they begin.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from rapidfuzz.fuzz import ratio

from ttsbench.errors import ConfigError

SEPARATORS = "|\t,"
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".opus")
SIMILAR = 50.0  # per cent, between a text and its normalised form
HEADINGS = {
    "id": ("id", "stem", "utt", "utterance", "utterance_id", "file", "file_name", "filename", "path", "audio", "wav",
           "audio_file", "clip", "name"),
    "text": ("text", "transcript", "transcription", "sentence", "target_text"),
    "normalised": ("normalised", "normalized", "normalised_text", "normalized_text"),
    "speaker": ("speaker", "speaker_id", "speaker_name", "spk"),
    "language": ("language", "lang", "locale"),
    "prompt_text": ("prompt_text", "prompt_transcript"),
    "prompt_audio": ("prompt_audio", "prompt_wav", "prompt_path", "prompt"),
    "recording": ("recording", "reference", "ground_truth", "reference_wav"),
}  # fmt: skip
_COLUMNS = {alias: column for column, aliases in HEADINGS.items() for alias in aliases}
_WORD = re.compile(r"[\w.-]+")
PROMPT_LIST = ("id", "prompt_text", "prompt_audio", "text", "recording")


class TextTableError(ConfigError):
    """A line, or a file, that cannot be read or can be read in two ways."""


@dataclass(frozen=True)
class TextRow:
    """A line of a text file: the number of the line, and its columns; a column that the file lacks is empty."""

    line: int
    id: str
    text: str = ""
    normalised: str = ""
    speaker: str = ""
    language: str = ""
    prompt_text: str = ""
    prompt_audio: str = ""
    recording: str = ""
    fields: int = 0


def parse_table(content: str, name: str, second: str = "text", ragged: Sequence[str] = ()) -> list[TextRow]:
    """Return the rows of a text file, read as the description of this module says.

    ``name`` names the file in errors, and ``second`` is the column of the second field of a file with two fields and no
    heading. ``ragged`` are the columns of a file without a heading whose lines differ in length; without it, such a
    file is refused. A row with too few fields has empty columns. Raises ``TextTableError`` for what can be read in two
    ways.
    """
    lines = [(number, line.rstrip("\r")) for number, line in enumerate(content.split("\n"), 1) if line.strip()]
    separator = next((mark for mark in SEPARATORS if lines and mark in lines[0][1]), None)
    if separator is None:
        raise TextTableError(f"{name}: the first line has no '|', tab or comma; lines are 'id|{second}'.")
    table = _Lines(name, separator, [(number, _split(line, separator, name, number)) for number, line in lines])
    columns = _heading(table.rows[0][1])
    if columns:
        return [_named(table, number, values, columns) for number, values in table.rows[1:]]
    if ragged and separator == "|" and len({len(values) for _, values in table.rows}) > 1:
        return [_ragged(table, number, values, ragged) for number, values in table.rows]
    return _unnamed(table, second)


def read_table(path: Path, option: str, second: str = "text") -> list[TextRow]:
    """Return the rows of a file in UTF-8; ``option`` names the argument in errors.

    Raises ``TextTableError`` for a file that cannot be read, an empty id, and a duplicate id.
    """
    name = f"{option}: {path}"
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TextTableError(f"{option}: {path} cannot be read as UTF-8 text: {error}.") from error
    rows = parse_table(content, name, second)
    lines: dict[str, int] = {}
    for row in rows:
        if row.fields < 2:
            raise TextTableError(f"{name}: line {row.line} has no separator: {row.id[:60]!r}; lines are 'id|{second}'.")
        if not row.id:
            raise TextTableError(f"{name}: line {row.line} has no id; write the name of the clip in its first column.")
        if row.id in lines:
            raise TextTableError(f"{name} has {row.id!r} twice, in lines {lines[row.id]} and {row.line}; remove one.")
        lines[row.id] = row.line
    return rows


@dataclass(frozen=True)
class _Lines:
    """The fields of every line that is not blank, with its number."""

    name: str
    separator: str
    rows: Sequence[tuple[int, list[str]]]

    def refusal(self, number: int, fault: str) -> TextTableError:
        mark = {"\t": "tab"}.get(self.separator, self.separator)
        return TextTableError(
            f"{self.name}: line {number} {fault}. Write a first line that names the columns, such as "
            f"'id{self.separator}text{self.separator}speaker', and keep '{mark}' out of the texts"
            + (" or put quotation marks around them." if self.separator == "," else ".")
        )


def _split(line: str, separator: str, name: str, number: int) -> list[str]:
    """Return the fields of a line with the spaces around them; quotation marks count in comma-separated files only."""
    if separator != ",":
        return line.split(separator)
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise TextTableError(
            f"{name}: line {number} has a quotation mark without its pair ({error}): {line[:60]!r}. Double the marks "
            "that belong to a text, and put the whole text between quotation marks."
        ) from error


def _heading(values: Sequence[str]) -> list[str | None]:
    """Return the column of each field if the line is a heading; empty otherwise. Unknown columns are None."""
    names = [re.sub(r"[\s-]+", "_", value.strip().lower()) for value in values]
    columns = [_COLUMNS.get(name) for name in names]
    known = [column for column in columns if column]
    if "id" not in known or not {"text", "normalised", "speaker"} & set(known):
        return []
    first: list[str | None] = []
    for column in columns:  # of two columns with one meaning, such as path and id, the first counts
        first.append(column if column not in first else None)
    return first


def _named(table: _Lines, number: int, values: list[str], columns: Sequence[str | None]) -> TextRow:
    """Return the row of a line below a heading."""
    if len(values) > len(columns):
        last_is_text = columns[-1] in ("text", "normalised")
        if not (last_is_text and _is_prose(["", *values[len(columns) - 1 :]], table.separator)):
            raise table.refusal(number, f"has {len(values)} fields, and the heading {len(columns)}")
        values = [*values[: len(columns) - 1], table.separator.join(values[len(columns) - 1 :])]
    if len(values) < len(columns):
        raise table.refusal(number, f"has {len(values)} fields, and the heading {len(columns)}")
    return _row(number, ((column, value) for column, value in zip(columns, values, strict=True) if column), len(values))


def _unnamed(table: _Lines, second: str) -> list[TextRow]:
    """Return the rows of a file without a heading."""
    counts = {len(values) for _, values in table.rows}
    most = max(counts)
    commas = table.separator == "," and all(_is_prose(values, ",") for _, values in table.rows)
    if min(counts) <= 2 or commas:
        return [_pair(table, number, values, ["id", second]) for number, values in table.rows]
    if most > 5:
        number = next(number for number, values in table.rows if len(values) > 5)
        raise table.refusal(number, f"has {most} fields, and no heading names them")
    prompts = [len(values) >= 4 and _is_audio(values[2]) for _, values in table.rows]
    if any(prompts):
        if not all(prompts):
            number = table.rows[prompts.index(False)][0]
            raise table.refusal(number, "is no 'id|prompt text|prompt audio|text', as other lines are")
        return [_row(number, zip(PROMPT_LIST, values, strict=False)) for number, values in table.rows]
    if most == 5:
        number = next(number for number, values in table.rows if len(values) == 5)
        raise table.refusal(number, "has 5 fields, and the third is no audio file")
    columns = ["id", "text", _third_column(table), "speaker"]
    return [_row(number, zip(columns, values, strict=False)) for number, values in table.rows]


def _ragged(table: _Lines, number: int, values: list[str], columns: Sequence[str]) -> TextRow:
    """Return the row of a line in a file whose lines have different numbers of fields."""
    if len(values) > 2 and _is_prose(values, table.separator):
        return _row(number, zip(columns, [values[0], table.separator.join(values[1:])], strict=False))
    last = len(columns) - 1
    limited = [*values[:last], table.separator.join(values[last:])]
    return _row(number, zip(columns, limited, strict=False), len(values))


def _pair(table: _Lines, number: int, values: list[str], columns: Sequence[str]) -> TextRow:
    """Return the row of a line with two columns, whose text may contain the separator, or end in an empty field."""
    rest = values[1:]
    if table.separator != ",":
        while len(rest) > 1 and not rest[-1].strip():
            rest = rest[:-1]
    if len(rest) > 1 and not (columns[1] == "text" and _is_prose([values[0], *rest], table.separator)):
        raise table.refusal(number, f"has {len(values)} fields, and other lines 2")
    return _row(number, zip(columns, [values[0], table.separator.join(rest)], strict=True), len(values))


def _is_prose(values: Sequence[str], separator: str) -> bool:
    """Return whether the separators after the first one are certain to belong to a text."""
    if separator == ",":
        return all(not value or value[0].isspace() for value in values[2:])
    if values[0][-1:].isspace():  # spaces around all separators say nothing
        return False
    return all(a[-1:].isspace() and b[:1].isspace() for a, b in pairwise(values[1:]))


def _third_column(table: _Lines) -> str:
    """Return the column of the third field: the normalised text, or the speaker."""
    four = any(len(values) > 3 and values[3].strip() for _, values in table.rows)
    rows = [(number, values[1].strip(), values[2].strip()) for number, values in table.rows if len(values) > 2]
    rows = [row for row in rows if row[2]]
    if four or not rows:
        return "normalised"
    names = [bool(_WORD.fullmatch(third)) and third.casefold() not in text.casefold() for _, text, third in rows]
    if all(names):
        return "speaker"
    alike = [ratio(text.casefold(), third.casefold()) >= SIMILAR for _, text, third in rows]
    if 2 * sum(alike) >= len(rows):
        return "normalised"
    neither = [row for row, is_name, is_alike in zip(rows, names, alike, strict=True) if not (is_name or is_alike)]
    number = (neither or rows)[0][0]
    raise table.refusal(number, "has a third field that is neither a speaker nor the text in other words")


def _is_audio(value: str) -> bool:
    return value.strip().lower().endswith(AUDIO_SUFFIXES)


def _row(number: int, values: Iterable[tuple[str, str]], count: int = 2) -> TextRow:
    """Return a row of columns; ``count`` is the number of fields of its line."""
    columns = {column: value.strip() for column, value in values}
    return TextRow(number, clip_id(columns.pop("id", "")), **columns, fields=count)


def clip_id(value: str) -> str:
    """Return the id in a field that may hold the path of an audio file: its name without the ending.

    >>> clip_id("wavs/u1.wav")
    'u1'
    """
    return PurePosixPath(value.replace("\\", "/")).stem if _is_audio(value) else value
