"""Figures of a run, as PNG to look at and PDF to print: what was synthesized, and how training went."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttsbench.audio.mel import log_mel, magnitudes
from ttsbench.audio.wav import read, resample
from ttsbench.config import MelConfig
from ttsbench.store import write_bytes
from ttsbench.trainings import model_of, points

ROW_INCHES = 1.25
WIDTH_INCHES = 7.0  # two columns of a paper
PANELS = 5  # of training curves, side by side
SWEEP_PANELS = 4
RANGE = (-9.0, 1.0)  # natural log of mel magnitudes, shared by all panels


def spectrograms(clips: Mapping[str, Path], title: str, mel: MelConfig) -> Figure:
    """Log-mels of one utterance, a row per system, on one time axis and one colour scale."""
    figure = Figure(figsize=(WIDTH_INCHES, ROW_INCHES * len(clips) + 0.6), layout="constrained")
    rows = figure.subplots(len(clips), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (system, path) in zip(rows, clips.items(), strict=True):
        samples = torch.from_numpy(resample(*read(path), mel.sample_rate))
        image = log_mel(magnitudes(samples, mel), mel).numpy().T
        seconds = image.shape[1] * mel.hop_length / mel.sample_rate
        axes.imshow(image, origin="lower", aspect="auto", cmap="magma", vmin=RANGE[0], vmax=RANGE[1],
                    extent=(0, seconds, 0, mel.n_mels), interpolation="nearest")  # fmt: skip
        axes.set_title(system, loc="left", fontsize=8, pad=2)
        axes.set_ylabel("mel band", fontsize=7)
        axes.tick_params(labelsize=7)
    rows[-1].set_xlabel("time (s)", fontsize=8)
    figure.suptitle(textwrap.fill(textwrap.shorten(title, 240, placeholder=" ..."), 95), fontsize=8)
    return figure


def training_curves(curves: Mapping[str, Sequence[dict[str, str]]]) -> Figure:
    """Loss of every model against optimizer steps: a row of panels per role, a panel per label, a colour per seed.

    A line is the training loss, dots are the validation loss. Every panel has an axis of its own, for the losses of two
    objectives are no common measure, and some are negative.
    """
    by_role = {role: _labels(curves, role) for role in ("acoustic", "prosody")}
    by_role = {role: labels for role, labels in by_role.items() if labels}
    columns = min(PANELS, max(len(labels) for labels in by_role.values()))
    heights = {role: -(-len(labels) // columns) for role, labels in by_role.items()}
    rows = sum(heights.values())
    figure = Figure(figsize=(WIDTH_INCHES, 1.5 * rows + 0.3), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_visible(False)
    first = 0
    for role, labels in by_role.items():
        for number, (label, names) in enumerate(labels.items()):
            axes = panels[first + number // columns, number % columns]
            axes.set_visible(True)
            _curve_panel(axes, f"{label}, {role}", [curves[name] for name in names])
        first += heights[role]
    figure.supxlabel("optimizer step", fontsize=8)
    figure.supylabel("loss (line: training, dots: validation)", fontsize=8)
    return figure


def _labels(curves: Mapping[str, object], role: str) -> dict[str, list[str]]:
    """The folders of each label's models of a role."""
    found: dict[str, list[str]] = {}
    for name in curves:
        if label := model_of(name, role):
            found.setdefault(label, []).append(name)
    return found


def _curve_panel(axes: Axes, title: str, curves: Sequence[Sequence[dict[str, str]]]) -> None:
    for number, curve in enumerate(curves):
        for column, style in (("loss_generator", "-"), ("valid_generator", "o")):
            if found := points(curve, column):
                steps, losses = np.array(found).T
                axes.plot(steps, losses, style, color=f"C{number}", markersize=2, linewidth=0.7)
    axes.set_title(title, fontsize=7, pad=2)
    axes.tick_params(labelsize=6)
    axes.grid(alpha=0.3)


def sweep_figure(frame: pd.DataFrame, references: pd.DataFrame) -> Figure:
    """Every metric against the setting that was swept, a line with its interval per family; dotted: copy-synthesis.

    ``frame`` has columns family, setting, metric, unit, value, low and high, all of one parameter, whose name is in
    the column parameter; ``references`` has metric and value.
    """
    parameter, metrics = frame["parameter"].iloc[0], list(dict.fromkeys(frame["metric"]))
    columns = min(SWEEP_PANELS, len(metrics))
    rows = -(-len(metrics) // columns)
    figure = Figure(figsize=(WIDTH_INCHES, 1.6 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in panels[len(metrics) :]:
        axes.set_visible(False)
    families = list(dict.fromkeys(frame["family"]))
    for axes, metric in zip(panels, metrics, strict=False):
        for number, family in enumerate(families):
            points = frame[(frame["metric"] == metric) & (frame["family"] == family)].astype({"value": float})
            axes.plot(points["setting"], points["value"], "o-", color=f"C{number}", markersize=2.5, linewidth=1,
                      label=family)  # fmt: skip
            bounds = points[["low", "high"]].astype(float)
            axes.fill_between(points["setting"], bounds["low"], bounds["high"], color=f"C{number}", alpha=0.2)
        for value in references.loc[references["metric"] == metric, "value"].astype(float):
            axes.axhline(value, color="black", linestyle=":", linewidth=0.8)
        unit = frame.loc[frame["metric"] == metric, "unit"].iloc[0]
        axes.set_title(f"{metric}{f' ({unit})' if unit else ''}", fontsize=7, pad=2)
        axes.tick_params(labelsize=6)
        axes.grid(alpha=0.3)
        if parameter == "nfe":
            axes.set_xscale("log", base=2)
    figure.supxlabel("function evaluations" if parameter == "nfe" else parameter, fontsize=8)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=7, frameon=False
    )
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """``path`` with .png and .pdf, each whole or not at all."""
    from io import BytesIO

    for kind in ("png", "pdf"):
        buffer = BytesIO()
        figure.savefig(buffer, format=kind, dpi=120)
        write_bytes(path.with_suffix(f".{kind}"), buffer.getvalue())
