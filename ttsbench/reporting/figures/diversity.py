"""How much a system's clips differ: draws of one input, different texts, different voices, the whole test set."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import GREY, colour, grid, panel_title, styled
from ttsbench.reporting.figures.tradeoff import reach
from ttsbench.reporting.tables.headings import Heading

SCENARIOS = {
    "draws of one input": ("cv_f0", "diversity_mel", "w1_same_input_f0", "w1_same_input_energy"),
    "different texts": ("w1_different_input_f0", "w1_different_input_energy"),
    "different voices": ("w1_different_speaker_f0", "w1_different_speaker_energy"),
    "whole test set": ("std_ratio_log_f0", "gv_ratio"),
}
SAID = (", one input", ", other texts", ", other voices")  # by the scenario already
PANELS = 4  # side by side
ROW_INCHES = 0.17


def diversity(run: FinishedRun) -> Drawing | None:
    """Spread over draws, texts and the test set; nothing where no metric compares draws or texts."""
    frame = diversity_frame(run)
    if set(frame["scenario"]) <= {"whole test set"}:
        return None
    caption = (
        "Spread of a system's clips: over draws of one input, over different texts of one voice, different voices, "
        "and over the whole test set in relation to the recordings (dashed: 1, which is right). Of one input a model "
        "without noise draws one clip. Dotted: the recordings."
    )
    return Drawing(draw_diversity(frame), caption, frame)


def diversity_frame(run: FinishedRun) -> pd.DataFrame:
    """Columns scenario, metric, system, value, low, high, and what the recordings have."""
    parts = []
    for scenario, names in SCENARIOS.items():
        for name in names:
            if name in run.metrics:
                rows = run.shown_summary(run.shown, [name])
                recorded = run.shown_summary(["ground-truth"], [name])["value"]
                rows = rows.assign(scenario=scenario, metric=_without_scenario(run.heading(name)).plain,
                                   recordings=recorded.iloc[0] if len(recorded) else float("nan"))  # fmt: skip
                parts.append(rows.assign(system=rows["system"].map(run.title)))
    columns = ["scenario", "metric", "system", "value", "low", "high", "recordings"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _without_scenario(heading: Heading) -> Heading:
    title = heading.title
    for said in SAID:
        title = title.removesuffix(said)
    return replace(heading, title=title)


@styled
def draw_diversity(frame: pd.DataFrame) -> Figure:
    """A panel for each metric and a line for each system, from the columns that ``diversity_frame`` has."""
    groups = list(frame.groupby(["scenario", "metric"], sort=False))
    systems = list(dict.fromkeys(frame["system"]))
    figure, panels = grid(len(groups), PANELS, 0.7 + ROW_INCHES * len(systems), more=0.1)
    scenarios = list(dict.fromkeys(frame["scenario"]))
    for number, (axes, ((scenario, metric), rows)) in enumerate(zip(panels, groups, strict=True)):
        places = [systems.index(name) for name in rows["system"]]
        axes.errorbar(rows["value"], places, xerr=reach(rows, "value", "low", "high"), fmt="o",
                      color=colour(scenarios.index(scenario)))  # fmt: skip
        if scenario == "whole test set":
            axes.axvline(1, color=GREY, linestyle="--", linewidth=0.8)
        elif rows["recordings"].notna().all():
            axes.axvline(rows["recordings"].iloc[0], color=GREY, linestyle=":", linewidth=0.8)
        panel_title(axes, f"{scenario}:\n{metric}", 21)
        axes.set_yticks(range(len(systems)), systems)
        axes.set_ylim(len(systems) - 0.5, -0.5)
        axes.tick_params(labelleft=number % PANELS == 0)
        axes.locator_params(axis="x", nbins=3)
    return figure
