"""Quality against the compute of training: a proper score, or another metric of quality, against training time."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ttsbench.config.schema import pair
from ttsbench.evaluation.training_summary import training_table
from ttsbench.reporting.figures.identity import key, looks
from ttsbench.reporting.figures.layout import Layout, drawing
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import legend_above, log_axis
from ttsbench.reporting.figures.tradeoff import quality_metrics, reach

COLUMNS = (
    "metric", "name", "system", "objective", "end_to_end", "family", "seconds", "value", "low", "high",
    "selected",
)  # fmt: skip


def compute(run: FinishedRun) -> Drawing | None:
    """Draw quality against training time; None for fewer than three trained models."""
    frame = compute_frame(run)
    if frame.empty or frame.loc[frame["selected"].astype(bool), "system"].nunique() < 3:
        return None
    caption = (
        "Quality against training time, the mean over seeds of the models of a system on the machine of this run. The "
        "training of models that others start from is not included. Bars: intervals."
    )
    return Drawing(draw_compute(frame), caption, frame)


def compute_frame(run: FinishedRun) -> pd.DataFrame:
    """Return one row per metric and model with ``COLUMNS``; the first metric of quality is selected."""
    seconds = {system: cost for system in run.models if (cost := training_seconds(run, system)) > 0}
    metrics = quality_metrics(run) if seconds else []
    parts = []
    for number, name in enumerate(metrics):
        rows = run.shown_summary(list(seconds), [name])
        parts.append(
            run.identified(rows).assign(
                metric=run.heading(name).text, name=name, seconds=rows["system"].map(seconds),
                selected=rows["system"].isin(run.shown) & (number == 0),
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


def training_seconds(run: FinishedRun, system: str) -> float:
    """Return the mean training time of a system's models, summed over acoustic and prosody model; 0 if untrained."""
    table = training_table(run.folder)
    total = 0.0
    for role, label in zip(("acoustic", "prosody"), pair(system), strict=True):
        config = run.experiment.adapters.get(label)
        if config is None:
            continue
        same = [name for name, other in run.experiment.adapters.items() if other.training == config.training]
        rows = table[(table["role"] == role) & table["model"].isin(same)]
        total += float(rows["seconds"].mean()) if len(rows) else 0.0
    return total


@drawing("No training time: the selection holds no trained model.")
def draw_compute(frame: pd.DataFrame, layout: Layout) -> Figure:
    """Draw a panel per metric and a mark per model."""
    groups = list(frame.groupby("metric", sort=False))
    look = looks(frame)
    figure, panels = layout.grid(len(groups), 2.0, 0.1)
    for axes, (metric, rows) in zip(panels, groups, strict=False):
        labels = rows["family"] if "family" in rows else rows["system"]
        for family, points in rows.groupby(labels, sort=False):
            own = look[points["system"].iloc[0]]
            axes.errorbar(points["seconds"], points["value"], yerr=reach(points, "value", "low", "high"),
                          elinewidth=0.7, linestyle="none", label=str(family), **own.points)  # fmt: skip
        axes.margins(x=0.1)
        log_axis(axes)
        axes.set_xlabel("training time (s)")
        axes.set_ylabel(str(metric))
    legend_above(figure, key(frame))
    return figure
