"""Forest plot: what every model differs by from the first one, metric by metric, with intervals."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import GREY, LIGHT, colour, few_numbers, grid, panel_title, styled
from ttsbench.reporting.tables import SIGNIFICANT

PANELS = 4  # side by side
ROW_INCHES = 0.17


def differences(run: FinishedRun) -> Drawing | None:
    """Forest plot of paired differences to the first model; nothing where there is one model."""
    frame = differences_frame(run)
    if frame.empty:
        return None
    caption = (
        f"Paired differences to {frame['baseline'].iloc[0]}, on the utterances that both systems have. Filled: told "
        f"apart from 0 (p < {SIGNIFICANT:g} in a paired permutation test after Holm's correction over the systems of a "
        "panel, or the same for every clip; and 0 outside the interval). Shaded: better than the baseline."
    )
    return Drawing(draw_differences(frame), caption, frame)


def differences_frame(run: FinishedRun) -> pd.DataFrame:
    """Columns metric, better, baseline, system, difference, low, high and significant, in the units that are shown."""
    found = run.differences[run.differences["system"].isin(run.shown)]
    parts = []
    for metric in run.experiment.table.metrics or [name for name in run.metrics if not run.asks_cost(name)]:
        rows = found[(found["metric"] == metric) & found["difference"].notna()]
        if rows.empty or not rows["difference"].any():
            continue
        head, info = run.heading(metric), run.metrics[metric].info
        numbers = rows[["difference", "low", "high"]].astype(float) * head.scale
        better = {True: "up", False: "down", None: ""}[info.higher_is_better]
        names = {column: rows[column].map(run.title) for column in ("baseline", "system")}
        told = (rows["p_holm"] < SIGNIFICANT) | (numbers["low"] == numbers["high"])  # what never varies needs no test
        told &= ~((numbers["low"] <= 0) & (numbers["high"] >= 0))
        parts.append(numbers.assign(metric=head.plain, better=better, **names, significant=told))
    columns = ["metric", "better", "baseline", "system", "difference", "low", "high", "significant"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


@styled
def draw_differences(frame: pd.DataFrame) -> Figure:
    """A panel for each metric and a line for each system, from the columns that ``differences_frame`` has."""
    groups = list(frame.groupby("metric", sort=False))
    systems = list(dict.fromkeys(frame["system"]))
    figure, panels = grid(len(groups), PANELS, 0.45 + ROW_INCHES * len(systems), more=0.2)
    for number, (axes, (metric, rows)) in enumerate(zip(panels, groups, strict=True)):
        _panel(axes, rows, systems)
        panel_title(axes, str(metric))
        if number % PANELS:
            axes.tick_params(labelleft=False)
    figure.supxlabel(f"difference to {frame['baseline'].iloc[0]}", fontsize=8)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, systems: list[str]) -> None:
    places = [systems.index(name) for name in rows["system"]]
    axes.hlines(places, rows["low"], rows["high"], color=colour(0), linewidth=1.2)
    fills = [colour(0) if told else "white" for told in rows["significant"]]
    axes.scatter(rows["difference"], places, s=14, facecolors=fills, edgecolors=colour(0), zorder=3)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(systems)), systems)
    axes.set_ylim(len(systems) - 0.5, -0.5)
    low, high = axes.get_xlim()
    better = rows["better"].iloc[0]
    if better:
        axes.axvspan(*((0, max(high, 0)) if better == "up" else (min(low, 0), 0)), color=LIGHT, alpha=0.5, linewidth=0)
        axes.set_xlim(low, high)
    few_numbers(axes)
