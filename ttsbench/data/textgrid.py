"""Reader of Praat TextGrids.

Praat reads a text file, long or short, as a stream of free-standing strings, numbers and flags, and ignores everything
else (Praat manual, "TextGrid file formats", https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html). The
same approach covers both formats and the variants that aligners write.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ttsbench.errors import ClipError
from ttsbench.types import SILENCE, Phone

SILENT_LABELS = frozenset({"", "sil", "sp", "spn", "<eps>"})  # in lower case
FIT_S = 0.1  # between the end of a TextGrid and that of its audio
TOLERANCE_S = 1e-3  # the effect of rounding to milliseconds

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TOKEN = re.compile(rf'"(?P<string>(?:[^"]|"")*)"|(?<!\S)(?P<number>{_NUMBER})(?!\S)|(?P<flag><\w+>)|![^\n]*')
# "phones", "phone", and "speaker - phones", which the Montreal aligner writes for several speakers.
_PHONE_TIER = re.compile(r"(?:.* - )?phones?", re.IGNORECASE)

Interval = tuple[float, float, str]


@dataclass(frozen=True)
class _Tier:
    name: str
    end_s: float
    intervals: tuple[Interval, ...]


def read_textgrid(path: Path) -> list[Phone]:
    """Return the phones of the phone tier of a TextGrid; they tile [0, duration] in seconds.

    Unlabelled time and the labels ``sil``, ``sp``, ``spn`` and ``<eps>`` become ``SIL``, and consecutive silences are
    joined. Raises ``ClipError`` for a file that is missing, binary, truncated, without a phone tier or with several,
    and for intervals that overlap or end before they start.
    """
    tiers = _tiers(path)
    phone_tiers = [tier for tier in tiers if _PHONE_TIER.fullmatch(tier.name.strip())]
    if not phone_tiers:
        names = ", ".join(repr(tier.name) for tier in tiers) or "none"
        raise ClipError(f"{path} has no interval tier named 'phones' (its interval tiers: {names}): align it again.")
    if len(phone_tiers) > 1:
        names = ", ".join(repr(tier.name) for tier in phone_tiers)
        raise ClipError(f"{path} has {len(phone_tiers)} phone tiers ({names}): keep the one of the speaker.")
    return _tile(phone_tiers[0], path)


def fitted(phones: list[Phone], duration_s: float, path: Path) -> list[Phone]:
    """Return phones that end with the audio; raises ``ClipError`` if they do not fit its duration.

    Times in milliseconds, an alignment of another clip and cut audio all end elsewhere. Up to ``FIT_S`` is allowed,
    because aligners round to frames and converters pad.
    """
    end_s = phones[-1].end_s
    if abs(end_s - duration_s) > FIT_S or phones[-1].start_s >= duration_s:
        raise ClipError(
            f"{path} ends at {end_s:.3f} s and the audio at {duration_s:.3f} s: give the TextGrid of this clip, with "
            "times in seconds, or remove it to have the clip aligned."
        )
    return [*phones[:-1], Phone(phones[-1].label, phones[-1].start_s, duration_s)]


def _tile(tier: _Tier, path: Path) -> list[Phone]:
    """Return contiguous phones from 0 to the end of the tier."""
    phones: list[Phone] = []
    now = 0.0
    for start_s, end_s, label in (*tier.intervals, (tier.end_s, tier.end_s, "")):
        name = f"{path}: the phone {label!r} from {start_s:g} to {end_s:g} s"
        if start_s < now - TOLERANCE_S:
            raise ClipError(f"{name} overlaps the one that ends at {now:g} s: align the clip again.")
        if end_s < start_s:
            raise ClipError(f"{name} ends before it starts: align the clip again.")
        if start_s > now + TOLERANCE_S:
            _append(phones, "", now, start_s)
        _append(phones, label, now if start_s <= now + TOLERANCE_S else start_s, end_s)
        now = max(now, end_s)
    if not phones:
        raise ClipError(f"{path} has a phone tier without any duration: align the clip again.")
    last = phones[-1]
    phones[-1] = Phone(last.label, last.start_s, tier.end_s)
    return phones


def _append(phones: list[Phone], label: str, start_s: float, end_s: float) -> None:
    """Append a phone unless its length is zero; join consecutive silences."""
    if end_s <= start_s:
        return
    label = SILENCE if label.strip().lower() in SILENT_LABELS else label.strip()
    if phones and label == phones[-1].label == SILENCE:
        start_s = phones.pop().start_s
    phones.append(Phone(label, start_s, end_s))


def _tiers(path: Path) -> list[_Tier]:
    """Return every interval tier of a file; point tiers are skipped."""
    stream = _Stream(_text(path), path)
    kind = (stream.string(), stream.string())
    if kind[0] != "ooTextFile" or not kind[1].startswith("TextGrid"):
        raise ClipError(f"{path} is a {kind[0]!r} holding a {kind[1]!r}, not a TextGrid: write it as a text TextGrid.")
    stream.number(), stream.number()
    if stream.flag() != "<exists>":
        return []
    tiers = []
    for _ in range(stream.count()):
        tier_class, name = stream.string(), stream.string()
        _, end_s = stream.number(), stream.number()
        if tier_class == "IntervalTier":
            intervals = [(stream.number(), stream.number(), stream.string()) for _ in range(stream.count())]
            tiers.append(_Tier(name, end_s, tuple(intervals)))
        elif tier_class == "TextTier":
            for _ in range(stream.count()):
                stream.number(), stream.string()
        else:
            raise ClipError(f"{path} has a tier of the class {tier_class!r}: use IntervalTier and TextTier.")
    return tiers


class _Stream:
    """The free-standing values of a text file in order; a value of an unexpected kind raises ``ClipError``."""

    def __init__(self, text: str, path: Path) -> None:
        self._tokens: Iterator[re.Match[str]] = (t for t in _TOKEN.finditer(text) if t.lastgroup)
        self._path = path

    def string(self) -> str:
        return self._next("string").replace('""', '"')

    def number(self) -> float:
        return float(self._next("number"))

    def flag(self) -> str:
        return self._next("flag")

    def count(self) -> int:
        value = self._next("number")
        if not value.isdecimal():
            raise ClipError(
                f"{self._path} is damaged: {value} is not a number of tiers or intervals: align the clip again."
            )
        return int(value)

    def _next(self, kind: str) -> str:
        token = next(self._tokens, None)
        if token is None:
            raise ClipError(f"{self._path} ends where a {kind} was expected: align the clip again.")
        if token.lastgroup != kind:
            raise ClipError(f"{self._path} is damaged: {token[0]!r} where a {kind} was expected: align the clip again.")
        return token[kind]


def _text(path: Path) -> str:
    """Return the text of a file in UTF-8 or UTF-16, and otherwise as Latin-1."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ClipError(f"{path} cannot be read ({error.strerror}): supply the TextGrid or align the clip.") from error
    if data.startswith(b"ooBinaryFile"):
        raise ClipError(f"{path} is a binary TextGrid: save it from Praat as a text file.")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:2]:  # UTF-16 without a byte order mark: the first character is ASCII
        return data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
