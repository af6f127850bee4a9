"""Cost of scoring 8 systems by mcd, log_f0_rmse and ffe, relative to pymcd and VERSA on the same clips.

    python benchmarks/scoring.py DATA [--versa mcd_f0.py] [--clips 6] [--processes 2]

DATA holds recordings (.wav, .flac), from which the systems are made first. All tools read 16-bit wavs in the same
worker processes, which have imported and compiled everything. Each round of clips goes to one tool after the
other, so that a drift of the machine's speed affects all of them.

pymcd computes MCD alone, with its own function in mode "dtw". VERSA's tool is `mcd_f0` with the options of
egs/demo/tts.yaml (dtw: true), which computes MCD, F0 RMSE and F0 correlation; --versa names
versa/sequence_metrics/mcd_f0.py of a checkout. Without it the preset `mcd_versa_dtw` replaces it, which costs less: it
leaves out D4C, the alignment for F0 and the loops over frames.

The results are ratios of processor time, with at most 1/10 of pymcd and 1/20 of VERSA as the goal, and the time of each
step.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import sys
import tempfile
import time
import types
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyworld
import soundfile

from ttsbench import registry
from ttsbench.audio.cepstrum import SAMPLE_RATE, world_mel_cepstrum
from ttsbench.audio.dtw import dtw_path
from ttsbench.audio.pitch import F0_MAX, F0_MIN, world_f0
from ttsbench.audio.wav import read, write
from ttsbench.checks.selftest.degrade import degraded, with_f0
from ttsbench.types import Clip

METRICS = ("mcd", "log_f0_rmse", "ffe")
SHORTEST_S, LONGEST_S = 3.0, 9.0
ROUND = 4  # recordings that a tool is given before the next has its turn
SYSTEMS: dict[str, Callable[[Clip], Clip]] = {
    "copy": lambda clip: with_f0(clip, 1.0),
    "higher": lambda clip: with_f0(clip, 1.1),
    "monotone": lambda clip: degraded(clip, "flat_f0", 0.67, np.random.default_rng(0)),
    "slow": lambda clip: degraded(clip, "stretch", 1.1, np.random.default_rng(0)),
    "slower": lambda clip: degraded(clip, "stretch", 1.25, np.random.default_rng(0)),
    "noisy": lambda clip: degraded(clip, "noise", 20.0, np.random.default_rng(0)),
    "muffled": lambda clip: degraded(clip, "low_pass", 4_000.0, np.random.default_rng(0)),
    "smooth": lambda clip: degraded(clip, "smoothing", 1_000.0, np.random.default_rng(0)),
}
Utterance = tuple[Path, tuple[Path, ...]]  # the reference, and each system's


def main() -> None:
    """Make the systems, time all three and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--versa", type=Path)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # one core for each worker
    with tempfile.TemporaryDirectory() as folder:
        utterances = prepare(options.data, options.clips, Path(folder))
        with warm_pool(utterances[0], options.versa, options.processes) as pool:
            print(f"{options.processes} processes, ", end="")
            compare(pool, utterances, options.versa)
            print("\nstep, not needed in brackets      cpu s per s of a clip")
            for step, seconds in pool.apply(profile, (utterances,)).items():
                print(f"{step:32} {seconds:12.5f}")


def prepare(data: Path, count: int, folder: Path) -> list[Utterance]:
    """Return recordings of 3 to 9 s spread over the data, and the versions of eight systems, as 16-bit wavs."""
    files = [path for path in sorted(data.rglob("*")) if path.suffix in (".wav", ".flac")]
    files = [path for path in files if SHORTEST_S < soundfile.info(path).duration < LONGEST_S]
    if len(files) < count:
        raise SystemExit(f"{data} holds {len(files)} recordings of {SHORTEST_S:g} to {LONGEST_S:g} s, not {count}.")
    utterances = []
    for place in np.linspace(0, len(files) - 1, count).astype(int).tolist():
        clip = Clip(files[place].stem, *read(files[place]))
        paths = [folder / f"{clip.id}-{name}.wav" for name in ("reference", *SYSTEMS)]
        for path, made in zip(paths, [clip, *(make(clip) for make in SYSTEMS.values())], strict=True):
            write(path, made.samples, made.sample_rate)
        utterances.append((paths[0], tuple(paths[1:])))
    return utterances


def warm_pool(utterance: Utterance, versa: Path | None, processes: int) -> Any:
    """Return worker processes that have imported and compiled everything."""
    context = multiprocessing.get_context("spawn")
    pool = context.Pool(processes, warm_up, (utterance, versa, context.Barrier(processes)))
    pool.map(abs, range(processes))  # done when the barrier is passed
    return pool


