"""Forest plot: paired differences of every model from the first model, with intervals."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttsbench.reporting.figures.identity import Look, looks
from ttsbench.reporting.figures.layout import Layout, drawing, label_first_column
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import GREY, LIGHT, few_numbers, panel_title
from ttsbench.reporting.tables import SIGNIFICANT

ROW_INCHES = 0.17
COLUMNS = (
    "metric", "name", "better", "baseline", "system", "objective", "end_to_end", "family", "difference",
    "low", "high", "significant", "selected",
)  # fmt: skip


def differences(run: FinishedRun) -> Drawing | None:
    """Draw the differences from the first model; None for a single model."""
    frame = differences_frame(run)
    if frame.empty or not frame["selected"].any():
        return None
    caption = (
        f"Paired differences from {frame['baseline'].iloc[0]} on the utterances that both systems have. Filled marks: "
        f"significant difference (p < {SIGNIFICANT:g} in a paired permutation test after Holm's correction over the "
        "systems of a panel, or the same difference for every clip; and 0 outside the interval). Shaded: better than "
        "the baseline."
    )
    return Drawing(draw_differences(frame), caption, frame)


def differences_frame(run: FinishedRun) -> pd.DataFrame:
    """Return one row per metric and system with ``COLUMNS``, in display units.

    Costs without uncertainty, such as the number of function evaluations, are left out.
    """
    rows_of = {metric: _rows(run, metric) for metric in run.metrics}
    kept = [metric for metric, rows in rows_of.items() if _informative(rows, run.asks_cost(metric))]
    quality = [metric for metric in kept if not run.asks_cost(metric)]
    selected = run.selected_metrics([m for m in kept if m in quality or m in run.experiment.table.metrics])
    order = [*selected, *(metric for metric in kept if metric not in selected)]
    parts = [
        rows_of[metric].assign(selected=rows_of[metric]["system_name"].isin(run.shown) & (metric in selected))
        for metric in order
    ]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


def _rows(run: FinishedRun, metric: str) -> pd.DataFrame:
    rows = run.differences
    rows = rows[(rows["metric"] == metric) & rows["difference"].notna()]
    head, info = run.heading(metric), run.metrics[metric].info
    numbers = rows[["difference", "low", "high"]].astype(float) * head.scale
    significant = (rows["p_holm"] < SIGNIFICANT) | (numbers["low"] == numbers["high"])  # constants need no test
    significant &= ~((numbers["low"] <= 0) & (numbers["high"] >= 0))
    better = {True: "up", False: "down", None: ""}[info.higher_is_better]
    titled = run.identified(rows[["system"]])
    return titled.join(numbers).assign(
        metric=head.plain, name=metric, better=better, baseline=rows["baseline"].map(run.title), significant=significant
    )


def _informative(rows: pd.DataFrame, cost: bool) -> bool:
    uncertain = bool((rows["low"] < rows["high"]).any())
    return bool(rows["difference"].any()) and (uncertain or not cost)


@drawing("No differences: the selection holds a single model.")
def draw_differences(frame: pd.DataFrame, layout: Layout) -> Figure:
    """Draw a panel per metric and a line per system."""
    groups = list(frame.groupby("metric", sort=False))
    systems = list(dict.fromkeys(frame["system"]))
    height = 0.4 + ROW_INCHES * len(systems)
    figure, panels = layout.grid(len(groups), height, 0.25, systems)
    for axes, (metric, rows) in zip(panels, groups, strict=False):
        _panel(axes, rows, systems, looks(frame))
        panel_title(axes, str(metric))
    label_first_column(panels)
    figure.supxlabel(f"difference from {frame['baseline'].iloc[0]}")
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, systems: list[str], look: dict[str, Look]) -> None:
    for _, row in rows.iterrows():
        place, own = systems.index(row["system"]), look[row["system"]]
        axes.hlines(place, row["low"], row["high"], color=own.colour, linewidth=1.2)
        fill = own.colour if row["significant"] else "white"
        axes.plot(row["difference"], place, **{**own.points, "markerfacecolor": fill}, zorder=3)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(systems)), systems)
    axes.set_ylim(len(systems) - 0.5, -0.5)
    low, high = axes.get_xlim()
    better = rows["better"].iloc[0]
    if better in ("up", "down"):
        axes.axvspan(*((0, max(high, 0)) if better == "up" else (min(low, 0), 0)), color=LIGHT, alpha=0.5, linewidth=0)
        axes.set_xlim(low, high)
    few_numbers(axes)
