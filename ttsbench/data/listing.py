"""Checks of a corpus listing before any audio is read: ids, speakers, texts and the existence of files.

A bad row is excluded with a reason and counted; a listing that is unusable as a whole raises ``CorpusError``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from ttsbench import registry
from ttsbench.data.normalisers import default_normaliser, language_among, languages_of
from ttsbench.errors import ClipError, CorpusError
from ttsbench.interfaces import Normaliser
from ttsbench.types import Utterance

MAX_ID_LENGTH = 128
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")  # ASCII: the same name on every file system


def check_id(id: str, label: str = "id") -> str:
    """Return ``id`` if it may become a file name, raise ``ClipError`` otherwise.

    Allowed are 1 to 128 ASCII letters, digits and ``. _ -``, without a leading dot and without ``..``. ``label`` names
    the value in the message.

    >>> check_id("LJ001-0002")
    'LJ001-0002'
    """
    if len(id) > MAX_ID_LENGTH:
        raise ClipError(f"The {label} {id[:40]!a}... has {len(id)} characters: shorten it to {MAX_ID_LENGTH}.")
    if not _ID.fullmatch(id) or ".." in id:
        raise ClipError(
            f"The {label} {id!a} cannot name a file: rename it with letters, digits, '.', '_' and '-', "
            "without '..' and not starting with '.'."
        )
    return id


def check_listing(
    utterances: Sequence[Utterance], language: str = "en"
) -> tuple[list[Utterance], list[tuple[str, str]]]:
    """Return usable utterances sorted by id, and (id, reason) of each excluded row in the listed order.

    A row is excluded for a bad id or speaker name, a text that is empty, not UTF-8, without a pronounceable word or not
    in ``language``, and missing audio. Raises ``CorpusError`` if no row is listed or usable, or if two rows share an id
    (ignoring case, because ids become file names).
    """
    if not utterances:
        raise CorpusError("The corpus lists no utterance: check its path, and that its metadata is complete.")
    normalisers = _normalisers(languages_of(language))
    usable: list[Utterance] = []
    excluded: list[tuple[str, str]] = []
    for utterance in utterances:
        try:
            _check_row(utterance, normalisers)
        except ClipError as error:
            excluded.append((utterance.id, str(error)))
        else:
            usable.append(utterance)
    _check_unique(utterances)
    if not usable:
        raise CorpusError(f"None of the {len(utterances)} utterances listed can be used. The first: {excluded[0][1]}")
    return sorted(usable, key=lambda utterance: utterance.id), excluded


def _normalisers(languages: Sequence[str]) -> Mapping[str, Normaliser]:
    return {code: registry.load("normalisers", default_normaliser(code))(code) for code in languages}


def utterance_language(utterance: Utterance, language: str) -> str:
    """Return the language of an utterance of a corpus in ``language``, which may be several such as ``de+en``.

    Raises ``ClipError`` for another language.
    """
    name = str(utterance.attributes.get("language", ""))
    chosen = language_among(name, languages_of(language))
    if chosen is None:
        raise ClipError(
            f"{utterance.id} is in '{name}', and corpus.language is '{language}': add its language with '+', such as "
            f"'{language}+{name}'."
        )
    return chosen


def _check_row(utterance: Utterance, normalisers: Mapping[str, Normaliser]) -> None:
    check_id(utterance.id)
    check_id(utterance.speaker, f"speaker of {utterance.id},")
    text = utterance.text.strip()
    if not text:
        raise ClipError(f"{utterance.id} has no text: write what is said, or drop the clip.")
    if "\ufffd" in text:
        raise ClipError(f"The text of {utterance.id} is not UTF-8: convert its metadata ({text[:60]!a}).")
    if not normalisers[utterance_language(utterance, "+".join(normalisers))].units(text):
        raise ClipError(f"The text of {utterance.id}, {text[:60]!a}, has no pronounceable word: spell it out.")
    if not os.path.lexists(utterance.audio):
        raise ClipError(f"The audio of {utterance.id} is missing: {utterance.audio}. Supply it, or drop the row.")
    if not utterance.audio.is_file():
        raise ClipError(
            f"The audio of {utterance.id}, {utterance.audio}, is no regular file but a folder, a dangling link, a FIFO "
            "or a socket: supply the recording, or drop the row."
        )
    if not os.access(utterance.audio, os.R_OK):
        raise ClipError(f"The audio of {utterance.id}, {utterance.audio}, cannot be read: give yourself permission.")


def _check_unique(utterances: Sequence[Utterance]) -> None:
    by_id: dict[str, Utterance] = {}
    for utterance in utterances:
        first = by_id.setdefault(utterance.id.casefold(), utterance)
        if first is not utterance:
            raise CorpusError(
                f"Two utterances have the same id: {first.id!a} ({first.text[:40]!a}, {first.audio}) and "
                f"{utterance.id!a} ({utterance.text[:40]!a}, {utterance.audio}). Rename or drop one."
            )
