"""Which metrics agree with listeners? An example whose answer is known.

Eight sentences of the embedded corpus are degraded in four kinds (noise, low-pass filter, spectral smoothing, flat F0)
with three grades each, which makes twelve "systems". The "listeners" score a system by its grade alone, from 4 for the
mildest to 2 for the strongest, so that a metric agrees with them only if it notices all kinds of damage.

    python examples/metric_validity.py DIR

writes the wavs to DIR, scores them with ``ttsbench score`` and prints the agreement of every metric with
``ttsbench validity``. With scores of real listeners, replace ``listeners.csv`` by theirs.
"""

from __future__ import annotations

import csv
import sys
import zlib
from pathlib import Path

import numpy as np

from ttsbench.audio.wav import write
from ttsbench.checks.selftest.degrade import GRADES, degraded
from ttsbench.checks.selftest.recordings import espeak_recordings
from ttsbench.cli import main
from ttsbench.types import Degradation

KINDS: tuple[Degradation, ...] = ("noise", "low_pass", "smoothing", "flat_f0")
GRADES_USED = 3  # the strongest of each kind
METRICS = "mcd,ffe,log_f0_rmse,f0_correlation,js_log_f0,js_energy,js_mel,std_ratio_log_f0,gv_ratio,speaker_similarity"


def make_systems(folder: Path) -> dict[str, int]:
    """Write the recordings and the degraded clips; return the listeners' score of each system."""
    scores = {}
    for clip in espeak_recordings():
        (folder / "reference").mkdir(parents=True, exist_ok=True)
        write(folder / "reference" / f"{clip.id}.wav", clip.samples, clip.sample_rate)
        for kind in KINDS:
            for number, grade in enumerate(GRADES[kind][-GRADES_USED:]):
                system = f"{kind}-{number + 1}"
                rng = np.random.default_rng(zlib.crc32(f"{clip.id} {kind}".encode()))
                worse = degraded(clip, kind, grade, rng)
                (folder / system).mkdir(exist_ok=True)
                write(folder / system / f"{clip.id}.wav", worse.samples, worse.sample_rate)
                scores[system] = 4 - number
    return scores


def run(folder: Path, metrics: str = METRICS, *options: str) -> int:
    """Make the systems, score them, and compare every metric with the listeners; return the exit status.

    ``options`` are further arguments of ``ttsbench score``.
    """
    scores = make_systems(folder)
    listeners = folder / "listeners.csv"
    with listeners.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["system", "utterance", "mos"])
        ids = sorted(path.stem for path in (folder / "reference").glob("*.wav"))
        rows.writerows([system, id_, score] for system, score in scores.items() for id_ in ids)
    generated = [f"{system}={folder / system}" for system in scores]
    command = ["score", "--reference", str(folder / "reference"), "--generated", *generated, "--metrics", metrics]
    main([*command, "--output", str(folder / "run"), "--quiet", *options])  # a clip without F0 is no failure here
    return main(["validity", str(folder / "run"), "--listeners", str(listeners)])


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))
