"""Metrics against a swept setting: temperature, function evaluations, guidance, steps of Langevin dynamics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttsbench.config.schema import pair
from ttsbench.config.systems import COPY_SYNTHESIS
from ttsbench.reporting.figures.families import Sweep, find_sweeps, refined, students
from ttsbench.reporting.figures.identity import Look, looks
from ttsbench.reporting.figures.layout import NARROW_INCHES, Layout, drawing
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import GREY, legend_above, log_ticks_at, near, panel_handles, panel_title
from ttsbench.reporting.figures.tradeoff import extent

LINEAR = ("temperature", "guidance")  # other axes are logarithmic
COLUMNS = (
    "axis", "system", "objective", "end_to_end", "family", "setting", "metric", "name", "value", "low",
    "high", "selected",
)  # fmt: skip
FIRST = ("energy_score", "calibration", "std_ratio", "gv_", "js_")  # metrics that sweeps change most
TEXT = (
    "Metrics against {}. Bands: intervals, cut off where they are much wider than the others. Horizontal lines: "
    "systems without this setting, if they are near.{}"
)


def temperature(run: FinishedRun) -> Drawing | None:
    """Draw metrics against the sampling temperature; None if it was not swept."""
    return _drawing(run, "temperature", "temperature", lambda hypothesis: True)


def nfe(run: FinishedRun) -> Drawing | None:
    """Draw metrics against function evaluations, students beside their teacher; None without a sweep."""
    return _drawing(run, "nfe", "function evaluations", lambda hypothesis: not hypothesis)


def guidance(run: FinishedRun) -> Drawing | None:
    """Draw metrics against the guidance scale; None if it was not swept."""
    return _drawing(run, "guidance", "guidance", lambda hypothesis: True)


def langevin(run: FinishedRun) -> Drawing | None:
    """Draw metrics against refinement steps, beside the initial hypothesis; None if they were not swept."""
    return _drawing(run, "nfe", "steps of Langevin dynamics", bool)


def _drawing(run: FinishedRun, parameter: str, axis: str, wanted: Callable[[str], bool]) -> Drawing | None:
    if not run.experiment.adapters:
        return None
    candidates = [sweep for sweep in find_sweeps(run.experiment) if sweep.parameter == parameter]
    hypotheses = {sweep.family: refined(run.experiment, sweep.label) for sweep in candidates}
    sweeps = [sweep for sweep in candidates if wanted(hypotheses[sweep.family])]
    initial = {f"{hypotheses[sweep.family]}+{pair(name)[1]}" for sweep in sweeps for name in sweep.systems.values()}
    frame = sweep_frame(run, sweeps, axis, [name for name in run.systems if name in initial])
    if frame.empty:
        return None
    distilled = " Students of the swept model stand beside it." if _student_rows(run, sweeps, axis) else ""
    return Drawing(draw_sweep(frame), TEXT.format(axis, distilled), frame)


def _student_rows(run: FinishedRun, sweeps: Sequence[Sweep], axis: str) -> dict[str, float]:
    if axis != "function evaluations":
        return {}
    found: dict[str, float] = {}
    for sweep in sweeps:
        found |= {name: count for name, count in students(run.experiment, sweep).items() if name in run.systems}
    return found


def sweep_frame(run: FinishedRun, sweeps: Sequence[Sweep], axis: str, beside: Sequence[str] = ()) -> pd.DataFrame:
    """Return the rows of swept systems with ``COLUMNS``; references have no setting. Costs are left out."""
    metrics = sorted((name for name in run.metrics if not run.asks_cost(name)), key=_order)
    distilled = _student_rows(run, sweeps, axis)
    tables = {}
    for name in metrics:
        rows = [_family(run, name, sweep) for sweep in sweeps]
        swept = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
        if not swept.empty and swept["value"].nunique() > 1:
            tables[name] = swept
    selected = run.selected_metrics(list(tables))
    parts = []
    for name in [*selected, *(name for name in tables if name not in selected)]:
        references = run.shown_summary([COPY_SYNTHESIS, *beside], [name])
        references = run.identified(references).assign(setting=nan)
        references = references.assign(family=references["system"])
        points = run.shown_summary(list(distilled), [name])
        points = run.identified(points.assign(setting=points["system"].map(distilled)))
        table = pd.concat([tables[name], *(part for part in (points, references) if len(part))], ignore_index=True)
        parts.append(table.assign(axis=axis, metric=run.heading(name).text, name=name, selected=name in selected))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


def _order(metric: str) -> int:
    return next((place for place, prefix in enumerate(FIRST) if metric.startswith(prefix)), len(FIRST))


def _family(run: FinishedRun, metric: str, sweep: Sweep) -> pd.DataFrame:
    settings = {system: setting for setting, system in sorted(sweep.systems.items())}
    rows = run.shown_summary(list(settings), [metric])
    rows = run.identified(rows.assign(setting=rows["system"].map(settings)))
    return rows.assign(family=run.title(sweep.family), objective=_own_look(run, sweep))


def _own_look(run: FinishedRun, sweep: Sweep) -> str:
    """Return the adapter of a sweep; a second sweep of the same adapter takes its family instead."""
    adapter = run.experiment.adapters[sweep.label].adapter
    return adapter if sweep.family.startswith(f"{adapter}+") or f"+{adapter}" in sweep.family else sweep.family


@drawing("No sweep: the selection holds no system with this setting.")
def draw_sweep(frame: pd.DataFrame, layout: Layout) -> Figure:
    """Draw a panel per metric and a line per family."""
    groups = list(frame.groupby("metric", sort=False))
    figure, panels = layout.grid(len(groups), 1.5, 0.2)
    axis = str(frame["axis"].iloc[0])
    letters = 25 if figure.get_figwidth() < NARROW_INCHES else 27
    for axes, (metric, rows) in zip(panels, groups, strict=False):
        _panel(axes, rows)
        panel_title(axes, str(metric), letters)
        if axis not in LINEAR:
            log_ticks_at(axes, rows["setting"].dropna())
    figure.supxlabel(axis)
    legend_above(figure, panel_handles(panels))
    return figure


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    swept = rows[rows["setting"].notna()]
    look = _family_looks(swept)
    for family, line in swept.groupby("family", sort=False):
        own = look[str(family)]
        line = line.sort_values("setting")
        axes.plot(line["setting"], line["value"], "-" if len(line) > 1 else "", **own.points, label=family)
        axes.fill_between(line["setting"], line["low"], line["high"], color=own.colour, alpha=0.15, linewidth=0)
        if len(line) == 1:
            axes.vlines(line["setting"], line["low"], line["high"], color=own.colour, linewidth=0.7)
    beside = rows[rows["setting"].isna()]
    for family, value, dashes in zip(beside["family"], beside["value"], (":", "--", "-."), strict=False):
        axes.axhline(value, color=GREY, linestyle=dashes, linewidth=0.8, label=family)
    near(axes, *_limits(swept), beside["value"])


def _limits(swept: pd.DataFrame) -> tuple[float, float]:
    """Return vertical limits for all values and for intervals of usual length; a much longer one leaves the panel."""
    low, high = extent(swept)
    values = swept["value"]
    margin = 1.5 * max(values.max() - values.min(), (swept["high"] - swept["low"]).median())
    if not margin > 0:  # constant, or without intervals
        return low, high
    return max(low, values.min() - margin), min(high, values.max() + margin)


def _family_looks(rows: pd.DataFrame) -> dict[str, Look]:
    columns = [name for name in ("objective", "end_to_end") if name in rows]
    return looks(rows[["family", *columns]].rename(columns={"family": "system"}))
