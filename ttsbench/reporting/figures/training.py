"""Training curves: loss against optimizer steps for every model."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttsbench.config.schema import pair
from ttsbench.engine.layout import RunLayout
from ttsbench.evaluation.training_summary import model_of, points, read_curve
from ttsbench.reporting.figures.identity import COLOURS
from ttsbench.reporting.figures.layout import PANELS, Layout, drawing
from ttsbench.reporting.figures.run import Drawing, FinishedRun, objective_title
from ttsbench.reporting.figures.style import legend_above, panel_title

COLUMNS = ("role", "system", "seed", "step", "kind", "loss", "selected")
KINDS = {"loss_generator": "training", "valid_generator": "validation"}


def training(run: FinishedRun) -> Drawing | None:
    """Draw losses against optimizer steps; None if no model was trained."""
    frame = training_frame(run)
    if frame.empty:
        return None
    caption = (
        "Loss against optimizer steps. Lines: training loss; dots: validation loss; colours: training seeds. Losses of "
        "different objectives are not comparable, so every panel has its own axis."
    )
    return Drawing(draw_training(frame), caption, frame)


def training_frame(run: FinishedRun) -> pd.DataFrame:
    """Return one row per recorded loss, with ``COLUMNS``; a model is called as in the table."""
    lines = []
    for role in ("acoustic", "prosody"):
        for path in sorted(RunLayout(run.folder).train.glob(f"*-{role}-seed*/curve.csv")):
            model, seed = model_of(path.parent.name, role), path.parent.name.rpartition("-seed")[2]
            title, curve = _title(run, model, role), read_curve(path)
            for column, kind in KINDS.items():
                lines += [(role, title, seed, step, kind, loss, True) for step, loss in points(curve, column)]
    frame = pd.DataFrame(lines, columns=list(COLUMNS))
    panels = frame[["role", "system"]].drop_duplicates()[:PANELS]
    keys = {tuple(row) for row in panels.itertuples(index=False)}
    chosen = [key in keys for key in zip(frame["role"], frame["system"], strict=True)]
    return frame.assign(selected=chosen)


def _title(run: FinishedRun, model: str, role: str) -> str:
    """Return the title of a model: its own, that of its first row, or that of its objective."""
    titles, place = run.experiment.table.titles, 0 if role == "acoustic" else 1
    rows = [name for name in run.models if (*pair(name), "")[place] == model]
    if model in titles:
        return titles[model]
    if place == 0 and rows and rows[0] in titles:
        return titles[rows[0]]
    config = run.experiment.adapters.get(model)
    same = [label for label, other in run.experiment.adapters.items() if config and other.adapter == config.adapter]
    return objective_title(config.adapter if config else model) if len(same) <= 1 else model


@drawing("No training curves: the selection holds no trained model.")
def draw_training(frame: pd.DataFrame, layout: Layout) -> Figure:
    """Draw a panel per model and a colour per seed."""
    groups = list(frame.groupby(["role", "system"], sort=False))
    seeds = sorted(frame["seed"].astype(str).unique(), key=lambda seed: (len(seed), seed))
    figure, panels = layout.grid(len(groups), 1.25, 0.3)
    for axes, ((role, model), rows) in zip(panels, groups, strict=False):
        _panel(axes, rows, seeds)
        panel_title(axes, f"{model}, {role}", 21)
    figure.supxlabel("optimizer step")
    figure.supylabel("loss")
    _key(figure, seeds)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, seeds: list[str]) -> None:
    for seed, curve in rows.groupby(rows["seed"].astype(str), sort=False):
        colour = COLOURS[seeds.index(str(seed)) % len(COLOURS)]
        for kind, form in (("training", "-"), ("validation", "o")):
            own = curve[curve["kind"] == kind]
            axes.plot(own["step"], own["loss"], form, color=colour, markersize=2, linewidth=0.7)
    axes.locator_params(axis="x", nbins=3)


def _key(figure: Figure, seeds: list[str]) -> None:
    """Add the legend: line styles of the two losses, colours of the seeds."""
    kinds = [Line2D([], [], color="black", linewidth=0.7, label="training"),
             Line2D([], [], color="black", marker="o", markersize=2, linestyle="none", label="validation")]  # fmt: skip
    colours = [Line2D([], [], color=COLOURS[number % len(COLOURS)], linewidth=1.5, label=f"seed {seed}")
               for number, seed in enumerate(seeds)]  # fmt: skip
    legend_above(figure, [*kinds, *colours])
