"""The end of the audio data of a file according to its container, so that truncated files are refused.

libsndfile reads a file that was cut off as if it were complete. One rule covers all containers: a file that ends before
the data that its header declares is truncated. Sizes in the header may also be placeholders, because a program that
writes to a pipe does not know the length in advance.

Sources of the layouts: RIFF and RIFX (Multimedia Programming Interface 1.0, 1991); RF64 and BW64 (EBU Tech 3306, ITU-R
BS.2088); Wave64 (Sony, 2006); AIFF and AIFF-C (Apple, 1989 and 1991); AU (Sun, audio.h); CAF (Apple Core Audio Format
1.0); SPHERE (NIST); Ogg (RFC 3533); MPEG audio (ISO/IEC 11172-3) with the Xing, Info and VBRI headers of encoders.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

PLACEHOLDER_BYTES = 1_900_000_000  # larger sizes in a header stand for an unknown size: no clip lasts for hours
NIST_FIELDS = ("sample_count", "channel_count", "sample_n_bytes")
MP3_SEARCH_BYTES = 4096  # the first frame, which holds the header of the encoder, is shorter
MAX_CHUNKS = 10_000  # of a file; more are no audio


@dataclass(frozen=True)
class DataExtent:
    """Begin and end of the audio data of a file, in bytes; ``end`` is None if the header does not state it.

    ``is_cut`` is True for a file that ends within a header or before its last page. ``size_at`` is the position of a
    32-bit little-endian size that is zero although data follow, which libsndfile would read as an empty file.
    ``is_estimated`` is True for MPEG audio without the header of an encoder: libsndfile estimates its length from the
    bit rate of the first frame.
    """

    begin: int = 0
    end: int | None = None
    is_cut: bool = False
    size_at: int | None = None
    is_estimated: bool = False


def data_extent(file: BinaryIO, size: int) -> DataExtent:
    """Return the extent of the audio data of a file of ``size`` bytes; empty for a container that is not known.

    A file without a data chunk has an extent without an end: libsndfile refuses such files itself.
    """
    file.seek(0)
    magic = file.read(12)
    for pattern, read in _CONTAINERS:
        if re.match(pattern, magic, re.DOTALL):
            try:
                return read(file, size)
            except struct.error:  # the file ends within a header
                return DataExtent(is_cut=True)
    return DataExtent()


def _riff(file: BinaryIO, size: int) -> DataExtent:
    file.seek(0)
    order = "<" if file.read(4) == b"RIFF" else ">"
    (whole,) = struct.unpack(f"{order}I", file.read(4))
    for name, begin, length in _chunks(file, 12, f"{order}4sI"):
        if name == b"data":
            if not length and whole + 8 != size and begin < size and order == "<":
                return DataExtent(begin, size_at=begin - 4)
            return _extent(begin, length)
    return DataExtent()


def _rf64(file: BinaryIO, size: int) -> DataExtent:
    data_size = 0
    for name, begin, length in _chunks(file, 12, "<4sI"):
        if name == b"ds64":
            file.seek(begin)
            _, data_size = struct.unpack("<QQ", file.read(16))
        elif name == b"data":
            return _extent(begin, data_size if length == 0xFFFFFFFF else length)
    return DataExtent()


def _wave64(file: BinaryIO, size: int) -> DataExtent:
    file.seek(40)  # two identifiers of 16 bytes, and a size
    while len(head := file.read(24)) == 24:
        name, length = struct.unpack("<4s12xQ", head)  # the length includes these 24 bytes
        begin = file.tell()
        if name == b"data":
            return _extent(begin, max(0, length - 24))
        step = -(-length // 8) * 8 - 24  # chunks start at multiples of 8 bytes
        if step < 0 or begin + step > size:
            break
        file.seek(begin + step)
    return DataExtent()


def _aiff(file: BinaryIO, size: int) -> DataExtent:
    for name, begin, length in _chunks(file, 12, ">4sI"):
        if name == b"SSND":
            return _extent(begin, length)
    return DataExtent()


def _au(file: BinaryIO, size: int) -> DataExtent:
    file.seek(0)
    order = ">" if file.read(4) == b".snd" else "<"
    begin, length = struct.unpack(f"{order}II", file.read(8))
    return _extent(begin, length)


def _caf(file: BinaryIO, size: int) -> DataExtent:
    for name, begin, length in _chunks(file, 8, ">4sq", even=False):
        if name == b"data":
            return DataExtent(begin) if length < 0 else _extent(begin, length)
    return DataExtent()


def _nist(file: BinaryIO, size: int) -> DataExtent:
    file.seek(8)
    first = file.read(8)
    begin = int(first) if first.strip().isdigit() else 1024
    file.seek(0)
    header = file.read(min(begin, 65_536)).decode("latin-1")
    values = [re.search(rf"^{name} -i (\d+)", header, re.MULTILINE) for name in NIST_FIELDS]
    count = 1
    for value in values:
        if value is None:
            return DataExtent(begin)
        count *= int(value[1][:12])
    return _extent(begin, count)


def _ogg(file: BinaryIO, size: int) -> DataExtent:
    """Walk the pages: the last one of a complete file is complete and carries the flag of the end of the stream."""
    at, last = 0, False
    while at < size:
        file.seek(at)
        capture, flags, segments = struct.unpack("<4sxB20xB", file.read(27))
        if capture != b"OggS":
            break  # libsndfile ignores what follows the last page
        last = bool(flags & 4)
        at += 27 + segments + sum(file.read(segments))
    return DataExtent(end=at) if last else DataExtent(is_cut=True)


def _flac(file: BinaryIO, size: int) -> DataExtent:
    """Return an end that is unknown: only decoding shows whether all frames are there."""
    return DataExtent()


def _mpeg(file: BinaryIO, size: int) -> DataExtent:
    """Return where the frames begin, after ID3 tags, and whether the header of an encoder states their number."""
    at = 0
    file.seek(0)
    while (head := file.read(10))[:3] == b"ID3" and len(head) == 10:
        length = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        at += 10 + length + (10 if head[5] & 0x10 else 0)
        file.seek(at)
    file.seek(at)
    first = file.read(MP3_SEARCH_BYTES)
    return DataExtent(at, is_estimated=not any(name in first for name in (b"Xing", b"Info", b"VBRI")))


_CONTAINERS: tuple[tuple[bytes, Callable[[BinaryIO, int], DataExtent]], ...] = (
    (rb"RIF[FX].{4}WAVE", _riff),
    (rb"(RF64|BW64).{4}WAVE", _rf64),
    (rb"riff", _wave64),
    (rb"FORM.{4}AIF[FC]", _aiff),
    (rb"\.snd|dns\.", _au),
    (rb"caff", _caf),
    (rb"NIST_1A", _nist),
    (rb"OggS", _ogg),
    (rb"fLaC", _flac),
    (rb"ID3|\xff[\xe0-\xff]", _mpeg),
)


def _chunks(file: BinaryIO, at: int, head: str, even: bool = True) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, the position and the declared length of each chunk of a file."""
    file.seek(at)
    for _ in range(MAX_CHUNKS):
        if len(data := file.read(struct.calcsize(head))) < struct.calcsize(head):
            return
        name, length = struct.unpack(head, data)
        begin = file.tell()
        yield name, begin, length
        file.seek(begin + max(0, length) + (length % 2 if even else 0))


def _extent(begin: int, length: int) -> DataExtent:
    """Return the extent of data of a declared length, which may be a placeholder."""
    return DataExtent(begin, None if length >= PLACEHOLDER_BYTES else begin + length)


def with_size(data: bytes, extent: DataExtent) -> bytes:
    """Return the bytes of a WAV with the actual sizes in place of the zeros that a streaming program left."""
    assert extent.size_at is not None
    patched = bytearray(data)
    struct.pack_into("<I", patched, 4, len(data) - 8)
    struct.pack_into("<I", patched, extent.size_at, len(data) - extent.begin)
    return bytes(patched)
