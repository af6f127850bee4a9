"""Decode an audio file, bounded by what its header declares and by the length that the caller accepts.

Samples are trusted more than headers: if a header leaves the length open, or if libsndfile would only estimate it, the
file is decoded to its end. Nothing is decoded beyond the accepted length, because a compressed file of a few kilobytes
can hold gigabytes of silence.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from ttsbench.audio.containers import DataExtent, data_extent, with_size
from ttsbench.errors import ClipError
from ttsbench.types import Samples

CHECKED = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST", "FLAC", "OGG", "MP3"}  # names of libsndfile
LOWEST_RATE, HIGHEST_RATE = 4_000, 768_000  # Hz; no recording of speech has a rate outside
BLOCK_VALUES = 1 << 18  # values of all channels that are decoded at once
UNKNOWN_FRAMES = 2**62  # libsndfile reports nearly 2**63 frames if the length is unknown
MAX_PATCHED_BYTES = 1 << 30  # of a file that is read as a whole because its header must be completed


@dataclass(frozen=True)
class Header:
    """Length and sample rate from the header of a file; ``frames`` is None if only decoding shows the length."""

    frames: int | None
    sample_rate: int  # Hz


class _SequentialFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """An open file that is only read forwards: seeking fails in a FLAC that does not state its length."""

    def seekable(self) -> bool:
        return False


def read_header(path: Path) -> Header:
    """Return the header of an audio file; raises ``ClipError`` for a file that is unreadable or truncated."""
    with _opened(path) as (_, header):
        return header


def decode(path: Path, max_s: float) -> tuple[Samples, int]:
    """Return the mean of the channels of an audio file, (N,) float32 with N >= 1, and its sample rate in Hz.

    Raises ``ClipError`` for a file that is unreadable or truncated, or lasts more than ``max_s`` seconds.
    """
    with _opened(path) as (sound, header):
        limit = int(max_s * header.sample_rate)
        if header.frames is not None and header.frames > limit:
            raise ClipError(_too_long(path, f"{header.frames / header.sample_rate:.1f} s", max_s))
        blocks: list[Samples] = []
        count = bad = 0
        try:
            for block in _blocks(sound):
                count += len(block)
                if count > limit:
                    raise ClipError(_too_long(path, f"at least {count / header.sample_rate:.1f} s", max_s))
                bad += int(np.count_nonzero(~np.isfinite(block)))
                blocks.append(block.mean(axis=1, dtype=np.float32))
        except soundfile.SoundFileError as error:
            raise ClipError(f"{path} is truncated or damaged ({_reason(error)}): get the file again.") from error
    if header.frames is not None and count < header.frames:
        raise ClipError(
            f"{path} is truncated: its header promises {header.frames} samples, {count} can be read: get it again."
        )
    if not count:
        raise ClipError(f"{path} has a header but no samples: get it again.")
    if bad:
        raise ClipError(f"{path} has {bad} samples that are NaN or infinite: render or convert it again.")
    return np.concatenate(blocks), header.sample_rate


def _blocks(sound: soundfile.SoundFile) -> Iterator[Samples]:
    """Yield blocks (N, channels) to the end of the file."""
    size = max(1, BLOCK_VALUES // sound.channels)
    while len(block := sound.read(size, dtype="float32", always_2d=True)):
        yield block


@contextmanager
def _opened(path: Path) -> Iterator[tuple[soundfile.SoundFile, Header]]:
    """Yield an open file and its header."""
    try:
        if not path.is_file():
            raise ClipError(f"{path} is missing: supply the recording or remove its line from the metadata.")
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise ClipError(f"{path} is an empty file (0 bytes): get it again.")
            extent = data_extent(file, size)
            _refuse_truncated(path, extent, size)
            file.seek(0)
            with _sound(path, file, size, extent) as sound:
                yield sound, _header(path, sound)
    except OSError as error:
        raise ClipError(
            f"{path} cannot be read ({error.strerror or error}): check its name and permissions."
        ) from error


def _refuse_truncated(path: Path, extent: DataExtent, size: int) -> None:
    if extent.is_cut:
        raise ClipError(f"{path} is truncated: it ends within a header or before its last page: get it again.")
    if extent.end is not None and extent.end > size:
        raise ClipError(
            f"{path} is truncated: its header promises {extent.end - size} bytes more than the file has: get it again."
        )


@contextmanager
def _sound(path: Path, file: io.FileIO, size: int, extent: DataExtent) -> Iterator[soundfile.SoundFile]:
    """Yield an open file from which libsndfile reads all samples, whatever its header lacks."""
    try:
        # A descriptor rather than a path: names that are not UTF-8 are not opened, and endings do not select a format.
        sound = _SequentialFile(file.fileno(), closefd=False)
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        raise ClipError(f"{path} is not a readable audio file ({_reason(error)}): use WAV or FLAC.") from error
    with sound:
        if sound.format not in CHECKED:
            raise ClipError(
                f"{path} has the format {sound.format}, in which truncated files are not recognised: convert it to WAV."
            )
        is_estimated = extent.is_estimated and sound.format == "MP3"
        if not is_estimated and (extent.size_at is None or size > MAX_PATCHED_BYTES):
            yield sound  # from here to the end of the block, the position of the descriptor belongs to libsndfile
            return
    file.seek(0)
    content = file.readall()
    try:
        if is_estimated:
            with _piped(content[extent.begin :]) as sound:
                yield sound
        else:
            with _SequentialFile(io.BytesIO(with_size(content, extent))) as sound:
                yield sound
    except soundfile.SoundFileError as error:
        raise ClipError(f"{path} is truncated or damaged ({_reason(error)}): get the file again.") from error


@contextmanager
def _piped(content: bytes) -> Iterator[soundfile.SoundFile]:
    """Yield a sound that is read from a pipe, so that libsndfile decodes to the end rather than to an estimate."""
    read_end, write_end = os.pipe()

    def feed() -> None:
        with suppress(OSError), os.fdopen(write_end, "wb") as file:  # the reader may stop early
            file.write(content)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        with _SequentialFile(read_end, closefd=False) as sound:
            yield sound
    finally:
        os.close(read_end)
        feeder.join()


def _header(path: Path, sound: soundfile.SoundFile) -> Header:
    if sound.frames <= 0:
        raise ClipError(f"{path} has a header but no samples: get it again.")
    if not LOWEST_RATE <= sound.samplerate <= HIGHEST_RATE:
        raise ClipError(
            f"{path} has a sample rate of {sound.samplerate} Hz, which no recording of speech has "
            f"({LOWEST_RATE} to {HIGHEST_RATE} Hz): correct its header."
        )
    return Header(int(sound.frames) if sound.frames < UNKNOWN_FRAMES else None, int(sound.samplerate))


def _too_long(path: Path, length: str, max_s: float) -> str:
    return f"{path} lasts {length}, more than {max_s:g} s: cut it into sentences."


def _reason(error: Exception) -> str:
    return str(error).rsplit(": ", 1)[-1].strip().rstrip(".")
