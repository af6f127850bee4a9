"""Figure of validity: the correlation of every metric with listeners, with intervals, by system and by clip."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ttsbench.reporting.figures.layout import Layout, drawing
from ttsbench.reporting.figures.style import ACCENT, COLUMN_INCHES, GREY, legend_above, panel_handles
from ttsbench.reporting.tables import SIGNIFICANT

ROW_INCHES = 0.24
SHIFT = 0.16  # of the two levels, in rows
LOOKS = {"system": ("o", "by system"), "clip": ("s", "by clip")}


@drawing("No validity: no metric can be compared with listeners.")
def draw_validity(frame: pd.DataFrame, layout: Layout) -> Figure:
    """Draw a line per metric; filled marks are significant after Holm's correction."""
    known = frame.dropna(subset="value")
    strength = known.groupby("title")["value"].mean().sort_values(ascending=False)
    titles = list(strength.index)
    scale = layout.font_size / 8
    figure = Figure(
        figsize=(layout.width or COLUMN_INCHES, (ROW_INCHES * len(titles) + 0.5) * scale), layout="constrained"
    )
    axes = figure.subplots()
    axes.axvline(0, color=GREY, linewidth=0.8)
    for number, (level, (marker, label)) in enumerate(LOOKS.items()):
        rows = known[known["level"] == level]
        places = [titles.index(title) + SHIFT * (2 * number - 1) for title in rows["title"]]
        colour = ACCENT if level == "system" else GREY
        axes.hlines(places, rows["low"], rows["high"], color=colour, linewidth=1.1)
        axes.plot([], [], marker=marker, color=colour, linestyle="none", label=label)
        for place, value, p in zip(places, rows["value"], rows["p_holm"], strict=True):
            face = colour if p < SIGNIFICANT else "white"
            axes.plot(value, place, marker=marker, color=colour, markerfacecolor=face, markeredgewidth=0.8)
    axes.set_yticks(range(len(titles)), titles)
    axes.set_ylim(len(titles) - 0.5, -0.5)
    axes.set_xlim(-1.05, 1.05)
    axes.set_xlabel("rank correlation with listeners")
    legend_above(figure, panel_handles([axes]))
    return figure
