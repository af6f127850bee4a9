"""Log-mel spectrograms with F0 of one utterance by every system."""

from __future__ import annotations

import dataclasses
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
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
from ttsbench.reporting.figures.layout import PANELS, Layout, drawing
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import FONT_SIZE, PAGE_INCHES, panel_title, small

COLUMNS = ("system", "system_name", "utterance", "text", "seconds", "f0", "mel", "selected")
PANEL_HEIGHT, TWO_COLUMNS = 1.1, 4.5  # inches; from the second on, two panels are side by side
RANGE = (-9.0, 1.0)  # natural log of mel magnitudes, shared by all panels
STEPS = 25  # stored levels per unit: 250 in the range, about as many as the colour map has
CONTOUR = "#56B4E9"
TICKS = (100, 200, 400)  # Hz


def spectrograms(run: FinishedRun) -> Drawing | None:
    """Draw log-mels and F0 of the first utterance that all shown systems have; None without such an utterance."""
    frame = spectrograms_frame(run)
    if frame.empty:
        return None
    caption = (
        f"Log-mel spectrograms of utterance {frame['utterance'].iloc[0]} with one training seed, on one colour scale. "
        "Lines: F0 on the logarithmic scale to the right."
    )
    return Drawing(draw_spectrograms(frame), caption, frame, dense=True)


def spectrograms_frame(run: FinishedRun) -> pd.DataFrame:
    """Return one row per system and mel frame with ``COLUMNS``, for the first utterance that all selected systems have.

    ``mel`` holds the natural logarithms of the mel magnitudes, lowest band first. The recording and the first systems
    that the experiment shows are selected.
    """
    names = [name for name in dict.fromkeys([GROUND_TRUTH, *run.shown, *run.systems]) if name in run.wavs]
    selected = [name for name in names if name == GROUND_TRUTH or name in run.shown][:PANELS]
    for utterance in evaluated_utterances(run.folder):
        parts = []
        for name in names:
            try:
                clip = clip_frame(read_record(run.wavs[name], utterance.id, 0).audio, run.experiment.mel)
            except (ClipError, OSError):
                if name in selected:
                    break  # another utterance is drawn
                continue
            clip = clip.assign(system=run.title(name), system_name=name, selected=name in selected)
            parts.append(clip.assign(utterance=utterance.id, text=utterance.text))
        else:
            if parts:
                return pd.concat(parts, ignore_index=True)[list(COLUMNS)]
    return pd.DataFrame(columns=list(COLUMNS))


def clip_frame(path: Path, mel: MelConfig) -> pd.DataFrame:
    """Return seconds, f0 (Hz, NaN if unvoiced) and mel of every frame of a wav; raises ``ClipError`` if unreadable."""
    samples = resample(*read(path), mel.sample_rate)
    bands = log_mel(magnitudes(torch.from_numpy(samples), mel), mel).numpy().clip(*RANGE)
    bands = (np.round(bands * STEPS) / STEPS).astype(np.float32)
    contour = _f0(samples, mel)[: len(bands)]
    return pd.DataFrame(
        {
            "seconds": (np.arange(len(bands)) + 0.5) * mel.hop_length / mel.sample_rate,
            "f0": np.pad(contour, (0, len(bands) - len(contour)), constant_values=np.nan).astype(np.float32),
            "mel": list(bands),
        }
    )


def _f0(samples: np.ndarray, mel: MelConfig) -> np.ndarray:
    try:
        f0 = frame_f0(samples, mel.sample_rate, mel.hop_length)
    except ClipError:  # too short for F0
        return np.empty(0)
    return np.where(f0 > 0, f0, np.nan)


@drawing("No spectrograms: the selection holds no clip.")
def draw_spectrograms(frame: pd.DataFrame, layout: Layout) -> Figure:
    """Draw a panel per system on common axes of time and frequency."""
    groups = list(frame.groupby("system", sort=False))
    width = layout.width or PAGE_INCHES
    columns = layout.columns or (2 if width >= TWO_COLUMNS and len(groups) > 1 else 1)
    letters = int(14.5 * width * FONT_SIZE / layout.font_size)
    text = f"{frame['utterance'].iloc[0]}: {frame['text'].iloc[0]}"
    title = textwrap.fill(textwrap.shorten(text, 240, placeholder=" …"), letters)
    more = 0.3 + 0.14 * len(title.splitlines())
    figure, panels = dataclasses.replace(layout, width=width, columns=columns).grid(len(groups), PANEL_HEIGHT, more)
    end = float(frame["seconds"].max())
    for number, (axes, (system, rows)) in enumerate(zip(panels, groups, strict=False)):
        _panel(axes, rows, labels=number % columns == columns - 1 or number == len(panels) - 1)
        axes.set_xlim(0, end)
        axes.tick_params(labelleft=number % columns == 0, labelbottom=number >= len(panels) - columns)
        panel_title(axes, str(system), letters // columns)
    figure.supxlabel("time (s)")
    figure.supylabel("mel band")
    figure.suptitle(title)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, labels: bool) -> None:
    image = np.stack(rows["mel"].tolist()).T
    half = float(rows["seconds"].iloc[0])  # the first row is the middle of the first frame
    extent = (0, float(rows["seconds"].iloc[-1]) + half, 0, len(image))
    axes.imshow(image, origin="lower", aspect="auto", cmap="magma", vmin=RANGE[0], vmax=RANGE[1], extent=extent,
                interpolation="nearest")  # fmt: skip
    axes.grid(visible=False)
    pitch = axes.twinx()
    pitch.grid(visible=False)
    pitch.set_yscale("log")
    pitch.set_ylim(F0_MIN, F0_MAX)
    pitch.set_yticks(TICKS, [str(tick) for tick in TICKS] if labels else [])
    pitch.minorticks_off()
    if labels:
        pitch.set_ylabel("F0 (Hz)", fontsize=small())
    pitch.plot(rows["seconds"], rows["f0"], color=CONTOUR, linewidth=1.2)
