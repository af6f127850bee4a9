"""Quality against cost: function evaluations and computing time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ttsbench.config.systems import COPY_SYNTHESIS
from ttsbench.reporting.figures.identity import Look, key, looks
from ttsbench.reporting.figures.layout import PANELS, Layout, drawing
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import GREY, legend_above, log_axis, near

PREFERRED = ("energy_score", "utmosv2", "dnsmos", "wer", "mcd", "speaker_similarity", "js_mel")
COSTS = ("nfe", "rtf_model", "rtf")  # NFE, and the first of the real-time factors
COLUMNS = (
    "cost", "metric", "name", "better", "system", "objective", "end_to_end", "family", "at", "cost_low",
    "cost_high", "value", "low", "high", "copy_synthesis", "front", "selected",
)  # fmt: skip


def tradeoff(run: FinishedRun) -> Drawing | None:
    """Draw quality against cost with the Pareto front; None if no cost differs between models."""
    frame = tradeoff_frame(run)
    if frame.empty or not frame["selected"].any():
        return None
    caption = (
        "Quality against cost. Dashed: Pareto front by the values alone, the models that no cheaper model equals. "
        "Dotted: copy-synthesis, the limit of the vocoder, if it is near. Bars: intervals of both axes. Hollow marks: "
        "systems with predicted prosody."
    )
    return Drawing(draw_tradeoff(frame), caption, frame)


def quality_metrics(run: FinishedRun) -> list[str]:
    """Return the metrics of quality with a better direction, those that readers expect first."""
    good = [name for name, rows in run.metrics.items()
            if rows.info.higher_is_better is not None and not run.asks_cost(name)]  # fmt: skip
    preferred = [name for name in PREFERRED if name in good]
    return [*preferred, *(name for name in good if name not in preferred)]


def tradeoff_frame(run: FinishedRun) -> pd.DataFrame:
    """Return one row per cost, metric and model with ``COLUMNS``: the cost ``at``, the quality ``value``, the front."""
    paid = {cost: _paid(run, cost) for cost in COSTS if cost in run.metrics}
    costs = [cost for cost, rows in paid.items() if rows["value"].nunique() > 1][:2]
    metrics = quality_metrics(run)
    selected = run.selected_metrics(metrics)[: PANELS // max(1, len(costs))]
    order = [*selected, *(name for name in metrics if name not in selected)]
    parts = [_pairs(run, cost, paid[cost], metric, metric in selected) for cost in costs for metric in order]
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


def _paid(run: FinishedRun, cost: str) -> pd.DataFrame:
    rows = run.shown_summary(run.models, [cost]).set_index("system")
    return rows[rows["value"] > 0]


def _pairs(run: FinishedRun, cost: str, paid: pd.DataFrame, metric: str, selected: bool) -> pd.DataFrame:
    rows = run.shown_summary(run.models, [metric])
    rows = rows[rows["system"].isin(paid.index)].reset_index(drop=True)
    copied = run.shown_summary([COPY_SYNTHESIS], [metric])["value"]
    costs = paid.loc[rows["system"]]
    pairs = run.identified(rows).assign(
        cost=run.heading(cost).plain,
        metric=run.heading(metric).text,
        name=metric,
        better="up" if run.metrics[metric].info.higher_is_better else "down",
        at=costs["value"].to_numpy(),
        cost_low=costs["low"].to_numpy(),
        cost_high=costs["high"].to_numpy(),
        copy_synthesis=copied.iloc[0] if len(copied) else np.nan,
        selected=rows["system"].isin(run.shown) & selected,
    )
    return pairs.assign(front=on_front(pairs)) if len(pairs) else pairs


def on_front(rows: pd.DataFrame) -> list[bool]:
    """Return which points (at, value) are on the Pareto front: no other is as cheap and as good, and better in one."""
    worth = rows["value"] if rows["better"].iloc[0] == "up" else -rows["value"]
    return [
        not ((rows["at"] <= at) & (worth >= value) & ((rows["at"] < at) | (worth > value))).any()
        for at, value in zip(rows["at"], worth, strict=True)
    ]


@drawing("No trade-off: no cost differs between the selected models.")
def draw_tradeoff(frame: pd.DataFrame, layout: Layout) -> Figure:
    """Draw rows of panels by cost and columns by metric; the front is that of the selected models."""
    groups = list(frame.groupby(["cost", "metric"], sort=False))
    look = looks(frame)
    metrics = frame["metric"].nunique()
    figure, panels = layout.grid(len(groups), 1.6, 0.1, most=min(4, metrics))
    for axes, ((cost, metric), rows) in zip(panels, groups, strict=False):
        _panel(axes, rows.assign(front=on_front(rows)), look)
        axes.set_xlabel(str(cost))
        axes.set_ylabel(str(metric))
    legend_above(figure, key(frame))
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, look: dict[str, Look]) -> None:
    front = rows[rows["front"]].sort_values("at")
    axes.plot(front["at"], front["value"], "--", drawstyle="steps-post", color=GREY, linewidth=0.8, zorder=1)
    axes.axhline(rows["copy_synthesis"].iloc[0], color=GREY, linestyle=":", linewidth=0.8)
    labels = rows["family"] if "family" in rows else rows["system"]
    for family, points in rows.sort_values("at").groupby(labels, sort=False):
        own = look[points["system"].iloc[0]]
        axes.errorbar(points["at"], points["value"], yerr=reach(points, "value", "low", "high"),
                      xerr=reach(points, "at", "cost_low", "cost_high"), elinewidth=0.7, label=str(family),
                      linestyle="-" if len(points) > 1 else "none", **own.points)  # fmt: skip
    near(axes, *extent(rows), rows["copy_synthesis"].iloc[:1])
    axes.margins(x=0.1)
    log_axis(axes)


def extent(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the smallest and the largest value, intervals included."""
    ends = rows[["value", "low", "high"]].to_numpy(dtype=np.float64)
    return float(np.nanmin(ends)), float(np.nanmax(ends))


def reach(points: pd.DataFrame, value: str, low: str, high: str) -> NDArray[np.float64]:
    """Return how far each interval reaches below and above the value (2, n); 0 without an interval."""
    middle, below, above = (points[name].to_numpy(dtype=np.float64) for name in (value, low, high))
    lengths: NDArray[np.float64] = np.nan_to_num(np.maximum(np.stack([middle - below, above - middle]), 0.0))
    return lengths
