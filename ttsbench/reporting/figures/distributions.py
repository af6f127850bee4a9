"""What a system's clips hold over what the recordings hold: F0, durations, levels, mel bands.

Drawn from the histograms that the divergence metrics are made of: any metric whose sufficient statistics are counts
``clip_<histogram>_<bin>`` and ``reference_<histogram>_<bin>`` over its ``bins`` (ttsbench.audio.histogram.Bins).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ttsbench.audio.histogram import Bins
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import GREY, LIGHT, PAGE_INCHES, colour, styled

PANELS = 5  # quantities side by side
SYSTEMS = 9  # that a page holds
ROW_INCHES = 0.75
COLUMNS = ("system", "metric", "axis", "scale", "band", "left", "right", "share", "reference", "value")
SPREAD = (0.1, 0.5, 0.9)  # of the levels in a mel band

Values = NDArray[np.float64]
# What the bins of a metric are of, and how their edges are shown.
AXES: dict[str, tuple[str, Callable[[Values], Values]]] = {
    "js_log_f0": ("F0 (Hz)", np.exp),
    "js_delta_log_f0": ("change of log-F0", np.asarray),
    "js_duration": ("phone (ms)", lambda edges: 1000 * np.exp(edges)),
    "js_energy": ("level (dB)", np.asarray),
    "js_mel": ("mel band", np.asarray),
}


def distributions(run: FinishedRun) -> Drawing | None:
    """Distributions of every system over the recordings'; nothing without histograms, or where none of them differs."""
    systems = run.shown[:SYSTEMS]
    frame = distributions_frame(run, systems)
    if frame.empty:
        return None
    left_out = f" The first {SYSTEMS} of {len(run.shown)} systems." if len(run.shown) > SYSTEMS else ""
    caption = (
        "Distributions over the whole test set: each system (line) over the recordings (grey), with the divergence of "
        f"the two. Of mel bands: median, and the range of four fifths of all frames.{left_out}"
    )
    return Drawing(draw_distributions(frame), caption, frame)


def distributions_frame(run: FinishedRun, systems: list[str]) -> pd.DataFrame:
    """One row per system, metric, band and bin, with ``COLUMNS``: shares of a band, which add up to 1."""
    metrics = [rows for rows in run.metrics.values() if _has_histograms(rows) and _moves(rows, systems)]
    parts = [_shares(run, rows, system) for rows, system in product(metrics[:PANELS], systems)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def _has_histograms(rows: MetricRows) -> bool:
    bins = getattr(rows.metric, "bins", None)
    return isinstance(bins, Bins) and "reference_0_0" in rows.info.columns


def _moves(rows: MetricRows, systems: list[str]) -> bool:
    """Whether any system differs from the recordings: durations do not where they are the recordings' own."""
    return any(rows.value(system) > 0 for system in systems)


def _shares(run: FinishedRun, rows: MetricRows, system: str) -> pd.DataFrame:
    counts = rows.scores(system).rows.sum(axis=0)
    columns = list(rows.info.columns)
    bins: Bins = rows.metric.bins
    bands = sum(name.startswith("reference_") for name in columns) // bins.count
    keys = list(product(range(bands), range(bins.count)))
    shares = []
    for side in ("clip", "reference"):
        found = np.array([counts[columns.index(f"{side}_{band}_{level}")] for band, level in keys])
        total = found.reshape(bands, -1).sum(axis=1).repeat(bins.count)
        shares.append(np.divide(found, total, out=np.full(len(found), np.nan), where=total > 0))
    head = run.heading(rows.info.name)
    axis, show = AXES.get(rows.info.name, (rows.info.title, np.asarray))
    edges = show(bins.low + bins.width * np.arange(bins.count + 1))
    return pd.DataFrame(
        {
            "system": run.title(system),
            "metric": head.plain,
            "axis": axis,
            "scale": "log" if (edges > 0).all() else "linear",
            "band": [band for band, _ in keys],
            "left": [edges[level] for _, level in keys],
            "right": [edges[level + 1] for _, level in keys],
            "share": shares[0].round(5),
            "reference": shares[1].round(5),
            "value": rows.value(system) * head.scale,
        }
    )


@styled
def draw_distributions(frame: pd.DataFrame) -> Figure:
    """Systems down, quantities across, from ``COLUMNS``."""
    systems, metrics = (list(dict.fromkeys(frame[column])) for column in ("system", "metric"))
    size = (PAGE_INCHES, ROW_INCHES * len(systems) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(systems), len(metrics), squeeze=False, sharex="col")
    for line, column in product(range(len(systems)), range(len(metrics))):
        axes = panels[line, column]
        rows = frame[(frame["system"] == systems[line]) & (frame["metric"] == metrics[column])]
        (_bands if rows["band"].max() > 0 else _histogram)(axes, rows)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.text(1, 1, f"{rows['value'].iloc[0]:.3f}", transform=axes.transAxes, ha="right", va="top", fontsize=7)
        if line == 0:
            axes.set_title(metrics[column])
        if line == len(systems) - 1:
            axes.set_xlabel(rows["axis"].iloc[0])
        if column == 0:
            axes.set_ylabel(systems[line], rotation=0, ha="right", va="center", fontsize=7)
    return figure


def _histogram(axes: Axes, rows: pd.DataFrame) -> None:
    edges = [*rows["left"], rows["right"].iloc[-1]]
    axes.stairs(rows["reference"], edges, fill=True, color=LIGHT)
    axes.stairs(rows["share"], edges, color=colour(0))
    axes.set_xscale(rows["scale"].iloc[0])
    there = rows[(rows["share"] + rows["reference"]) > 0.001]
    axes.set_xlim(there["left"].min(), there["right"].max())
    axes.set_ylim(0, 1.25 * max(rows["share"].max(), rows["reference"].max()))
    _few_ticks(axes, rows["scale"].iloc[0])


def _few_ticks(axes: Axes, scale: str) -> None:
    low, high = axes.get_xlim()
    if scale == "log":
        ticks = [tick for tick in (10, 20, 50, 100, 200, 400, 800) if low <= tick <= high]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
    else:
        axes.locator_params(axis="x", nbins=3)


def _bands(axes: Axes, rows: pd.DataFrame) -> None:
    """Levels by band: a line for the median, a line or an area for the range of most frames."""
    bands = np.arange(rows["band"].max() + 1)
    low, middle, high = np.array([_quantiles(rows[rows["band"] == band], "reference") for band in bands]).T
    axes.fill_between(bands, low, high, color=LIGHT, linewidth=0)
    axes.plot(bands, middle, color=GREY)
    for line, width in zip(np.array([_quantiles(rows[rows["band"] == band], "share") for band in bands]).T,
                           (0.6, 1.2, 0.6), strict=True):  # fmt: skip
        axes.plot(bands, line, color=colour(0), linewidth=width)
    low_end, high_end = axes.get_ylim()
    axes.set_ylim(low_end, high_end + 0.2 * (high_end - low_end))
    axes.locator_params(axis="x", nbins=4)


def _quantiles(band: pd.DataFrame, side: str) -> list[float]:
    """Where ``SPREAD`` of a band's frames lie below, linear within bins."""
    below = np.concatenate([[0.0], np.cumsum(band[side])])
    edges = [band["left"].iloc[0], *band["right"]]
    return [float(np.interp(share * below[-1], below, edges)) for share in SPREAD]
