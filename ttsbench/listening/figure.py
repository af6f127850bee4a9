"""Figures of a listening test: distributions of ratings, and means with intervals."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ttsbench.listening.kinds import Kind

WIDTH_INCHES = 3.4  # a column of a paper
ROW_INCHES = 0.3
MEAN, BOX = "#0072B2", "#DDDDDD"  # safe for colour-blind readers (M. Okabe and K. Ito, 2008)
ANSWERS = ("#E69F00", "#DDDDDD", "#56B4E9")  # worse than the baseline, neither, better


def ratings_figure(ratings: pd.DataFrame, summary: pd.DataFrame, kind: Kind) -> Figure:
    """Draw one row per system: a box of its ratings (quartiles; whiskers at 5 and 95 %) and its mean with interval.

    ``ratings`` has columns system and value; ``summary`` has system, value, low and high, in the order of the rows. In
    a paired test the dashed line marks a system that is as good as the baseline.
    """
    figure = Figure(figsize=(WIDTH_INCHES, ROW_INCHES * len(summary) + 0.7), layout="constrained")
    axes = figure.subplots()
    numbers = summary[["value", "low", "high"]].apply(pd.to_numeric)
    for row, (system, mean) in enumerate(zip(summary["system"], numbers.itertuples(), strict=True)):
        values = ratings.loc[ratings["system"] == system, "value"].to_numpy(float)
        if not len(values):
            continue
        axes.boxplot(values, positions=[row], orientation="horizontal", widths=0.6, whis=(5, 95), showfliers=False,
                     patch_artist=True, boxprops={"facecolor": BOX, "linewidth": 0.6}, medianprops={"color": "#777777"},
                     whiskerprops={"linewidth": 0.6}, capprops={"linewidth": 0.6})  # fmt: skip
        axes.plot([mean.low, mean.high], [row, row], color=MEAN, linewidth=2.2, solid_capstyle="butt")
        axes.plot(mean.value, row, "o", color=MEAN, markersize=4)
    if kind.paired:
        axes.axvline(kind.offset, color="black", linestyle="--", linewidth=0.7)
    axes.set_xlim(*_limits(kind))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_yticks(range(len(summary)), summary["system"], fontsize=7)
    axes.set_ylim(len(summary) - 0.4, -0.6)
    axes.set_xlabel(f"{kind.title} ({kind.unit})", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(axis="x", alpha=0.3)
    return figure


def shares_figure(counts: pd.DataFrame, summary: pd.DataFrame, kind: Kind) -> Figure:
    """Draw one bar per system of a paired test: shares of answers for the baseline, for neither, for the system.

    ``counts`` has a column system and one per rating; dot and line show the value, with half a point for no preference.
    """
    figure = Figure(figsize=(WIDTH_INCHES, ROW_INCHES * len(counts) + 1.0), layout="constrained")
    axes = figure.subplots()
    by_sign = pd.DataFrame(
        {"baseline": counts[[name for name in counts.columns[1:] if int(name) < 0]].sum(axis=1), "neither": counts["0"],
         "system": counts[[name for name in counts.columns[1:] if int(name) > 0]].sum(axis=1)}
    )  # fmt: skip
    shares = 100 * by_sign.div(by_sign.sum(axis=1), axis=0)
    right = 100 - shares.cumsum(axis=1)[["system"]].to_numpy()[:, 0]
    for (answer, share), colour in zip(reversed(list(shares.items())), reversed(ANSWERS), strict=True):
        axes.barh(range(len(counts)), share, left=right, color=colour, height=0.6, label=answer)
        right = right + share.to_numpy()
    numbers = summary[["value", "low", "high"]].apply(pd.to_numeric)
    for row, mean in enumerate(numbers.itertuples()):
        axes.plot([mean.low, mean.high], [row, row], color="black", linewidth=1.5)
        axes.plot(mean.value, row, "o", color="black", markersize=3.5)
    axes.axvline(50, color="black", linestyle="--", linewidth=0.7)
    axes.set_xlim(0, 100)
    axes.set_yticks(range(len(counts)), counts["system"], fontsize=7)
    axes.set_ylim(len(counts) - 0.4, -0.6)
    axes.set_xlabel(f"{kind.title} ({kind.unit})", fontsize=8)
    axes.tick_params(labelsize=7)
    figure.legend(loc="outside upper center", ncols=3, fontsize=7, title="preferred", title_fontsize=7, frameon=False)
    return figure


def _limits(kind: Kind) -> tuple[float, float]:
    low, high = kind.bounds
    return low - 0.02 * (high - low), high + 0.02 * (high - low)