def compare(pool: Any, utterances: Sequence[Utterance], versa: Path | None) -> None:
    """Time the three tools on the same clips in turns, and print the cost per second of a system's audio."""
    pairs: dict[str, Callable[..., float]] = {"pymcd": score_by_pymcd}
    pairs["VERSA" if versa else "VERSA's mcd alone"] = partial(score_by_versa, versa)
    wall, cpu = (dict.fromkeys(("ttsbench", *pairs), 0.0) for _ in range(2))
    for start in range(0, len(utterances), ROUND):
        given = sorted(utterances[start : start + ROUND], key=lambda one: -one[0].stat().st_size)
        work: dict[str, tuple[Callable[..., float], list[Any]]] = {"ttsbench": (score, list(given))}
        work |= {name: (tool, [(a, b) for a, made in given for b in made]) for name, tool in pairs.items()}
        for name, (tool, tasks) in work.items():
            began = time.perf_counter()
            cpu[name] += sum(pool.map(tool, tasks, chunksize=1))
            wall[name] += time.perf_counter() - began
    audio_s = len(SYSTEMS) * sum(soundfile.info(reference).duration for reference, _ in utterances)
    print(f"{len(utterances)} recordings x {len(SYSTEMS)} systems = {audio_s:.0f} s of audio\n")
    print(f"{'':18} {'wall, s':>8} {'cpu, s':>8} {'cpu s per s':>12} {'ttsbench costs':>15} {'by wall time':>13}")
    for name in cpu:
        ratios = f"1/{cpu[name] / cpu['ttsbench']:.1f}", f"1/{wall[name] / wall['ttsbench']:.1f}"
        shown = ("", "") if name == "ttsbench" else ratios
        print(f"{name:18} {wall[name]:8.2f} {cpu[name]:8.2f} {cpu[name] / audio_s:12.4f} {shown[0]:>15} {shown[1]:>13}")


def score(utterance: Utterance) -> float:
    """Return processor seconds for an utterance of all systems by the three metrics, as in the score stage."""
    began = time.process_time()
    reference_path, paths = utterance
    metrics = [metric(name) for name in METRICS]
    reference = Clip("reference", *read(reference_path))
    for path in paths:
        clip = Clip(path.stem, *read(path))
        for one in metrics:
            one.measure(clip.at(one.info.sample_rate), reference.at(one.info.sample_rate))
    return time.process_time() - began


def score_by_pymcd(pair: tuple[Path, Path]) -> float:
    """Return processor seconds for one pair by pymcd's own function."""
    from pymcd.mcd import Calculate_MCD

    began = time.process_time()
    Calculate_MCD(MCD_mode="dtw").calculate_mcd(*map(str, pair))
    return time.process_time() - began


def score_by_versa(versa: Path | None, pair: tuple[Path, Path]) -> float:
    """Return processor seconds for one pair by VERSA's own function, or by the preset."""
    began = time.process_time()
    if versa is None:
        reference, clip = (Clip(path.stem, *read(path)) for path in pair)
        metric("mcd_versa_dtw").measure(clip, reference)
    else:
        (truth, rate), (made, _) = (soundfile.read(path) for path in pair)
        versa_module(versa).mcd_f0(made, truth, rate, 40, 800, dtw=True)
    return time.process_time() - began


def warm_up(utterance: Utterance, versa: Path | None, all_warm: Any) -> None:
    """Import and compile everything, and wait for the other processes to have done so."""
    reference, paths = utterance
    score((reference, paths[:1]))
    score_by_pymcd((reference, paths[0]))
    score_by_versa(versa, (reference, paths[0]))
    all_warm.wait()


@cache
def metric(name: str) -> Any:
    """Return the metric; one object per process."""
    return registry.load("metrics", name)()


@cache
def versa_module(path: Path) -> Any:
    """Load VERSA's file; its imports from its own package, which only register it, are left empty."""
    names = ("BaseMetric", "MetricCategory", "MetricMetadata", "MetricType")
    definition = types.ModuleType("versa.definition")
    definition.__dict__.update(dict.fromkeys(names, object))
    sys.modules |= {"versa": types.ModuleType("versa"), "versa.definition": definition}
    spec = importlib.util.spec_from_file_location("versa_mcd_f0", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python file; give versa/sequence_metrics/mcd_f0.py of a checkout of VERSA.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def profile(utterances: Sequence[Utterance]) -> dict[str, float]:
    """Print processor seconds per second of a clip, by step."""
    spent: dict[str, float] = {}
    audio_s = 0.0

    def timed(step: str, function: Callable[..., Any], *given: Any, **options: Any) -> Any:
        began = time.process_time()
        result = function(*given, **options)
        spent[step] = spent.get(step, 0.0) + time.process_time() - began
        return result

    for reference, paths in utterances:
        mceps = []
        for path in (reference, *paths):
            clip = Clip(path.stem, *timed("read", read, path))
            samples = timed("resample to 16 kHz", clip.at, SAMPLE_RATE).samples
            x = samples.astype(np.float64)
            f0 = timed("F0: DIO and StoneMask", world_f0, samples, SAMPLE_RATE)
            timed("(DIO of WORLD)", pyworld.dio, x, SAMPLE_RATE, f0_floor=F0_MIN, f0_ceil=F0_MAX)
            mceps.append(timed("envelope, mel-cepstrum", world_mel_cepstrum, samples, SAMPLE_RATE, f0)[:, 1:])
            times = np.arange(len(f0)) * 0.005
            timed("(CheapTrick of WORLD)", pyworld.cheaptrick, x, f0, times, SAMPLE_RATE, fft_size=1024)
            audio_s += clip.duration_s
        for mcep in mceps[1:]:
            timed("DTW", dtw_path, mcep, mceps[0])
    return {step: seconds / audio_s for step, seconds in spent.items()}


if __name__ == "__main__":
    main()
