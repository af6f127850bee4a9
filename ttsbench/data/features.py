"""Features of a recording: mel, F0, voicing, energy, durations and phone-level log-F0.

Features are cached by content. The name of a file is the hash of everything its features depend on (the bytes of the
audio, the text, the bytes of the TextGrid, the definition of the mel), so a clip that occurs in several runs, corpora
or folders is analysed once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ttsbench.config.schema import MelConfig
from ttsbench.engine.store import cache_dir, write_bytes
from ttsbench.errors import ClipError
from ttsbench.interfaces import Codec
from ttsbench.types import Phone, Samples, Utterance

VERSION = 2
DIGEST = "digest"  # key of the metadata of a file
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """The features of one clip, with T mel frames and P phones."""

    mel: FloatArray  # (T, M) natural log, or the latents of a codec
    f0: FloatArray  # (T,) Hz, 0 where unvoiced
    energy: FloatArray  # (T,) natural log of the RMS of the frame's magnitudes
    durations: NDArray[np.int64]  # (P,) frames, each at least 1, summing to T
    phone_log_f0: FloatArray  # (P,) natural log of Hz, interpolated through unvoiced phones
    phones: tuple[str, ...]  # (P,)

    @property
    def voicing(self) -> NDArray[np.bool_]:
        """Voicing flags (T,)."""
        return self.f0 > 0


def feature_path(utterance: Utterance, mel: MelConfig, alignment: str, codec: str = "") -> Path:
    """Return the path of the cached features; ``codec`` is the signature of a codec that replaces the mel."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (
        utterance.audio.read_bytes(),
        utterance.textgrid.read_bytes() if utterance.textgrid and alignment != "pocketsphinx" else b"",
        utterance.text.encode(),
        json.dumps([mel.model_dump(), alignment, VERSION, *([codec] if codec else [])], sort_keys=True).encode(),
    ):
        digest.update(len(part).to_bytes(8, "little") + part)
    name = digest.hexdigest()
    return cache_dir() / "features" / name[:2] / f"{name}.safetensors"


def extract(samples: Samples, phones: Sequence[Phone], mel: MelConfig, codec: Codec | None = None) -> Features:
    """Analyse samples (N,) at the mel's sample rate, with its phones in seconds; raises ``ClipError``.

    With a codec, whose frames are the mel's, its latents take the place of the mel.
    """
    from ttsbench.audio.mel import log_mel, magnitudes
    from ttsbench.audio.pitch import frame_f0, interpolate_log_f0

    if len(samples) < mel.n_fft:
        raise ClipError(f"{len(samples)} samples are less than one analysis window of {mel.n_fft}; leave the clip out")
    linear = magnitudes(torch.from_numpy(samples), mel)
    energy = linear.pow(2).mean(dim=1).sqrt().clamp_min(1e-5).log()
    f0 = frame_f0(samples, mel.sample_rate, mel.hop_length)
    durations = frame_durations(phones, len(linear), mel)
    predicted = log_mel(linear, mel) if codec is None else codec.encode(samples)[: len(linear)]
    if len(predicted) < len(linear):
        raise ClipError(f"the codec returns {len(predicted)} latents for {len(linear)} frames; leave the clip out")
    return Features(
        mel=predicted.numpy(),
        f0=f0.astype(np.float32),
        energy=energy.numpy(),
        durations=durations,
        phone_log_f0=phone_means(interpolate_log_f0(f0), f0 > 0, durations).astype(np.float32),
        phones=tuple(phone.label for phone in phones),
    )


def frame_durations(phones: Sequence[Phone], frames: int, mel: MelConfig) -> NDArray[np.int64]:
    """Return durations in frames (P,), each at least 1, that sum to ``frames``.

    Boundaries are rounded to the nearest frame, then moved as little as possible so that every phone has a frame.
    Raises ``ClipError`` if there are more phones than frames.

    >>> phones = [Phone("h", 0.0, 0.02), Phone("aɪ1", 0.02, 0.06)]
    >>> frame_durations(phones, 5, MelConfig(sample_rate=22050, hop_length=256)).tolist()
    [2, 3]
    """
    count = len(phones)
    if count == 0 or count > frames:
        raise ClipError(f"{count} phones do not fit into {frames} frames; check the alignment or leave the clip out")
    ends = np.array([phone.end_s for phone in phones]) * mel.sample_rate / mel.hop_length
    index = np.arange(1, count + 1)
    bounds = np.maximum.accumulate(np.rint(ends).astype(np.int64) - index) + index  # strictly increasing, from 1 up
    bounds = np.maximum(bounds, index)
    bounds = np.minimum(bounds, frames - (count - index))
    bounds[-1] = frames
    return np.diff(bounds, prepend=0)


def phone_means(
    log_f0: NDArray[np.float64], voiced: NDArray[np.bool_], durations: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return phone-level log-F0 (P,): the mean over voiced frames, interpolated linearly for unvoiced phones.

    >>> frames, voiced = np.log([100.0, 100.0, 150.0, 200.0]), np.array([True, True, False, True])
    >>> np.exp(phone_means(frames, voiced, np.array([2, 1, 1]))).round(1).tolist()
    [100.0, 141.4, 200.0]
    """
    owner = np.repeat(np.arange(len(durations)), durations)
    counts = np.bincount(owner, weights=voiced, minlength=len(durations))
    sums = np.bincount(owner, weights=np.where(voiced, log_f0, 0.0), minlength=len(durations))
    known = np.flatnonzero(counts > 0)
    return np.interp(np.arange(len(durations)), known, sums[known] / counts[known])


def save_features(path: Path, features: Features) -> None:
    """Write features atomically as safetensors."""
    arrays: dict[str, NDArray[Any]] = {
        "mel": features.mel,
        "f0": features.f0,
        "energy": features.energy,
        "durations": features.durations,
        "phone_log_f0": features.phone_log_f0,
    }
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_bytes(path, save(arrays, metadata={"phones": json.dumps(features.phones), DIGEST: _digest(arrays)}))


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return a digest of the values, by which a damaged file is recognised."""
    digest = hashlib.blake2b(digest_size=12)
    for name in sorted(arrays):
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def load_features(path: Path) -> Features:
    """Load what ``save_features`` wrote.

    Raises ``ClipError`` if the file was deleted from the cache, or is damaged, in which case it is removed.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            metadata = file.metadata()
            if metadata.get(DIGEST, _digest(arrays)) != _digest(arrays):  # files of earlier versions have no digest
                raise ValueError("the digest differs")
            return Features(**arrays, phones=tuple(json.loads(metadata["phones"])))
    except FileNotFoundError:
        raise ClipError(f"the features at {path} are missing; run the same command again to compute them") from None
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        path.unlink(missing_ok=True)
        raise ClipError(f"the features at {path} were damaged; run the same command again to compute them") from error
