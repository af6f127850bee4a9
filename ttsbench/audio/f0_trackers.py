"""The F0 extractors that metrics can choose from, all on the same time grid.

- ``world``: DIO, StoneMask and our voicing decision (``ttsbench.audio.pitch``).
- ``praat``: Praat's autocorrelation method with its default thresholds, through the package `praat-parselmouth`.
  P. Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
  sound", IFA Proceedings 17, 1993. Its range is restricted to the speaker's as ``voicing`` does it.
- ``crepe``: the full CREPE network through the package `torchcrepe`, which contains the weights; Viterbi decoding,
  voiced above a periodicity of .21 and above -60 dB. J. W. Kim, J. Salamon, P. Li and J. P. Bello, "CREPE: a
  convolutional representation for pitch estimation", ICASSP 2018, https://arxiv.org/abs/1802.06182. On a CPU it is
  slower than real time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio.pitch import F0_MAX, F0_MIN, THRESHOLD, world_f0
from ttsbench.errors import ConfigError
from ttsbench.rng import global_seed
from ttsbench.types import Clip, Samples

SAMPLE_RATE = 16_000  # Hz
FRAME_S = 0.005
HOP = 80  # samples
LIMITS = (32.0, 2_000.0)  # Hz; CREPE's bins end there
CREPE_PERIODICITY, CREPE_SILENCE_DB, CREPE_MEDIAN = 0.21, -60.0, 3
PACKAGES: Mapping[str, str] = {"world": "", "praat": "praat-parselmouth", "crepe": "torchcrepe"}

Contour = NDArray[np.float64]


@dataclass(frozen=True)
class F0Tracker:
    """An extractor and its range in Hz, as a feature of a clip at 16 kHz; equal trackers share their results.

    Raises ``ConfigError`` for an unknown extractor or an impossible range.

    >>> F0Tracker().signature
    'dio+ncc:0.45+stonemask|50-800Hz|5ms'
    >>> tone = np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000).astype(np.float32)
    >>> round(float(Clip("tone", tone, 16_000).feature(F0Tracker())[100]))
    200
    """

    method: str = "world"
    f0_min: float = F0_MIN
    f0_max: float = F0_MAX

    def __post_init__(self) -> None:
        if self.method not in PACKAGES:
            raise ConfigError(f"f0 is {self.method!r}; choose one of {', '.join(PACKAGES)}.")
        low, high = LIMITS
        if not low <= self.f0_min < self.f0_max <= high:
            raise ConfigError(
                f"the F0 range is {self.f0_min:g} to {self.f0_max:g} Hz; choose a range within {low:g} to {high:g} Hz."
            )

    @property
    def signature(self) -> str:
        """Name, version and range of the extractor, for the signature of a metric."""
        names = {
            "world": f"dio+ncc:{THRESHOLD:g}+stonemask",
            "praat": f"praat-ac:parselmouth-{_version(PACKAGES['praat'])}",
            "crepe": f"crepe-full:torchcrepe-{_version(PACKAGES['crepe'])}|periodicity:>{CREPE_PERIODICITY:g}",
        }
        return f"{names[self.method]}|{self.f0_min:g}-{self.f0_max:g}Hz|5ms"

    def require(self) -> None:
        """Raise ``ConfigError`` if the extractor's package is missing."""
        package = PACKAGES[self.method]
        if package and _version(package) == "absent":
            raise ConfigError(f"f0: {self.method} needs a package; run 'pip install {package}', or use f0: world.")

    def __call__(self, clip: Clip) -> Contour:
        """Return F0 in Hz, 0 where unvoiced, (N // 80 + 1,) every 5 ms, of a usable clip at 16 kHz."""
        self.require()
        extract: dict[str, Callable[[Samples, float, float], Contour]] = {
            "world": lambda samples, low, high: world_f0(samples, SAMPLE_RATE, f0_min=low, f0_max=high),
            "praat": praat_f0,
            "crepe": crepe_f0,
        }
        return extract[self.method](clip.samples, self.f0_min, self.f0_max)


WORLD = F0Tracker()


def praat_f0(samples: Samples, f0_min: float, f0_max: float) -> Contour:
    """Return F0 in Hz, 0 where unvoiced, every 5 ms, of samples (N,) at 16 kHz, by Praat in two passes."""
    import parselmouth

    from ttsbench.audio.voicing import speaker_range

    sound = parselmouth.Sound(samples.astype(np.float64), SAMPLE_RATE)

    def track(low: float, high: float) -> Contour:
        if len(samples) / SAMPLE_RATE <= 3 / low:  # Praat refuses a sound shorter than its window
            return np.zeros(len(samples) // HOP + 1)
        pitch = sound.to_pitch_ac(time_step=FRAME_S, pitch_floor=low, pitch_ceiling=high)
        return _on_grid(pitch.xs(), pitch.selected_array["frequency"], len(samples) // HOP + 1)

    first = track(f0_min, f0_max)
    own = speaker_range(first)
    return first if own is None else track(max(f0_min, own[0]), min(f0_max, own[1]))


def crepe_f0(samples: Samples, f0_min: float, f0_max: float) -> Contour:
    """Return F0 in Hz, 0 where unvoiced, every 5 ms, of samples (N,) at 16 kHz, by CREPE."""
    import torch
    import torchcrepe

    audio = torch.from_numpy(np.array(samples, dtype=np.float32))[None]
    with global_seed(0), torch.no_grad():  # the package dithers its bins with the global generator
        f0, periodicity = torchcrepe.predict(
            audio, SAMPLE_RATE, HOP, f0_min, f0_max, "full", batch_size=512, return_periodicity=True
        )
    periodicity = torchcrepe.filter.median(periodicity, CREPE_MEDIAN)
    periodicity = torchcrepe.threshold.Silence(CREPE_SILENCE_DB)(periodicity, audio, SAMPLE_RATE, HOP)
    voiced = torch.where(periodicity > CREPE_PERIODICITY, f0, 0.0)[0].numpy().astype(np.float64)
    return np.asarray(voiced[: len(samples) // HOP + 1])


def _on_grid(times: Contour, f0: Contour, frames: int) -> Contour:
    """Return the values (frames,) at 5 ms intervals of the nearest of the given times (T,), 0 beyond both ends."""
    grid = np.arange(frames) * FRAME_S
    after = np.clip(np.searchsorted(times, grid), 1, max(1, len(times) - 1))
    nearest = np.where(grid - times[after - 1] < times[after] - grid, after - 1, after)
    return np.where(np.abs(times[nearest] - grid) <= FRAME_S, f0[nearest], 0.0)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
