"""Runs with planted effects, for claims: folders of scores with chosen levels and variances of seeds and utterances."""

import csv
import json
from pathlib import Path

import numpy as np

from ttsbench.reporting.claims import Claim, ScoredRun

UTTERANCES = 12


def planted_run(
    folder: Path,
    levels,
    seeds=5,
    between=0.05,
    within=0.2,
    metric="mcd",
    column="distortion_db",
    adapters=None,
    **values,
):
    """A run whose systems have these levels of a metric, with deviations between trainings and between utterances."""
    (folder / "scores").mkdir(parents=True, exist_ok=True)
    experiment = {"name": "planted", "metrics": {metric: {}}, "adapters": adapters or {}, "seeds": list(range(seeds)),
                  **values}  # fmt: skip
    (folder / "experiment.json").write_text(json.dumps(experiment), encoding="utf-8")
    (folder / "summary.csv").write_text("metric,signature\n", encoding="utf-8")
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 1, UTTERANCES)
    with (folder / "scores" / f"{metric}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["system", "seed", "sample", "utterance", column, "error", "warning"])
        for system, level in levels.items():
            for seed in range(seeds):
                training = level + between * rng.standard_normal()
                for utterance in range(UTTERANCES):
                    value = training + difficulty[utterance] + 0.02 * rng.standard_normal()
                    writer.writerow([system, seed, 0, f"u{utterance}", value, "", ""])
    return ScoredRun(folder)


def claim(margin=0.2, **part):
    """A claim about MCD."""
    return Claim(statement="so", paper="somebody", endpoint={"metric": "mcd", "margin": margin, **part})
