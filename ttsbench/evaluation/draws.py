"""Draws on disk: the samples of a system before the vocoder, ``<system>/draws/<id>.npz``.

Mels are stored as float16, which rounds a natural logarithm near -10 to .004: a hundredth of the smallest differences
between systems. Draws of the user's folders have no such file; their mels are computed from the wavs.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ttsbench.audio.mel import log_mel, magnitudes
from ttsbench.audio.wav import resample
from ttsbench.config.schema import MelConfig
from ttsbench.engine.store import file_stem, write_bytes
from ttsbench.types import Draws, Samples

FRAME_TOLERANCE = 2  # frames by which draws of the user's folders may differ; vocoders pad and trim differently


def write_draws(folder: Path, id_: str, draws: Draws) -> None:
    """Write the draws of one utterance atomically."""
    arrays: dict[str, NDArray[np.generic]] = {"failure": np.array(draws.failure)}
    if draws.log_mel is not None:
        arrays["log_mel"] = draws.log_mel.astype(np.float16)
    if draws.law is not None:
        arrays["law"] = draws.law.astype(np.float16)
    if draws.prosody is not None:
        arrays["prosody"] = draws.prosody.astype(np.float32)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    path = draws_path(folder, id_)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, buffer.getvalue())


def read_draws(folder: Path, id_: str) -> Draws | None:
    """Return the draws of an utterance, or None for a system that is not sampled from a model."""
    path = draws_path(folder, id_)
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        log_mel, prosody, law = (
            arrays[name].astype(np.float32) if name in arrays else None for name in ("log_mel", "prosody", "law")
        )
        return Draws(log_mel, prosody, str(arrays["failure"]), law)


def draws_path(folder: Path, id_: str) -> Path:
    """Return the path of the draws of an utterance."""
    return folder / "draws" / f"{file_stem(id_)}.npz"


def draws_of_wavs(wavs: Sequence[tuple[Samples, int]], mel: MelConfig) -> Draws:
    """Return the mels of samples (N,) at a rate in Hz, one per draw.

    Draws that differ in length by more than ``FRAME_TOLERANCE`` frames are a failure; smaller differences are trimmed.
    """
    mels = []
    for samples, sample_rate in wavs:
        resampled = resample(samples, sample_rate, mel.sample_rate)
        if len(resampled) < mel.n_fft:
            return Draws(failure=f"a draw of {len(resampled)} samples is shorter than one window of {mel.n_fft}")
        mels.append(log_mel(magnitudes(torch.from_numpy(resampled), mel), mel).numpy())
    lengths = [len(frames) for frames in mels]
    if max(lengths) - min(lengths) > FRAME_TOLERANCE:
        return Draws(failure=f"its draws have {min(lengths)} to {max(lengths)} frames, but need one length")
    return Draws(np.stack([frames[: min(lengths)] for frames in mels]))
