"""One utterance as every system speaks it: log-mels, with F0 over them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttsbench.audio.mel import log_mel, magnitudes
from ttsbench.audio.pitch import F0_MAX, F0_MIN, frame_f0
from ttsbench.audio.wav import read, resample
from ttsbench.config.schema import MelConfig
from ttsbench.config.systems import GROUND_TRUTH
from ttsbench.errors import ClipError
from ttsbench.evaluation.clip_record import read_record
from ttsbench.evaluation.test_set import evaluated_utterances
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import PAGE_INCHES, styled

PANELS = 2  # side by side
SYSTEMS = 12  # that a page holds
ROW_INCHES = 1.15
RANGE = (-9.0, 1.0)  # natural log of mel magnitudes, shared by all panels
CONTOUR = "#56B4E9"
TICKS = (100, 200, 400)  # Hz


def spectrograms(run: FinishedRun) -> Drawing | None:
    """Log-mels and F0 of the first utterance that every system has made; nothing where there is none."""
    systems = [name for name in [GROUND_TRUTH, *run.shown] if name in run.wavs][:SYSTEMS]
    for utterance in evaluated_utterances(run.folder):
        try:
            clips = {run.title(name): read_record(run.wavs[name], utterance.id, 0).audio for name in systems}
            figure = draw_spectrograms(clips, f"{utterance.id}: {utterance.text}", run.experiment.mel)
        except (ClipError, OSError):
            continue
        caption = (
            f"Log-mel spectrograms of utterance {utterance.id}, one training seed, on one scale of colours; F0 over "
            "them, on the logarithmic scale to the right."
        )
        return Drawing(figure, caption)
    return None


@styled
def draw_spectrograms(clips: Mapping[str, Path], title: str, mel: MelConfig) -> Figure:
    """A panel for each wav, by name, on one time axis. Raises ``ClipError`` for one that cannot be read."""
    sounds = {name: resample(*read(path), mel.sample_rate) for name, path in clips.items()}
    rows = -(-len(sounds) // PANELS)
    figure = Figure(figsize=(PAGE_INCHES, ROW_INCHES * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, PANELS, sharex=True, sharey=True, squeeze=False).flatten()
    for axes in panels[len(sounds) :]:
        axes.set_visible(False)
    for number, (axes, (name, samples)) in enumerate(zip(panels, sounds.items(), strict=False)):
        _panel(axes, samples, mel, labels=number % PANELS == PANELS - 1 or number == len(sounds) - 1)
        axes.set_title(name, loc="left")
    figure.supxlabel("time (s)", fontsize=8)
    figure.supylabel("mel band", fontsize=8)
    figure.suptitle(textwrap.fill(textwrap.shorten(title, 240, placeholder=" ..."), 85))
    return figure


def _panel(axes: Axes, samples: np.ndarray, mel: MelConfig, labels: bool) -> None:
    image = log_mel(magnitudes(torch.from_numpy(samples), mel), mel).numpy().T
    seconds = image.shape[1] * mel.hop_length / mel.sample_rate
    axes.imshow(image, origin="lower", aspect="auto", cmap="magma", vmin=RANGE[0], vmax=RANGE[1],
                extent=(0, seconds, 0, mel.n_mels), interpolation="nearest")  # fmt: skip
    axes.grid(visible=False)
    pitch = axes.twinx()
    pitch.grid(visible=False)
    pitch.set_yscale("log")
    pitch.set_ylim(F0_MIN, F0_MAX)
    pitch.set_yticks(TICKS, [str(tick) for tick in TICKS] if labels else [])
    pitch.minorticks_off()
    if labels:
        pitch.set_ylabel("F0 (Hz)", fontsize=7)
    pitch.plot(*_contour(samples, mel), color=CONTOUR, linewidth=1.2)


def _contour(samples: np.ndarray, mel: MelConfig) -> tuple[np.ndarray, np.ndarray]:
    """Times in s and F0 in Hz, NaN where unvoiced; nothing where a clip has no F0."""
    try:
        f0 = frame_f0(samples, mel.sample_rate, mel.hop_length)
    except ClipError:
        return np.empty(0), np.empty(0)
    times = (np.arange(len(f0)) + 0.5) * mel.hop_length / mel.sample_rate
    return times, np.where(f0 > 0, f0, np.nan)
