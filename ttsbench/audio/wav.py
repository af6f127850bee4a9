"""Read and write audio files: every file is checked when read, and files are written atomically.

Samples are (N,) float32, mono, with full scale at 1. Files that cannot be used raise ``ClipError``, which names the
problem, the value and the next action, so that a corpus can skip the clip and report why.
"""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ttsbench.errors import ClipError
from ttsbench.types import Samples

MIN_SAMPLE_RATE = 16000  # Hz; below it the 0-8 kHz mel bands would be partly empty
MIN_S = 0.2  # shorter clips contain no word and barely a mel window
MAX_S = 30.0  # longer clips do not fit a batch and are chapters rather than utterances
SILENCE_DBFS = -60.0
MAX_PEAK = 4.0  # 12 dB above full scale; higher peaks are unscaled integers
UNKNOWN_SIZE = 0xFFFFFFFF  # written as the size of the data by programs that write to a pipe
UNKNOWN_FRAMES = 2**62  # libsndfile reports nearly 2**63 frames for a FLAC without a stated length


def load_clip_audio(path: Path, sample_rate: int, *, min_s: float = MIN_S, max_s: float = MAX_S) -> Samples:
    """Read a clip, check that it is usable speech, and return it at ``sample_rate`` (Hz): (N,) float32.

    Raises ``ClipError`` in the cases of ``read``, for a clip shorter than ``min_s`` or longer than ``max_s`` seconds,
    for a peak below -60 dBFS and for samples far above full scale. A sample rate below 16 kHz is also an error:
    resampling cannot restore the missing band, and the speech would be compared with full-band speech unnoticed.
    """
    _, rate = _header(path)
    if rate < MIN_SAMPLE_RATE:
        raise ClipError(
            f"{path} has a sample rate of {rate} Hz and no content above {rate / 2000:g} kHz: "
            f"supply a recording made at {MIN_SAMPLE_RATE} Hz or more."
        )
    check_length(path, min_s=min_s, max_s=max_s)
    samples, _ = read(path)
    _check_level(samples, path)
    return resample(samples, rate, sample_rate)


def check_length(path: Path, *, min_s: float = MIN_S, max_s: float = MAX_S) -> None:
    """Raise ``ClipError`` if a clip is shorter than ``min_s`` or longer than ``max_s`` seconds by its header."""
    frames, rate = _header(path)
    seconds = frames / rate
    if seconds < min_s:
        raise ClipError(f"{path} lasts {seconds:.3f} s, less than {min_s:g} s: leave it out, or join it to a sentence.")
    if seconds > max_s:
        raise ClipError(f"{path} lasts {seconds:.1f} s, more than {max_s:g} s: cut it into sentences.")


def read(path: Path) -> tuple[Samples, int]:
    """Return the samples of an audio file (WAV, FLAC and other libsndfile formats) and its sample rate in Hz.

    Channels are averaged: (N,) float32, N >= 1, at the file's own rate. Raises ``ClipError`` for a file that is
    missing, empty, not audio, without samples, truncated or undecodable, or that contains NaN or infinite values.
    """
    frames, sample_rate = _header(path)
    try:
        channels, _ = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise ClipError(f"{path} is truncated or damaged ({_reason(error)}): get the file again.") from error
    if len(channels) < frames:
        raise ClipError(
            f"{path} is truncated: its header promises {frames} samples, {len(channels)} can be read: get it again."
        )
    bad = int(np.count_nonzero(~np.isfinite(channels)))
    if bad:
        raise ClipError(f"{path} has {bad} samples that are NaN or infinite: render or convert it again.")
    samples: Samples = channels.mean(axis=1, dtype=np.float32)
    return samples, sample_rate


def resample(samples: Samples, rate_in: int, rate_out: int) -> Samples:
    """Return samples (N,) resampled with soxr's VHQ filter, (about N * rate_out / rate_in,); both rates are in Hz.

    >>> resample(np.ones(32_000, np.float32), 32_000, 16_000).shape
    (16000,)
    """
    if rate_in == rate_out:
        return samples
    out: Samples = soxr.resample(samples, rate_in, rate_out, quality="VHQ").astype(np.float32, copy=False)
    return out


def write(path: Path, samples: Samples, sample_rate: int) -> None:
    """Write samples (N,) as a 16-bit PCM WAV, atomically.

    A clip above full scale is scaled down, because clipping would add harmonics to what is measured. Raises
    ``ClipError`` for a clip without samples or with values that are NaN or infinite.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(Path(folder) / "a.wav", np.array([0.5, -1.0], np.float32), 16_000)
    ...     read(Path(folder) / "a.wav")
    (array([ 0.5, -1. ], dtype=float32), 16000)
    """
    if samples.ndim != 1:
        raise ValueError(f"write takes mono samples of shape (N,), not {samples.shape}.")
    bad = int(np.count_nonzero(~np.isfinite(samples)))
    if bad or not len(samples):
        problem = f"{bad} of {len(samples)} samples are NaN or infinite" if bad else "there are no samples"
        raise ClipError(f"Cannot write {path}: {problem}. Check the system that produced it.")
    scaled = samples.astype(np.float64) / max(1.0, float(np.abs(samples).max()))
    pcm = np.clip(np.rint(scaled * 32768.0), -32768, 32767).astype(np.int16)
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        soundfile.write(part, pcm, sample_rate, format="WAV", subtype="PCM_16")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _check_level(samples: Samples, path: Path) -> None:
    peak = float(np.abs(samples).max())
    if peak < 10.0 ** (SILENCE_DBFS / 20.0):
        level = f"{20.0 * np.log10(peak):.0f} dBFS" if peak else "zero"
        raise ClipError(f"{path} is silent: its peak is {level}, below {SILENCE_DBFS:g} dBFS. Leave it out.")
    if peak > MAX_PEAK:
        raise ClipError(f"{path} has a peak of {peak:g}, but full scale is 1: divide the samples by their full scale.")


def _header(path: Path) -> tuple[int, int]:
    """Return the samples per channel and the sample rate (Hz) of a file's header; raise ``ClipError`` if broken."""
    if not path.is_file():
        raise ClipError(f"{path} is missing: supply the recording or remove its line from the metadata.")
    size = path.stat().st_size
    if not size:
        raise ClipError(f"{path} is an empty file (0 bytes): get it again.")
    missing = _missing_bytes(path, size)
    if missing:
        raise ClipError(
            f"{path} is truncated: its header promises {missing} bytes more than the file has: get it again."
        )
    try:
        info = soundfile.info(path)
    except soundfile.SoundFileError as error:
        raise ClipError(f"{path} is not a readable audio file ({_reason(error)}): use WAV or FLAC.") from error
    if info.frames <= 0:
        raise ClipError(f"{path} has a header but no samples: get it again.")
    if info.frames > UNKNOWN_FRAMES:
        raise ClipError(f"{path} does not state its length: write it again, to a file rather than to a pipe.")
    return int(info.frames), int(info.samplerate)


def _missing_bytes(path: Path, size: int) -> int:
    """Return how many bytes of its data chunk a WAV lacks; libsndfile would read a truncated file silently."""
    with path.open("rb") as file:
        if file.read(4) != b"RIFF" or file.seek(8) != 8 or file.read(4) != b"WAVE":
            return 0
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            if name == b"data":
                return 0 if length == UNKNOWN_SIZE else max(0, file.tell() + length - size)
            file.seek(length + length % 2, os.SEEK_CUR)
    return 0


def _reason(error: Exception) -> str:
    return str(error).rsplit(": ", 1)[-1].strip().rstrip(".")
