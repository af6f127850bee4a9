"""Figures of a run, as PNG to look at and PDF to print: what was synthesized, and how training went."""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from ttsbench.audio.mel import log_mel, magnitudes
from ttsbench.audio.wav import read, resample
from ttsbench.config import MelConfig
from ttsbench.store import write_bytes

ROW_INCHES = 1.25
WIDTH_INCHES = 7.0  # two columns of a paper
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


def training_curves(curves: Mapping[str, Sequence[Mapping[str, str]]]) -> Figure:
    """Training and validation loss of every model against optimizer steps, one panel per role."""
    roles = [role for role in ("acoustic", "prosody") if any(f"-{role}-" in name for name in curves)]
    figure = Figure(figsize=(WIDTH_INCHES, 2.6), layout="constrained")
    panels = figure.subplots(1, len(roles), squeeze=False)[0]
    for axes, role in zip(panels, roles, strict=True):
        for number, name in enumerate(name for name in curves if f"-{role}-" in name):
            colour = f"C{number}"
            for prefix, style in (("loss_generator", "-"), ("valid_generator", "o--")):
                points = [(int(row["step"]), float(row[prefix])) for row in curves[name] if row.get(prefix)]
                if points:
                    steps, losses = np.array(points).T
                    label = name.replace(f"-{role}", "") if style == "-" else None
                    axes.plot(steps, losses, style, color=colour, markersize=3, linewidth=1, label=label)
        axes.set_title(f"{role} models (line: training, dots: validation)", fontsize=8)
        axes.set_xlabel("optimizer step", fontsize=8)
        axes.set_ylabel("loss", fontsize=8)
        axes.set_yscale("log")
        axes.tick_params(labelsize=7, which="both")
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=7, frameon=False)
    return figure


def read_curve(path: Path) -> list[dict[str, str]]:
    """``curve.csv`` of a model."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def save_figure(figure: Figure, path: Path) -> None:
    """``path`` with .png and .pdf, each whole or not at all."""
    from io import BytesIO

    for kind in ("png", "pdf"):
        buffer = BytesIO()
        figure.savefig(buffer, format=kind, dpi=120)
        write_bytes(path.with_suffix(f".{kind}"), buffer.getvalue())
