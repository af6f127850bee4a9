"""One utterance by every system: log-mel spectrograms with F0."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
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
from ttsbench.errors import ClipError, ConfigError
from ttsbench.evaluation.clip_record import read_record
from ttsbench.evaluation.test_set import evaluated_utterances
from ttsbench.registry import did_you_mean
from ttsbench.reporting.figures.layout import PANELS
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import FONT_SIZE, PAGE_INCHES, small, style

ROW_INCHES = 1.15
RANGE = (-9.0, 1.0)  # natural log of mel magnitudes, shared by all panels
CONTOUR = "#56B4E9"
TICKS = (100, 200, 400)  # Hz


def spectrograms(run: FinishedRun) -> Drawing | None:
    """Draw log-mels and F0 of the first utterance that every system has; None without such an utterance."""
    systems = [name for name in [GROUND_TRUTH, *run.shown] if name in run.wavs][:PANELS]
    for utterance in evaluated_utterances(run.folder):
        try:
            clips = {run.title(name): read_record(run.wavs[name], utterance.id, 0).audio for name in systems}
            figure = draw_spectrograms(clips, f"{utterance.id}: {utterance.text}", run.experiment.mel)
        except (ClipError, OSError):
            continue
        caption = (
            f"Log-mel spectrograms of utterance {utterance.id} with one training seed, on one colour scale. Lines: F0 "
            "on the logarithmic scale to the right."
        )
        return Drawing(figure, caption)
    return None


def draw_spectrograms(
    clips: Mapping[str, Path],
    title: str,
    mel: MelConfig,
    *,
    width: float | None = None,
    columns: int | None = None,
    font_size: float = FONT_SIZE,
    systems: Sequence[str] | None = None,
) -> Figure:
    """Draw a panel for each wav, by name, on one time axis; raises ``ClipError`` for an unreadable wav."""
    for name in systems or ():
        if name not in clips:
            raise ConfigError(f"The figure has no system '{name}'. {did_you_mean(name, clips)}")
    chosen = {name: clips[name] for name in systems or clips}
    sounds = {name: resample(*read(path), mel.sample_rate) for name, path in chosen.items()}
    width = width or PAGE_INCHES
    columns = columns or max(1, min(2, len(sounds), int(width / 2.2)))
    rows = -(-len(sounds) // columns)
    with style(font_size):
        figure = Figure(figsize=(width, ROW_INCHES * rows + 0.5), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
        for axes in panels[len(sounds) :]:
            axes.set_visible(False)
        for number, (axes, (name, samples)) in enumerate(zip(panels, sounds.items(), strict=False)):
            _panel(axes, samples, mel, labels=number % columns == columns - 1 or number == len(sounds) - 1)
            axes.set_title(name, loc="left")
        figure.supxlabel("time (s)")
        figure.supylabel("mel band")
        letters = int(12.3 * width * FONT_SIZE / font_size)
        figure.suptitle(textwrap.fill(textwrap.shorten(title, 240, placeholder=" ..."), letters))
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
        pitch.set_ylabel("F0 (Hz)", fontsize=small())
    pitch.plot(*_contour(samples, mel), color=CONTOUR, linewidth=1.2)


def _contour(samples: np.ndarray, mel: MelConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return times in s and F0 in Hz, NaN where unvoiced; empty arrays for a clip without F0."""
    try:
        f0 = frame_f0(samples, mel.sample_rate, mel.hop_length)
    except ClipError:
        return np.empty(0), np.empty(0)
    times = (np.arange(len(f0)) + 0.5) * mel.hop_length / mel.sample_rate
    return times, np.where(f0 > 0, f0, np.nan)
