"""What is computed once from a clip and read by every system: mel, F0, voicing, energy, durations, phone-level log-F0.

Features are cached by content: the file's name is the hash of everything they depend on (the audio's bytes, the text,
the TextGrid's bytes, the mel's definition), so the same clip in another run, corpus or folder is never analysed twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from ttsbench.config.schema import MelConfig
from ttsbench.engine.store import cache_dir, write_bytes
from ttsbench.errors import ClipError
from ttsbench.interfaces import Codec
from ttsbench.types import Phone, Samples, Utterance

VERSION = 1
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """One clip, analysed. T mel frames, P phones."""

    mel: FloatArray  # (T, M) natural log; a codec's latents where the experiment has one
    f0: FloatArray  # (T,) Hz, 0 where unvoiced
    energy: FloatArray  # (T,) natural log of the RMS of the frame's magnitudes
    durations: NDArray[np.int64]  # (P,) frames, each at least 1, summing to T
    phone_log_f0: FloatArray  # (P,) natural log of Hz, interpolated through unvoiced phones
    phones: tuple[str, ...]  # (P,)

    @property
    def voicing(self) -> NDArray[np.bool_]:
        """(T,) True where voiced."""
        return self.f0 > 0


def feature_path(utterance: Utterance, mel: MelConfig, alignment: str, codec: str = "") -> Path:
    """Where the utterance's features are cached; ``codec`` says whose latents they are, if not mels."""
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
        raise ClipError(f"{len(samples)} samples are less than one analysis window of {mel.n_fft}; leave it out")
    linear = magnitudes(torch.from_numpy(samples), mel)
    energy = linear.pow(2).mean(dim=1).sqrt().clamp_min(1e-5).log()
    f0 = frame_f0(samples, mel.sample_rate, mel.hop_length)
    durations = frame_durations(phones, len(linear), mel)
    predicted = log_mel(linear, mel) if codec is None else codec.encode(samples)[: len(linear)]
    if len(predicted) < len(linear):
        raise ClipError(f"the codec makes {len(predicted)} latents of {len(linear)} frames; leave this clip out")
    return Features(
        mel=predicted.numpy(),
        f0=f0.astype(np.float32),
        energy=energy.numpy(),
        durations=durations,
        phone_log_f0=phone_means(interpolate_log_f0(f0), f0 > 0, durations).astype(np.float32),
        phones=tuple(phone.label for phone in phones),
    )


def frame_durations(phones: Sequence[Phone], frames: int, mel: MelConfig) -> NDArray[np.int64]:
    """Durations in frames (P,), each at least 1, that sum to ``frames``.

    Boundaries are rounded to the nearest frame, then moved as little as it takes to leave every phone a frame.
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
    """Phone-level log-F0 (P,): the mean over a phone's voiced frames, linear between phones that have none."""
    owner = np.repeat(np.arange(len(durations)), durations)
    counts = np.bincount(owner, weights=voiced, minlength=len(durations))
    sums = np.bincount(owner, weights=np.where(voiced, log_f0, 0.0), minlength=len(durations))
    known = np.flatnonzero(counts > 0)
    return np.interp(np.arange(len(durations)), known, sums[known] / counts[known])


def save_features(path: Path, features: Features) -> None:
    """Write whole or not at all; no pickle."""
    arrays: dict[str, NDArray[Any]] = {
        "mel": features.mel,
        "f0": features.f0,
        "energy": features.energy,
        "durations": features.durations,
        "phone_log_f0": features.phone_log_f0,
    }
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_bytes(path, save(arrays, metadata={"phones": json.dumps(features.phones)}))


def load_features(path: Path) -> Features:
    """What ``save_features`` wrote; raises ``ClipError`` where the cache was emptied under a run."""
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            return Features(**arrays, phones=tuple(json.loads(file.metadata()["phones"])))
    except FileNotFoundError:
        raise ClipError(f"the features at {path} are gone; run the same command again to compute them anew") from None
