"""Variation of a system's clips: over draws of one input, different texts, different voices, and the whole test set."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from ttsbench.config.systems import GROUND_TRUTH
from ttsbench.reporting.figures.identity import looks
from ttsbench.reporting.figures.layout import Layout, drawing, label_first_column
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import GREY, panel_title
from ttsbench.reporting.figures.tradeoff import reach
from ttsbench.reporting.tables.headings import Heading

SCENARIOS = {
    "draws of one input": ("cv_f0", "diversity_mel", "w1_same_input_f0", "w1_same_input_energy"),
    "different texts": ("w1_different_input_f0", "w1_different_input_energy"),
    "different voices": ("w1_different_speaker_f0", "w1_different_speaker_energy"),
    "whole test set": ("std_ratio_log_f0", "gv_ratio"),
}
SUFFIXES = (", one input", ", other texts", ", other voices")  # the scenario names them
ROW_INCHES = 0.17
COLUMNS = (
    "scenario", "metric", "name", "system", "objective", "end_to_end", "family", "value", "low", "high",
    "recordings", "selected",
)  # fmt: skip


def diversity(run: FinishedRun) -> Drawing | None:
    """Draw the variation over draws, texts and the test set; None if no metric compares draws or texts."""
    frame = diversity_frame(run)
    if set(frame["scenario"]) <= {"whole test set"}:
        return None
    caption = (
        "Variation of a system's clips over draws of one input, different texts of one voice, different voices, and "
        "over the whole test set relative to the recordings (dashed: the ideal value 1). Deterministic models draw one "
        "clip per input. Dotted: the recordings."
    )
    return Drawing(draw_diversity(frame), caption, frame)


def diversity_frame(run: FinishedRun) -> pd.DataFrame:
    """Return one row per scenario, metric and system with ``COLUMNS``."""
    names = [(scenario, name) for scenario, group in SCENARIOS.items() for name in group if name in run.metrics]
    selected = run.selected_metrics([name for _, name in names])
    parts = []
    for scenario, name in names:
        rows = run.shown_summary([system for system in run.systems if system != GROUND_TRUTH], [name])
        recorded = run.shown_summary([GROUND_TRUTH], [name])["value"]
        parts.append(
            run.identified(rows).assign(
                scenario=scenario,
                metric=_without_scenario(run.heading(name)).plain,
                name=name,
                recordings=recorded.iloc[0] if len(recorded) else float("nan"),
                selected=rows["system"].isin(run.shown) & (name in selected),
            )
        )
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


def _without_scenario(heading: Heading) -> Heading:
    title = heading.title
    for suffix in SUFFIXES:
        title = title.removesuffix(suffix)
    return replace(heading, title=title)


@drawing("No diversity: no metric of the selection compares draws or texts.")
def draw_diversity(frame: pd.DataFrame, layout: Layout) -> Figure:
    """Draw a panel per metric and a line per system."""
    groups = list(frame.groupby(["scenario", "metric"], sort=False))
    systems, look = list(dict.fromkeys(frame["system"])), looks(frame)
    figure, panels = layout.grid(len(groups), 0.65 + ROW_INCHES * len(systems), 0.1, systems)
    for axes, ((scenario, metric), rows) in zip(panels, groups, strict=False):
        for _, row in rows.iterrows():
            bar = reach(row.to_frame().T, "value", "low", "high")
            axes.errorbar(row["value"], systems.index(row["system"]), xerr=bar, **look[row["system"]].points)
        if scenario == "whole test set":
            axes.axvline(1, color=GREY, linestyle="--", linewidth=0.8)
        elif rows["recordings"].notna().all():
            axes.axvline(rows["recordings"].iloc[0], color=GREY, linestyle=":", linewidth=0.8)
        panel_title(axes, f"{scenario}:\n{metric}", 21)
        axes.set_yticks(range(len(systems)), systems)
        axes.set_ylim(len(systems) - 0.5, -0.5)
        axes.locator_params(axis="x", nbins=3)
    label_first_column(panels)
    return figure
