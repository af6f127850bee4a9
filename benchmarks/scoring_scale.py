"""Scaling of the score stage: time and memory for 100 to 2,000 utterances of two systems.

    python benchmarks/scoring_scale.py [--counts 100 500 1000 2000]

Clips are synthetic, about a second long, all different, and written before the measurement. A fresh process scores each
count as the score stage does: utterance by utterance, with all systems and metrics together. Time should be linear and
peak memory flat, apart from the rows.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench import registry
from ttsbench.audio.wav import read, write
from ttsbench.checks.conformance.speech import SAMPLE_RATE, voice
from ttsbench.types import Clip

METRICS = ("mcd", "log_f0_rmse", "ffe")
SYSTEMS = {"higher": (1.05, 1.0), "wider": (1.0, 1.06)}  # factors of F0 and of the formants


def main() -> None:
    """Make the clips, score each count in a fresh process and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 500, 1_000, 2_000])
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        with context.Pool(len(SYSTEMS)) as pool:
            pool.starmap(prepare, [(Path(folder), number) for number in range(max(options.counts))], chunksize=50)
        print(f"{'utterances':>10} {'cells':>7} {'wall, s':>8} {'cpu, s':>8} {'cpu ms per cell':>16} {'peak, MiB':>10}")
        for count in options.counts:
            with context.Pool(1) as pool:
                wall_s, cpu_s, peak = pool.apply(score, (Path(folder), count))
            cells = count * len(SYSTEMS) * len(METRICS)
            print(f"{count:>10} {cells:>7} {wall_s:8.1f} {cpu_s:8.1f} {1e3 * cpu_s / cells:16.2f} {peak:10.0f}")


def prepare(folder: Path, number: int) -> None:
    """Write a reference of 0.8 to 1.2 s and a version of it for each system."""
    rng = np.random.default_rng(number)
    f0, tract, duration_s = rng.uniform(90, 220), rng.uniform(0.9, 1.15), rng.uniform(0.8, 1.2)
    for name, (higher, wider) in {"reference": (1.0, 1.0), **SYSTEMS}.items():
        write(folder / f"{number}-{name}.wav", voice(f0 * higher, tract * wider, duration_s), SAMPLE_RATE)
    voice.cache_clear()


def score(folder: Path, count: int) -> tuple[float, float, float]:
    """Return wall and processor seconds for ``count`` utterances, and the peak memory of this process in MiB."""
    metrics = [registry.load("metrics", name)() for name in METRICS]
    measured(folder, 0, metrics)  # compiles
    wall, cpu = time.perf_counter(), time.process_time()
    rows = [row for number in range(count) for row in measured(folder, number, metrics)]
    spent = time.perf_counter() - wall, time.process_time() - cpu
    assert len(rows) == count * len(SYSTEMS) * len(METRICS)
    return *spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(folder: Path, number: int, metrics: list[Any]) -> list[tuple[float, ...]]:
    """Return the rows of one utterance."""
    reference = Clip(str(number), *read(folder / f"{number}-reference.wav"))
    rows = []
    for name in SYSTEMS:
        clip = Clip(str(number), *read(folder / f"{number}-{name}.wav"))
        for one in metrics:
            rows.append(one.measure(clip.at(one.info.sample_rate), reference.at(one.info.sample_rate)))
    return rows


if __name__ == "__main__":
    main()
