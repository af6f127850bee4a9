"""How training went: loss against optimizer steps, of every model."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttsbench.evaluation.training_summary import model_of, points, read_curve
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import colour, grid, legend_above, panel_title, styled

PANELS = 5  # side by side
COLUMNS = ("role", "model", "seed", "step", "kind", "loss")
KINDS = {"loss_generator": "training", "valid_generator": "validation"}


def training(run: FinishedRun) -> Drawing | None:
    """Losses against optimizer steps; nothing where no model was trained."""
    frame = training_frame(run)
    if frame.empty:
        return None
    caption = (
        "Loss against optimizer steps; a line is the training loss, dots are the validation loss, a colour is a "
        "training seed. Every panel has an axis of its own: the losses of two objectives are no common measure, and "
        "some are negative."
    )
    return Drawing(draw_training(frame), caption, frame)


def training_frame(run: FinishedRun) -> pd.DataFrame:
    """One row per loss that was taken, with ``COLUMNS``."""
    lines = []
    for role in ("acoustic", "prosody"):
        for path in sorted((run.folder / "train").glob(f"*-{role}-seed*/curve.csv")):
            model, seed = model_of(path.parent.name, role), path.parent.name.rpartition("-seed")[2]
            curve = read_curve(path)
            for column, kind in KINDS.items():
                lines += [(role, model, seed, step, kind, loss) for step, loss in points(curve, column)]
    return pd.DataFrame(lines, columns=list(COLUMNS))


@styled
def draw_training(frame: pd.DataFrame) -> Figure:
    """A panel for each model, a colour for each seed, from ``COLUMNS``."""
    groups = list(frame.groupby(["role", "model"], sort=False))
    figure, panels = grid(len(groups), PANELS, 1.25, more=0.5)
    for axes, ((role, model), rows) in zip(panels, groups, strict=True):
        _panel(axes, rows)
        panel_title(axes, f"{model}, {role}", 21)
    figure.supxlabel("optimizer step", fontsize=8)
    figure.supylabel("loss", fontsize=8)
    legend_above(figure, panels)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    for number, (_, curve) in enumerate(rows.groupby("seed", sort=False)):
        for kind, look in (("training", "-"), ("validation", "o")):
            found = curve[curve["kind"] == kind]
            axes.plot(
                found["step"], found["loss"], look, color=colour(number), markersize=2, linewidth=0.7,
                label="" if number else kind,
            )  # fmt: skip
    axes.locator_params(axis="x", nbins=3)
