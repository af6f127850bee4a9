"""Calibration: the spread of a system's draws against the error of their mean.

The draws of a calibrated system spread as much as their mean errs (V. Fortin et al. 2014,
https://doi.org/10.1175/JHM-D-14-0008.1). Systems below the diagonal draw too similar clips; deterministic systems lie
at 0. Both are relative to the error of the first system, because their own unit differs between metrics. Drawn from any
metric whose columns are ``squared_spread`` and ``squared_error``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ttsbench.reporting.figures.identity import key, looks
from ttsbench.reporting.figures.layout import NARROW_INCHES, Layout, drawing
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import GREY, legend_above, panel_title

STATISTICS = ("squared_spread", "squared_error")
COLUMNS = (
    "metric", "name", "system", "objective", "end_to_end", "family", "error", "spread", "selected",
)  # fmt: skip


def calibration(run: FinishedRun) -> Drawing | None:
    """Draw spread against error; None without a metric of calibration."""
    frame = calibration_frame(run)
    if frame.empty or not frame["selected"].any():
        return None
    caption = (
        "Spread of the draws (standard deviation) against the root mean square error of their mean, both relative to "
        f"the error of {run.title(run.models[0])}. The diagonal is a "
        "calibrated system; below it the draws are too similar, and deterministic systems lie at 0. Farther left is "
        "better."
    )
    return Drawing(draw_calibration(frame), caption, frame)


def calibration_frame(run: FinishedRun) -> pd.DataFrame:
    """Return one row per metric and model with ``COLUMNS``."""
    parts = []
    for name, rows in run.metrics.items():
        columns = list(rows.info.columns)
        if not set(STATISTICS) <= set(columns):
            continue
        places = [columns.index(statistic) for statistic in STATISTICS]
        points, unit = [], 0.0
        for system in run.models:
            statistics = rows.scores(system).rows[:, places]
            if len(statistics):
                spread, error = np.sqrt(np.maximum(statistics.mean(axis=0), 0))
                unit = unit or error
                points.append((system, error / unit, spread / unit))
        part = run.identified(pd.DataFrame(points, columns=["system", "error", "spread"]))
        part = part.assign(metric=run.heading(name).title, name=name, selected=part["system_name"].isin(run.shown))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


@drawing("No calibration: the selection holds no draws.")
def draw_calibration(frame: pd.DataFrame, layout: Layout) -> Figure:
    """Draw a panel per metric and a mark per model."""
    groups = list(frame.groupby("metric", sort=False))
    look = looks(frame)
    figure, panels = layout.grid(len(groups), 2.2, 0.1, most=2)
    narrow = figure.get_figwidth() < NARROW_INCHES
    top = 1.1 * float(np.nanmax(frame[["error", "spread"]].to_numpy()))
    for axes, (metric, rows) in zip(panels, groups, strict=False):
        axes.plot([0, top], [0, top], color=GREY, linestyle="--", linewidth=0.8)
        labels = rows["family"] if "family" in rows else rows["system"]
        for family, points in rows.groupby(labels, sort=False):
            own = look[points["system"].iloc[0]]
            axes.plot(points["error"], points["spread"], linestyle="none", label=str(family), **own.points)
        axes.set_xlim(0, top)
        axes.set_ylim(-0.03 * top, top)
        panel_title(axes, str(metric), 21 if narrow else 40)
        axes.locator_params(nbins=3 if narrow else 5)
    figure.supxlabel("error of the mean of the draws")
    figure.supylabel("spread of the draws")
    legend_above(figure, key(frame))
    return figure
