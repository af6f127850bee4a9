"""Read and write audio files: every file is checked when read, and files are written atomically.

Samples are (N,) float32, mono, with full scale at 1. Files that cannot be used raise ``ClipError``, which names the
problem, the value and the next action, so that a corpus can skip the clip and report why.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ttsbench.audio.decoding import decode, read_header
from ttsbench.errors import ClipError
from ttsbench.types import Samples

MIN_SAMPLE_RATE = 16000  # Hz; below it the 0-8 kHz mel bands would be partly empty
MIN_S = 0.2  # shorter clips contain no word and barely a mel window
MAX_S = 30.0  # longer clips do not fit a batch and are chapters rather than utterances
MAX_READ_S = 600.0  # of any clip: a few kilobytes of FLAC can decode to gigabytes
SILENCE_DBFS = -60.0
MAX_PEAK = 4.0  # 12 dB above full scale; higher peaks are unscaled integers


def load_clip_audio(path: Path, sample_rate: int, *, min_s: float = MIN_S, max_s: float = MAX_S) -> Samples:
    """Read a clip, check that it is usable speech, and return it at ``sample_rate`` (Hz): (N,) float32.

    Raises ``ClipError`` in the cases of ``read``, for a clip shorter than ``min_s`` or longer than ``max_s`` seconds,
    for a peak below -60 dBFS and for samples far above full scale. A sample rate below 16 kHz is also an error:
    resampling cannot restore the missing band, and the speech would be compared with full-band speech unnoticed.
    """
    rate = read_header(path).sample_rate
    if rate < MIN_SAMPLE_RATE:
        raise ClipError(
            f"{path} has a sample rate of {rate} Hz and no content above {rate / 2000:g} kHz: "
            f"supply a recording made at {MIN_SAMPLE_RATE} Hz or more."
        )
    samples, _ = read(path, max_s)
    _check_seconds(path, len(samples) / rate, min_s, max_s)
    _check_level(samples, path)
    return resample(samples, rate, sample_rate)


def check_length(path: Path, *, min_s: float = MIN_S, max_s: float = MAX_S) -> None:
    """Raise ``ClipError`` if a clip is shorter than ``min_s`` or longer than ``max_s`` seconds.

    The header is read, and the samples only if the header leaves the length open.
    """
    header = read_header(path)
    frames = len(decode(path, max_s)[0]) if header.frames is None else header.frames
    _check_seconds(path, frames / header.sample_rate, min_s, max_s)


def read(path: Path, max_s: float = MAX_READ_S) -> tuple[Samples, int]:
    """Return the samples of an audio file and its sample rate in Hz.

    Channels are averaged: (N,) float32, N >= 1, at the file's own rate. WAV, RF64, W64, AIFF, AU, CAF, SPHERE, FLAC,
    Ogg and MP3 are read. Raises ``ClipError`` for a file that is missing, empty, not audio, without samples, truncated
    or undecodable, that contains NaN or infinite values, or that lasts more than ``max_s`` seconds.
    """
    return decode(path, max_s)


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


def _check_seconds(path: Path, seconds: float, min_s: float, max_s: float) -> None:
    if seconds < min_s:
        raise ClipError(f"{path} lasts {seconds:.3f} s, less than {min_s:g} s: leave it out, or join it to a sentence.")
    if seconds > max_s:
        raise ClipError(f"{path} lasts {seconds:.1f} s, more than {max_s:g} s: cut it into sentences.")


def _check_level(samples: Samples, path: Path) -> None:
    peak = float(np.abs(samples).max())
    if peak < 10.0 ** (SILENCE_DBFS / 20.0):
        level = f"{20.0 * np.log10(peak):.0f} dBFS" if peak else "zero"
        raise ClipError(f"{path} is silent: its peak is {level}, below {SILENCE_DBFS:g} dBFS. Leave it out.")
    if peak > MAX_PEAK:
        raise ClipError(f"{path} has a peak of {peak:g}, but full scale is 1: divide the samples by their full scale.")
