"""Distributions of F0, durations, levels and mel bands in a system's clips and in the recordings.

Drawn from the histograms of the divergence metrics: any metric whose sufficient statistics are counts
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
from ttsbench.reporting.figures.identity import Look, looks
from ttsbench.reporting.figures.layout import Layout, drawing
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import GREY, LIGHT, legend_above, panel_handles, panel_title

SYSTEMS = 6  # lines that a panel holds
COLUMNS = (
    "system", "objective", "end_to_end", "metric", "name", "axis", "left", "right", "share", "reference", "low", "high",
    "value", "selected",
)  # fmt: skip
SPREAD = (0.1, 0.5, 0.9)  # quantiles of the levels in a mel band

Values = NDArray[np.float64]
# Metric -> (label of the axis, transform of the bin edges for display).
AXES: dict[str, tuple[str, Callable[[Values], Values]]] = {
    "js_log_f0": ("F0 (Hz)", np.exp),
    "js_delta_log_f0": ("change of log-F0", np.asarray),
    "js_duration": ("phone (ms)", lambda edges: 1000 * np.exp(edges)),
    "js_energy": ("level (dB)", np.asarray),
    "js_mel": ("mel band", np.asarray),
}


def distributions(run: FinishedRun) -> Drawing | None:
    """Draw the distributions of systems and recordings; None without histograms or without differences."""
    frame = distributions_frame(run)
    if frame.empty or not frame["selected"].any():
        return None
    shown = frame.loc[frame["selected"].astype(bool), "system"].nunique()
    left_out = f" The figure shows the first {SYSTEMS} of {len(run.shown)} systems." if len(run.shown) > shown else ""
    caption = (
        "Distributions over the whole test set: systems (lines) and recordings (grey). For mel bands, the lines show "
        f"the median level, and the grey area the range from the 10 % to the 90 % quantile of the recordings.{left_out}"
    )
    return Drawing(draw_distributions(frame), caption, frame)


def distributions_frame(run: FinishedRun) -> pd.DataFrame:
    """Return one row per system, metric and bin with ``COLUMNS``; the shares of a histogram sum to 1.

    A metric with several histograms has one row per band instead: ``share`` and ``reference`` hold the median levels,
    ``low`` and ``high`` the 10 % and 90 % quantiles of the recordings.
    """
    systems = [name for name in run.systems if name in {*run.shown, *run.models}]
    metrics = [rows for rows in run.metrics.values() if _has_histograms(rows) and _differs(rows, systems)]
    selected = run.selected_metrics([rows.info.name for rows in metrics])
    first = run.shown[:SYSTEMS]
    parts = []
    for rows, system in product(metrics, systems):
        if rows.scores(system).rows.size:  # every clip may have failed
            part = _shares(run, rows, system)
            parts.append(part.assign(selected=rows.info.name in selected and system in first))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


def _has_histograms(rows: MetricRows) -> bool:
    bins = getattr(rows.metric, "bins", None)
    return isinstance(bins, Bins) and "reference_0_0" in rows.info.columns


def _differs(rows: MetricRows, systems: list[str]) -> bool:
    """Return whether any system differs from the recordings; with oracle prosody, durations do not."""
    return any(rows.value(system) > 0 for system in systems)


def _shares(run: FinishedRun, rows: MetricRows, system: str) -> pd.DataFrame:
    counts = rows.scores(system).rows.sum(axis=0)
    columns = list(rows.info.columns)
    bins: Bins = rows.metric.bins
    bands = sum(name.startswith("reference_") for name in columns) // bins.count
    shares = []
    for side in ("clip", "reference"):
        names = [[f"{side}_{band}_{level}" for level in range(bins.count)] for band in range(bands)]
        numbers = np.array([[counts[columns.index(name)] for name in band] for band in names])
        total = numbers.sum(axis=1, keepdims=True)
        shares.append(np.divide(numbers, total, out=np.full(numbers.shape, np.nan), where=total > 0))
    axis, show = AXES.get(rows.info.name, (rows.info.title, np.asarray))
    edges = show(bins.low + bins.width * np.arange(bins.count + 1))
    values = _histogram_rows(edges, *shares) if bands == 1 else _band_rows(edges, *shares)
    head = run.heading(rows.info.name)
    frame = pd.DataFrame(values, columns=["left", "right", "share", "reference", "low", "high"]).assign(
        system=system, metric=head.title, name=rows.info.name, axis=axis, value=rows.value(system) * head.scale
    )
    return run.identified(frame)


def _histogram_rows(edges: Values, clips: Values, recordings: Values) -> list[tuple[float, ...]]:
    """Return the bins of a histogram, without the empty tails."""
    used = np.flatnonzero(np.nan_to_num(clips[0]) + np.nan_to_num(recordings[0]))
    inside = range(used[0], used[-1] + 1) if len(used) else range(len(edges) - 1)
    sides = zip(clips[0].round(5), recordings[0].round(5), strict=True)
    every = [(edges[i], edges[i + 1], *pair, np.nan, np.nan) for i, pair in enumerate(sides)]
    return [every[i] for i in inside]


def _band_rows(edges: Values, clips: Values, recordings: Values) -> list[tuple[float, ...]]:
    """Return the median level of every band, and the range of the recordings."""
    rows: list[tuple[float, ...]] = []
    for band, (own, reference) in enumerate(zip(clips, recordings, strict=True)):
        low, middle, high = _quantiles(edges, reference)
        rows.append((band, band + 1, _quantiles(edges, own)[1], middle, low, high))
    return rows


def _quantiles(edges: Values, shares: Values) -> list[float]:
    """Return the levels below which ``SPREAD`` of the frames lie, linear within bins."""
    below = np.concatenate([[0.0], np.cumsum(np.nan_to_num(shares))])
    return [float(np.interp(share * below[-1], below, edges)) for share in SPREAD]


@drawing("No distributions: no metric of the selection holds histograms.")
def draw_distributions(frame: pd.DataFrame, layout: Layout) -> Figure:
    """Draw a panel per quantity and a line per system."""
    groups = list(frame.groupby("metric", sort=False))
    look = looks(frame)
    dashes = _dashes(frame)
    figure, panels = layout.grid(len(groups), 1.4, 0.1)
    for axes, (metric, rows) in zip(panels, groups, strict=False):
        (_bands if rows["low"].notna().any() else _histograms)(axes, rows, look, dashes)
        axes.set_xlabel(rows["axis"].iloc[0])
        panel_title(axes, str(metric))
    legend_above(figure, panel_handles(panels))
    return figure


def _dashes(frame: pd.DataFrame) -> dict[str, str]:
    """Dash the lines of end-to-end systems, which share a colour with the system of the same objective."""
    hollow = {system for system, own in looks(frame).items() if own.hollow}
    return {system: "--" if system in hollow else "-" for system in dict.fromkeys(frame["system"])}


def _histograms(axes: Axes, rows: pd.DataFrame, look: dict[str, Look], dashes: dict[str, str]) -> None:
    top = 0.0
    for number, (system, own) in enumerate(_by_system(rows)):
        edges = [*own["left"], own["right"].iloc[-1]]
        if number == 0:
            axes.stairs(own["reference"].fillna(0), edges, fill=True, color=LIGHT, label="recordings")
        axes.stairs(own["share"].fillna(0), edges, color=look[system].colour, linestyle=dashes[system], label=system)
        top = max(top, float(np.nanmax([*own["share"], *own["reference"], 0.0])))
    scale = "log" if (rows["left"] > 0).all() else "linear"
    axes.set_xscale(scale)
    used = rows[(rows["share"].fillna(0) + rows["reference"].fillna(0)) > 0.001]
    if len(used):
        axes.set_xlim(used["left"].min(), used["right"].max())
    axes.set_ylim(0, 1.1 * top or 1.0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _few_ticks(axes, scale)


def _by_system(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(system), own) for system, own in rows.groupby("system", sort=False)]


def _few_ticks(axes: Axes, scale: str) -> None:
    low, high = axes.get_xlim()
    if scale == "log":
        ticks = [tick for tick in (10, 20, 50, 100, 200, 400, 800) if low <= tick <= high]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
    else:
        axes.locator_params(axis="x", nbins=3)


def _bands(axes: Axes, rows: pd.DataFrame, look: dict[str, Look], dashes: dict[str, str]) -> None:
    """Draw levels by band: the range of the recordings as an area, the medians as lines."""
    for number, (system, own) in enumerate(_by_system(rows)):
        if number == 0:
            axes.fill_between(own["left"], own["low"], own["high"], color=LIGHT, linewidth=0, label="recordings")
            axes.plot(own["left"], own["reference"], color=GREY)
        axes.plot(own["left"], own["share"], color=look[system].colour, linestyle=dashes[system], label=system)
    axes.set_ylabel("level (dB)")
    axes.locator_params(axis="x", nbins=4)
