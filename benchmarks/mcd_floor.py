"""Evidence for the floor of MCD: its rank correlation with wide-band PESQ over damages of real recordings.

    python benchmarks/mcd_floor.py DATA [--clips 6] [--floors -80 -60 -45 -40]

DATA holds recordings at 16 kHz or more (.wav, .flac). Copies of them are damaged by low-pass filters, white noise,
babble of the other recordings, codecs (MP3, Vorbis, mu-law at 8 kHz) and exchange with another sentence. PESQ (ITU-T
P.862.2, package `pesq`) and MCD are averaged over the recordings. The table has Spearman's correlation of -MCD with
PESQ over the damages for every floor, and the MCD of each damage.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from pesq import pesq
from scipy.signal import butter, sosfiltfilt
from scipy.stats import spearmanr

from ttsbench import registry
from ttsbench.audio import cepstrum
from ttsbench.audio.wav import read, resample
from ttsbench.types import Clip, Samples

RATE = 16_000
LENGTH_S = 4.0
Damage = Callable[[Samples, Samples, np.random.Generator], NDArray[np.floating]]  # recording, babble, generator


def main() -> None:
    """Print PESQ of every damage, and correlation and MCD for every floor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--floors", type=float, nargs="+", default=[-80.0, -60.0, -50.0, -45.0, -40.0])
    options = parser.parse_args()
    recordings = load(options.data, options.clips)
    damaged = {name: damage_all(recordings, damage) for name, damage in damages().items()}
    scores = {name: mean_pesq(recordings, copies) for name, copies in damaged.items()}
    columns = {floor: {name: mean_mcd(recordings, copies, floor) for name, copies in damaged.items()}
               for floor in options.floors}  # fmt: skip
    print(f"{len(recordings)} recordings\n{'':18} {'PESQ':>6}" + "".join(f"{floor:>9g} dB" for floor in columns))
    for name, score in sorted(scores.items(), key=lambda item: -item[1]):
        print(f"{name:18} {score:6.2f}" + "".join(f"{column[name]:12.2f}" for column in columns.values()))
    print(f"{'Spearman':25}" + "".join(f"{agreement(scores, column):12.2f}" for column in columns.values()))


def load(data: Path, count: int) -> list[Samples]:
    """Return the first 4 s at 16 kHz of recordings spread over the folder, (N,) each."""
    files = [path for path in sorted(data.rglob("*")) if path.suffix in (".wav", ".flac")]
    files = [path for path in files if soundfile.info(path).duration > LENGTH_S]
    places = np.linspace(0, len(files) - 1, count).astype(int)
    return [resample(*read(files[place]), RATE)[: int(LENGTH_S * RATE)] for place in places]


def damages() -> dict[str, Damage]:
    """Return all damages by name."""
    found: dict[str, Damage] = {f"low-pass {hz / 1000:g} kHz": partial(_low_pass, hz) for hz in
                                (1_000, 2_000, 3_000, 4_300, 6_000)}  # fmt: skip
    found |= {f"noise {snr} dB": partial(_noise, snr) for snr in (0, 10, 20, 30)}
    found |= {f"babble {snr} dB": partial(_babble, snr) for snr in (0, 10, 20)}
    found |= {f"MP3 {level:g}": partial(_coded, "MP3", level) for level in (0.0, 0.5, 0.99)}
    found |= {f"Vorbis {level:g}": partial(_coded, "OGG", level) for level in (0.0, 0.99)}
    return found | {"mu-law 8 kHz": _mu_law, "another sentence": _exchange}


def damage_all(recordings: Sequence[Samples], damage: Damage) -> list[Samples]:
    """Return a damaged copy of every recording, of the same length."""
    copies = []
    for number, samples in enumerate(recordings):
        others = [*recordings[number + 1 :], *recordings[:number]]
        copy = damage(samples, np.stack(others), np.random.default_rng(number))
        copies.append(np.resize(copy, len(samples)).astype(np.float32))
    return copies


def mean_pesq(recordings: Sequence[Samples], copies: Sequence[Samples]) -> float:
    """Return the mean wide-band PESQ."""
    return float(np.mean([pesq(RATE, x, y, "wb") for x, y in zip(recordings, copies, strict=True)]))


def mean_mcd(recordings: Sequence[Samples], copies: Sequence[Samples], floor_db: float) -> float:
    """Return the mean MCD with a floor of the envelope, in dB relative to the level of the clip."""
    metric = registry.load("metrics", "mcd")()
    with _floor(floor_db):
        pairs = [(Clip("copy", y, RATE), Clip("recording", x, RATE)) for x, y in zip(recordings, copies, strict=True)]
        return float(np.mean([metric.measure(*pair)[0] for pair in pairs]))


def agreement(scores: Mapping[str, float], distortions: Mapping[str, float]) -> float:
    """Return Spearman's correlation of PESQ with the negative distortion."""
    return float(spearmanr([scores[name] for name in scores], [-distortions[name] for name in scores]).statistic)


@contextmanager
def _floor(floor_db: float) -> Iterator[None]:
    before, cepstrum.FLOOR_DB = cepstrum.FLOOR_DB, floor_db
    try:
        yield
    finally:
        cepstrum.FLOOR_DB = before


def _low_pass(cutoff_hz: float, samples: Samples, _: Samples, __: np.random.Generator) -> NDArray[np.floating]:
    filtered: NDArray[np.floating] = sosfiltfilt(butter(8, cutoff_hz, fs=RATE, output="sos"), samples)
    return filtered


def _noise(snr_db: float, samples: Samples, _: Samples, rng: np.random.Generator) -> NDArray[np.floating]:
    return _mixed(samples, rng.standard_normal(len(samples)), snr_db)


def _babble(snr_db: float, samples: Samples, others: Samples, _: np.random.Generator) -> NDArray[np.floating]:
    return _mixed(samples, others.sum(axis=0), snr_db)


def _coded(container: str, level: float, samples: Samples, _: Samples, __: np.random.Generator) -> NDArray[np.floating]:
    """Encode and decode; ``level`` is libsndfile's compression level, 0 best to 1 smallest."""
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=container, compression_level=level)
    file.seek(0)
    return np.pad(soundfile.read(file, dtype="float32")[0], (0, len(samples)))[: len(samples)]


def _mu_law(samples: Samples, _: Samples, __: np.random.Generator) -> NDArray[np.floating]:
    file = io.BytesIO()
    soundfile.write(file, resample(samples, RATE, 8_000), 8_000, format="WAV", subtype="ULAW")
    file.seek(0)
    return resample(soundfile.read(file, dtype="float32")[0], 8_000, RATE)


def _exchange(_: Samples, others: Samples, __: np.random.Generator) -> NDArray[np.floating]:
    return others[0]


def _mixed(samples: Samples, noise: NDArray[np.floating], snr_db: float) -> NDArray[np.floating]:
    scale = np.sqrt(np.mean(samples**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    mixture: NDArray[np.floating] = samples + scale * noise
    return mixture


if __name__ == "__main__":
    main()
