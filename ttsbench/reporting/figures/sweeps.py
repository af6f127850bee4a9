"""Metrics against the setting that was swept: temperature, function evaluations, steps of Langevin dynamics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttsbench.config.schema import pair
from ttsbench.config.systems import COPY_SYNTHESIS
from ttsbench.reporting.figures.families import Sweep, find_sweeps, refined
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import (
    GREY,
    colour,
    grid,
    legend_above,
    log_axis,
    marker,
    near,
    panel_title,
    styled,
)
from ttsbench.reporting.figures.tradeoff import extent

PANELS = 4  # side by side
LINEAR = ("temperature", "guidance")  # axes; the others are logarithmic
COLUMNS = ("axis", "family", "setting", "metric", "value", "low", "high")
FIRST = ("std_ratio", "gv_", "js_")  # what a sweep is about comes first, in this order
TEXT = (
    "Metrics that change with {}; bands are their intervals, horizontal lines systems without that setting, where they "
    "are near."
)


def temperature(run: FinishedRun) -> Drawing | None:
    """Metrics against the temperature of sampling; nothing where it was not swept."""
    return _drawing(run, "temperature", "temperature", lambda hypothesis: True)


def nfe(run: FinishedRun) -> Drawing | None:
    """Metrics against function evaluations; nothing where they were not swept."""
    return _drawing(run, "nfe", "function evaluations", lambda hypothesis: not hypothesis)


def guidance(run: FinishedRun) -> Drawing | None:
    """Metrics against the scale of guidance; nothing where it was not swept."""
    return _drawing(run, "guidance", "guidance", lambda hypothesis: True)


def langevin(run: FinishedRun) -> Drawing | None:
    """Metrics against steps of refinement, beside the hypothesis they begin with; nothing where they were not swept."""
    return _drawing(run, "nfe", "steps of Langevin dynamics", bool)


def _drawing(run: FinishedRun, parameter: str, axis: str, wanted: Callable[[str], bool]) -> Drawing | None:
    if not run.experiment.adapters:
        return None
    found = [one for one in find_sweeps(run.experiment) if one.parameter == parameter]
    hypotheses = {one.family: refined(run.experiment, one.label) for one in found}
    sweeps = [one for one in found if wanted(hypotheses[one.family])]
    begun = {f"{hypotheses[one.family]}+{pair(name)[1]}" for one in sweeps for name in one.systems.values()}
    frame = sweep_frame(run, sweeps, axis, [name for name in run.systems if name in begun])
    return None if frame.empty else Drawing(draw_sweep(frame), TEXT.format(axis), frame)


def sweep_frame(run: FinishedRun, sweeps: Sequence[Sweep], axis: str, beside: Sequence[str] = ()) -> pd.DataFrame:
    """The summary's rows of swept systems, with ``COLUMNS``; references have no setting. Costs are left out."""
    metrics = sorted((name for name in run.metrics if not run.asks_cost(name)), key=_order)
    parts = []
    for name in metrics:
        rows = [_family(run, name, sweep) for sweep in sweeps]
        swept = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
        if swept.empty or swept["value"].nunique() < 2:
            continue
        references = run.shown_summary([COPY_SYNTHESIS, *beside], [name])
        references = references.assign(family=references["system"].map(run.title), setting=float("nan"))
        found = pd.concat([swept, references], ignore_index=True)
        parts.append(found.assign(axis=axis, metric=run.heading(name).text)[list(COLUMNS)])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def _order(metric: str) -> int:
    return next((place for place, prefix in enumerate(FIRST) if metric.startswith(prefix)), len(FIRST))


def _family(run: FinishedRun, metric: str, sweep: Sweep) -> pd.DataFrame:
    settings = {system: setting for setting, system in sorted(sweep.systems.items())}
    rows = run.shown_summary(list(settings), [metric])
    return rows.assign(family=run.title(sweep.family), setting=rows["system"].map(settings))


@styled
def draw_sweep(frame: pd.DataFrame) -> Figure:
    """A panel for each metric and a line for each family, from ``COLUMNS``."""
    groups = list(frame.groupby("metric", sort=False))
    figure, panels = grid(len(groups), PANELS, 1.5)
    swept = frame[frame["setting"].notna()]
    numbers = {family: number for number, family in enumerate(dict.fromkeys(swept["family"]))}
    axis = str(frame["axis"].iloc[0])
    for axes, (metric, rows) in zip(panels, groups, strict=True):
        _panel(axes, rows, numbers)
        panel_title(axes, str(metric))
        if axis not in LINEAR:
            log_axis(axes)
    figure.supxlabel(axis, fontsize=8)
    legend_above(figure, panels, columns=3)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, numbers: dict[str, int]) -> None:
    for family, number in numbers.items():
        line = rows[(rows["family"] == family) & rows["setting"].notna()]
        axes.plot(line["setting"], line["value"], "-", marker=marker(number), color=colour(number), label=family)
        axes.fill_between(line["setting"], line["low"], line["high"], color=colour(number), alpha=0.15, linewidth=0)
    beside = rows[rows["setting"].isna()]
    for family, value, dashes in zip(beside["family"], beside["value"], (":", "--", "-."), strict=False):
        axes.axhline(value, color=GREY, linestyle=dashes, linewidth=0.8, label=family)
    near(axes, *extent(rows[rows["setting"].notna()]), beside["value"])
