"""Cost and final losses of every trained model: ``training.csv``, and its mean over seeds for the table."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import read_json

COLUMNS = (
    "model", "adapter", "role", "seed", "parameters", "steps", "seconds", "seconds_per_step", "loss", "valid_loss",
    "valid_change", "saved_step", "diverged", "converged", "moved", "cosine",
)  # fmt: skip
LAST = 0.25  # share of the steps over which the change of the validation loss is computed
NOISE = 0.05  # share of the range of the training loss; a smaller rise of the validation loss is no divergence
CONVERGED = 0.05  # change in the last quarter that counts as none, as a share of the whole fall


def training_table(run: Path) -> pd.DataFrame:
    """Return a row per trained model of a run. Losses of different objectives are not comparable.

    ``loss`` and ``valid_loss`` are the last values of the generator's losses (bits per dimension for a flow).
    ``valid_change`` is the change of the validation loss over the last quarter of the steps, divided by the largest
    fall from an earlier to a later value. It is near 0 if training has converged, and positive if the loss rises again.
    (The loss itself is no denominator, because the likelihood of a flow has no natural zero.) ``diverged`` is whether
    the validation loss ends above everything before its minimum, so that the training undid all of its progress;
    ``saved_step`` is the step of the saved weights.

    ``converged`` is true if the training ended at a plateau (``ttsbench/stages/training_budget.py``), or if the lowest
    validation loss, whose checkpoint is saved, fell by at most a twentieth of its whole fall in the last quarter of the
    steps at the full learning rate. Objectives that save their last checkpoint have to change by at most a twentieth.

    ``moved`` is the distance of a distilled student from its teacher in standard deviations, and ``cosine`` that
    between the first step of a refiner and the way to the recording, on the validation split; NaN for other models.
    """
    layout = RunLayout(run)
    archived = run / "training.csv"
    if archived.exists() and not layout.train.exists():  # an archived run has results but no models
        return _completed(pd.read_csv(archived).reindex(columns=list(COLUMNS)))
    rows = [_row(path.parent) for path in sorted(layout.train.glob("*/cost.json"))]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _completed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of an archive with the columns that earlier versions did not record."""
    settled = table["valid_change"].abs() <= CONVERGED
    converged = table["converged"].where(table["converged"].notna(), settled)
    return table.assign(diverged=table["diverged"].eq(True), converged=converged.astype(bool))


def training_lines(table: pd.DataFrame) -> list[str]:
    """Return Markdown lines with the models' means over seeds, in the order of the table."""
    if table.empty:
        return []
    lines = [
        "| model | role | seeds | parameters | steps | training (s) | s/step | loss | valid loss "
        "| change in last quarter | converged |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (model, role), rows in table.groupby(["model", "role"], sort=False):
        mean = rows[["steps", "seconds", "seconds_per_step", "loss", "valid_loss", "valid_change"]].mean()
        change = "" if math.isnan(mean["valid_change"]) else f"{mean['valid_change']:+.1%}"
        change += " (diverged)" if rows["diverged"].any() else ""
        lines.append(
            f"| {model} | {role} | {len(rows)} | {rows['parameters'].iloc[0] / 1e6:.2f}M | {mean['steps']:.0f} "
            f"| {mean['seconds']:.0f} | {mean['seconds_per_step']:.3f} | {mean['loss']:.3f} | {mean['valid_loss']:.3f} "
            f"| {change} | {rows['converged'].sum()} of {len(rows)} |"
        )
    return lines


def divergence_notes(table: pd.DataFrame, titles: Mapping[str, str]) -> list[str]:
    """Return a sentence on every model in ``titles`` (label -> title) whose validation loss rose above its start."""
    notes = []
    for (model, role), rows in table.groupby(["model", "role"], sort=False):
        bad = rows[rows["diverged"].astype(bool)]
        if len(bad) and model in titles:
            pairs = zip(bad["saved_step"], bad["steps"], strict=True)
            steps = ", ".join(f"{step:.0f} of {total}" for step, total in pairs)
            notes.append(
                f"The validation loss of {titles[str(model)]} ({role} model) diverged in {len(bad)} of {len(rows)} "
                f"training{'s' * (len(rows) > 1)}: it ends above its start. The weights are those of step {steps}; "
                "train for fewer steps or at a lower rate."
            )
    return notes


def read_curve(path: Path) -> list[dict[str, str]]:
    """Read the ``curve.csv`` of a model."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def model_of(folder: str, role: str) -> str:
    """Return the label in the name of a training folder, ``<label>-<role>-seed<n>``."""
    return folder.rpartition(f"-{role}-seed")[0]


def _row(folder: Path) -> list[object]:
    cost, model = read_json(folder / "cost.json"), read_json(folder / "model.json")
    curve = read_curve(folder / "curve.csv")
    losses, valid = points(curve, "loss_generator"), points(curve, "valid_generator")
    steps, seconds = cost["steps"], cost["seconds"]
    return [
        model_of(folder.name, model["role"]), model["adapter"], model["role"], model["seed"], cost["parameters"], steps,
        round(seconds, 2), round(seconds / steps, 4), _last(losses), _last(valid), _change(valid, steps),
        cost["saved_step"], _has_diverged(valid, losses), _converged(cost, valid),
        *(_last(points(curve, f"valid_monitored_{name}")) for name in ("moved", "cosine")),
    ]  # fmt: skip


def points(curve: Sequence[dict[str, str]], column: str) -> list[tuple[int, float]]:
    """Return (step, value) of every row that has a value in the column."""
    return [(int(row["step"]), float(row[column])) for row in curve if row.get(column)]


def _last(losses: Sequence[tuple[int, float]]) -> float:
    return losses[-1][1] if losses else math.nan


def _change(valid: Sequence[tuple[int, float]], steps: int) -> float:
    """Return the last value minus the interpolated value at three quarters, over the largest fall; NaN if undefined."""
    times, values = [step for step, _ in valid], [value for _, value in valid]
    fall = max((height - value for height, value in zip(accumulate(values, max), values, strict=True)), default=0.0)
    if not fall > 0 or times[0] > (1 - LAST) * steps:
        return math.nan
    return float(values[-1] - np.interp((1 - LAST) * steps, times, values)) / fall


def _has_diverged(valid: Sequence[tuple[int, float]], losses: Sequence[tuple[int, float]]) -> bool:
    """Return whether the last validation loss exceeds all values before the minimum, by more than noise."""
    values, training = [value for _, value in valid], [value for _, value in losses]
    if len(values) < 2 or not training:
        return False
    lowest = int(np.argmin(values))
    rise = values[-1] - values[lowest]
    return values[-1] > max(values[: lowest + 1]) and rise > NOISE * (max(training) - min(training))


def _converged(cost: Mapping[str, Any], valid: Sequence[tuple[int, float]]) -> bool:
    """Return whether a training had converged when its saved checkpoint was made."""
    if cost.get("plateau"):
        return True
    end = cost.get("decay_from") or cost["steps"]  # the loss falls again when the learning rate does
    before = [(step, loss) for step, loss in valid if step <= end]
    if cost.get("keep") == "best":
        before = list(zip([step for step, _ in before], accumulate((loss for _, loss in before), min), strict=True))
    return bool(before) and abs(_change(before, end)) <= CONVERGED
