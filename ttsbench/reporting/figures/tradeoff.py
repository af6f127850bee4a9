"""Quality against what it costs: function evaluations and computing time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import GREY, colour, grid, legend_above, log_axis, marker, near, styled

PANELS = 4  # side by side
PREFERRED = ("utmosv2", "dnsmos", "wer", "mcd", "speaker_similarity", "js_mel")
COSTS = ("nfe", "rtf_model", "rtf")  # of the last two, the first that there is
BOUNDS = ["cost_low", "cost_high", "low", "high"]


def tradeoff(run: FinishedRun) -> Drawing | None:
    """Quality against cost with its Pareto front; nothing where no cost differs between models."""
    costs = [name for name in COSTS if name in run.metrics][:2]
    frame = tradeoff_frame(run, costs, quality_metrics(run, PANELS))
    if frame.empty:
        return None
    caption = (
        "Quality against cost. Dashed: Pareto front, the models that none with less cost is better than, by the values "
        "alone. Dotted: copy-synthesis, which is the vocoder's share, where it is near. Bars: the intervals of both."
    )
    return Drawing(draw_tradeoff(frame), caption, frame)


def quality_metrics(run: FinishedRun, most: int) -> list[str]:
    """Metrics with a better and a worse end that are no cost: the experiment's choice, or those that readers expect."""
    good = [name for name, rows in run.metrics.items()
            if rows.info.higher_is_better is not None and not run.asks_cost(name)]  # fmt: skip
    chosen = [name for name in run.experiment.table.metrics if name in good]
    preferred = [name for name in PREFERRED if name in good]
    return (chosen or [*preferred, *(name for name in good if name not in preferred)])[:most]


def tradeoff_frame(run: FinishedRun, costs: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """One row per cost, metric and system: the cost ``at``, the quality ``value``, and whether on the ``front``."""
    parts = []
    for cost in costs:
        paid = run.shown_summary(run.models, [cost]).set_index("system")
        paid = paid[paid["value"] > 0]
        if paid["value"].nunique() < 2:
            continue
        for metric in metrics:
            rows = run.shown_summary(run.models, [metric])
            rows = rows[rows["system"].isin(paid.index)]
            copied = run.shown_summary(["copy-synthesis"], [metric])["value"]
            found = pd.DataFrame(
                {
                    "cost": run.heading(cost).plain,
                    "metric": run.heading(metric).text,
                    "better": "up" if run.metrics[metric].info.higher_is_better else "down",
                    "system": [run.title(name) for name in rows["system"]],
                    "family": [run.family(name) for name in rows["system"]],
                    "at": paid.loc[rows["system"], "value"].to_numpy(),
                    "cost_low": paid.loc[rows["system"], "low"].to_numpy(),
                    "cost_high": paid.loc[rows["system"], "high"].to_numpy(),
                    **{name: rows[name].to_numpy() for name in ("value", "low", "high")},
                    "copy_synthesis": copied.iloc[0] if len(copied) else np.nan,
                }
            )
            parts.append(found.assign(front=on_front(found)))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def on_front(rows: pd.DataFrame) -> list[bool]:
    """Of points (at, value), whether no other is at least as cheap and as good, and better in one of the two."""
    worth = rows["value"] if rows["better"].iloc[0] == "up" else -rows["value"]
    return [
        not ((rows["at"] <= at) & (worth >= value) & ((rows["at"] < at) | (worth > value))).any()
        for at, value in zip(rows["at"], worth, strict=True)
    ]


@styled
def draw_tradeoff(frame: pd.DataFrame) -> Figure:
    """Rows of panels by cost, columns by metric, from the columns that ``tradeoff_frame`` has."""
    groups = list(frame.groupby(["cost", "metric"], sort=False))
    columns = frame["metric"].nunique()
    figure, panels = grid(len(groups), columns, 1.75)
    numbers = {family: number for number, family in enumerate(dict.fromkeys(frame["family"]))}
    for axes, ((cost, metric), rows) in zip(panels, groups, strict=True):
        _panel(axes, rows, numbers)
        axes.set_xlabel(str(cost))
        axes.set_ylabel(str(metric))
    legend_above(figure, panels)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, numbers: dict[str, int]) -> None:
    front = rows[rows["front"]].sort_values("at")
    axes.plot(front["at"], front["value"], "--", drawstyle="steps-post", color=GREY, linewidth=0.8, zorder=1)
    axes.axhline(rows["copy_synthesis"].iloc[0], color=GREY, linestyle=":", linewidth=0.8)
    for family, number in numbers.items():
        points = rows[rows["family"] == family].sort_values("at")
        axes.errorbar(points["at"], points["value"], yerr=reach(points, "value", "low", "high"),
                      xerr=reach(points, "at", "cost_low", "cost_high"), fmt=marker(number), color=colour(number),
                      elinewidth=0.7, linestyle="-" if len(points) > 1 else "none", label=family)  # fmt: skip
    near(axes, *extent(rows), rows["copy_synthesis"].iloc[:1])
    axes.margins(x=0.1)
    log_axis(axes)


def extent(rows: pd.DataFrame) -> tuple[float, float]:
    """The least and the largest of values and intervals."""
    ends = rows[["value", "low", "high"]].to_numpy(dtype=np.float64)
    return float(np.nanmin(ends)), float(np.nanmax(ends))


def reach(points: pd.DataFrame, value: str, low: str, high: str) -> NDArray[np.float64]:
    """How far each interval reaches below and above the value (2, n); not at all where there is none."""
    middle, below, above = (points[name].to_numpy(dtype=np.float64) for name in (value, low, high))
    found: NDArray[np.float64] = np.nan_to_num(np.maximum(np.stack([middle - below, above - middle]), 0.0))
    return found
