"""Calibration benchmark: the spread of each objective's draws against their error, and energy scores, on held-out mels.

Trains acoustic models of an experiment on its prepared corpus and draws mels of held-out utterances from the recorded
prosody. All numbers are in standard deviations of the normalised target:

    rmse      root mean squared error of the mean of all draws, corrected for their finite number
    std       standard deviation of the draws, pooled over utterances, frames and bands
    ratio     std / rmse: 1 is calibrated, 0 is a deterministic model
    one       root mean squared error of a single draw
    es        energy score per frame, E|d - y| - E|d - d'| / 2, over sqrt(bands); lower is better (Gneiting and Raftery
              2007, https://doi.org/10.1198/016214506000001437)
    es10      the same over windows of 10 frames
    - l2      difference of es to the row ``l2`` with a 95 % bootstrap interval over utterances

    python benchmarks/calibration.py --adapters l2 diffusion flow --steps 500 --output runs/calibration
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttsbench.config.loading import load_experiment
from ttsbench.config.schema import AdapterConfig, Experiment
from ttsbench.config.specs import TrainSpec
from ttsbench.data.batching import collate, item
from ttsbench.data.corpus import PreparedCorpus, PreparedUtterance
from ttsbench.engine.executor import execute
from ttsbench.engine.job import AnyJob, Run
from ttsbench.engine.progress import RunReporter, console
from ttsbench.models.speech_model import SpeechModel, load_model, utterance_seed
from ttsbench.pipeline.plan import make_plan
from ttsbench.stages.model_cache import restore_models
from ttsbench.types import Noise

BASELINE = "l2"
WINDOW = 10  # frames
COLUMNS = ("rmse", "std", "ratio", "one", "es", "es10")


def main() -> None:
    """Train what is missing, measure every adapter and print the table."""
    options = parse_arguments()
    torch.set_num_threads(1)
    run, jobs = trained(options)
    corpus = PreparedCorpus(run.folder / "prepare")
    utterances = corpus.split("test")
    chosen = utterances[:: max(1, len(utterances) // options.utterances)][: options.utterances]
    print(f"{'adapter':16}" + "".join(f"{name:>8}" for name in COLUMNS) + f"{'- l2':>26}{'draw, cpu-s':>13}")
    scores: dict[str, np.ndarray] = {}
    for label, job in jobs.items():
        model = load_model(job.path(run), run.folder).to(options.device)
        began = time.process_time()
        sampling = json.loads(options.sampling) if options.sampling else {}
        measured, per_utterance = measure(model, corpus, chosen, options, sampling)
        scores[label] = per_utterance
        row = "".join(f"{measured[name]:8.3f}" for name in COLUMNS)
        print(f"{label:16}{row}{difference(scores, label):>26}{time.process_time() - began:13.0f}", flush=True)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", type=Path, default=Path("experiments/objectives.yaml"))
    parser.add_argument(
        "--adapters", nargs="+", default=[BASELINE, "diffusion", "flow_matching", "flow", "sled", "dmd"]
    )
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="overrides of the experiment")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--utterances", type=int, default=15)
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--nfe", type=int, default=0, help="function evaluations; 0 is each adapter's default")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--sampling", default="", help="sampling options as JSON, for all adapters")
    parser.add_argument("--device", default="cpu", help="where draws are made")
    parser.add_argument("--output", type=Path, default=Path("runs/calibration"))
    options: argparse.Namespace = parser.parse_args()
    return options


def trained(options: argparse.Namespace) -> tuple[Run, dict[str, AnyJob]]:
    """Prepare the corpus and train the acoustic model of every adapter; the run and the jobs by label."""
    overrides = [f"train.acoustic.steps={options.steps}", *options.set]
    experiment = load_experiment(options.experiment, overrides, [options.seed])
    adapters = {name: experiment.adapters.get(name, AdapterConfig(adapter=name)) for name in options.adapters}
    experiment = experiment.model_copy(update={"adapters": adapters, "prosody": ("oracle",), "claims": None})
    run = Run(options.output.resolve(), experiment)
    run.folder.mkdir(parents=True, exist_ok=True)
    plan = [job for job in make_plan(experiment) if job.stage in ("prepare", "train")]
    if experiment.compute.reuse:
        restore_models(run, plan)
    failures = execute(run, plan, 1, RunReporter(console(), True))
    if failures:
        raise SystemExit("\n".join(f"{job}: {reason}" for job, reason in failures.items()))
    return run, {name: _acoustic(experiment, plan, name) for name in adapters}


def _acoustic(experiment: Experiment, plan: Sequence[AnyJob], label: str) -> AnyJob:
    config = experiment.adapters[label]
    return next(
        job
        for job in reversed(plan)
        if isinstance(job.spec, TrainSpec)
        and (job.spec.adapter, job.spec.options, job.spec.role) == (config.adapter, config.options, "acoustic")
        and job.id.startswith(f"train {label}-")
    )


def measure(
    model: SpeechModel,
    corpus: PreparedCorpus,
    utterances: Sequence[PreparedUtterance],
    options: argparse.Namespace,
    sampling: Mapping[str, Any],
) -> tuple[dict[str, float], np.ndarray]:
    """Return the table's numbers of one model, and the energy score of every utterance."""
    count = options.draws
    nfe = options.nfe or model.adapter.info.nfe[0]
    squared = variance = single = elements = 0.0
    frames, windows = [], []
    for utterance in utterances:
        batch = collate([item(corpus, utterance, "acoustic")] * count, "acoustic").to(torch.device(options.device))
        noise = Noise([utterance_seed("calibration", utterance.id, draw) for draw in range(count)])
        with torch.no_grad():
            draws = model.sample(model(batch), nfe, noise, options.temperature, **sampling).cpu()
        target = batch.target[0].cpu()
        spread = draws.var(dim=0)
        squared += float((target - draws.mean(dim=0)).square().sum() - spread.sum() / count)
        variance += float(spread.sum())
        single += float((target - draws).square().sum()) / count
        elements += target.numel()
        frames.append(energy_score(draws, target))
        windows.append(energy_score(windowed(draws), windowed(target)))
    rmse, std = (max(squared, 0.0) / elements) ** 0.5, (variance / elements) ** 0.5
    values = (rmse, std, std / rmse, (single / elements) ** 0.5, float(np.mean(frames)), float(np.mean(windows)))
    return dict(zip(COLUMNS, values, strict=True)), np.asarray(frames)


def energy_score(draws: Tensor, target: Tensor) -> float:
    """Unbiased energy score of draws (K, N, C) of a target (N, C): the mean over N, divided by sqrt(C)."""
    count = len(draws)
    to_target = (draws - target).norm(dim=-1).mean(dim=0)
    between = torch.stack([(draws - one).norm(dim=-1) for one in draws]).sum(dim=(0, 1)) / (count * (count - 1))
    score = (to_target - 0.5 * between).mean() / target.shape[-1] ** 0.5
    return float(score)


def windowed(x: Tensor) -> Tensor:
    """Join each ``WINDOW`` frames of x (..., T, C): (..., T // WINDOW, WINDOW * C)."""
    count = x.shape[-2] // WINDOW
    return x[..., : count * WINDOW, :].reshape(*x.shape[:-2], count, WINDOW * x.shape[-1])


def difference(scores: Mapping[str, np.ndarray], label: str) -> str:
    """Mean difference of the energy score to the baseline's, with an interval over utterances."""
    if BASELINE not in scores or label == BASELINE:
        return ""
    values = scores[label] - scores[BASELINE]
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (2000, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{values.mean():+.4f} [{low:+.4f}, {high:+.4f}]"


if __name__ == "__main__":
    main()
