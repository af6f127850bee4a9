"""Mean ranks of systems, metric by metric, with critical differences.

J. Demsar, "Statistical comparisons of classifiers over multiple data sets", Journal of Machine Learning Research 7,
2006: Friedman's test of whether k systems are alike over N blocks, and Nemenyi's critical difference of two mean ranks,

    CD = q sqrt(k (k + 1) / (6 N))

with q the studentized range over root 2. A block is an utterance here, its value the mean over seeds and draws, so that
metrics with an answer for a single clip can be ranked and divergences of distributions cannot. Every system carries its
mean rank with CD / 2 to both sides: two differ where their bars do not overlap.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import GREY, LIGHT, colour, grid, panel_title, styled
from ttsbench.reporting.tables import SIGNIFICANT

PANELS = 4  # side by side
MOST = 8  # metrics
ROW_INCHES = 0.17
LEAST_SYSTEMS, LEAST_UTTERANCES = 3, 6
COLUMNS = ("metric", "system", "rank", "critical_difference", "p", "utterances")


def ranks(run: FinishedRun) -> Drawing | None:
    """Mean ranks with critical differences; nothing where there are fewer than three models."""
    frame = ranks_frame(run)
    if frame.empty:
        return None
    caption = (
        "Mean rank of each model over utterances, 1 is best, under each metric (ties share their mean rank; an "
        "utterance's value is the mean over seeds and draws; utterances that a model lacks are left out). Bars: half "
        "of Nemenyi's critical difference to both sides; models differ where bars do not overlap. Shaded: not told "
        f"apart from the best. Grey: Friedman's test does not tell the models apart (p >= {SIGNIFICANT:g})."
    )
    return Drawing(draw_ranks(frame), caption, frame)


def ranks_frame(run: FinishedRun) -> pd.DataFrame:
    """One row per metric and model, with ``COLUMNS``."""
    models = [name for name in run.shown if name in run.models]
    parts = []
    for name in run.experiment.table.metrics or run.metrics:
        rows = run.metrics[name]
        if rows.info.higher_is_better is None or rows.floored or run.asks_cost(name) or len(models) < LEAST_SYSTEMS:
            continue
        values = utterance_values(rows, models)
        if len(values) >= LEAST_UTTERANCES and values.nunique(axis=1).gt(1).any():
            titled = values.rename(columns=run.title)
            parts.append(mean_ranks(titled, bool(rows.info.higher_is_better)).assign(metric=run.heading(name).title))
    return pd.concat(parts[:MOST], ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


def utterance_values(rows: MetricRows, models: list[str]) -> pd.DataFrame:
    """A metric's mean over seeds and draws, utterances down, models across; only utterances measured in full."""
    common = set.intersection(*(rows.utterances(name) for name in models))
    clips = rows.clips()
    clips = clips[clips["system"].isin(models) & clips["utterance"].isin(common)]
    values = clips.pivot_table(index="utterance", columns="system", values="value", aggfunc="mean", observed=True)
    return values.reindex(columns=models).dropna()


def mean_ranks(values: pd.DataFrame, higher_is_better: bool) -> pd.DataFrame:
    """Mean ranks of the columns over the rows, with Nemenyi's critical difference and Friedman's p."""
    count, systems = values.shape
    table = rankdata(-values if higher_is_better else values, axis=1)
    q = float(studentized_range.ppf(1 - SIGNIFICANT, systems, np.inf)) / np.sqrt(2)
    p = friedmanchisquare(*values.to_numpy().T).pvalue
    return pd.DataFrame(
        {
            "system": values.columns,
            "rank": table.mean(axis=0),
            "critical_difference": q * np.sqrt(systems * (systems + 1) / (6 * count)),
            "p": p,
            "utterances": count,
        }
    )


@styled
def draw_ranks(frame: pd.DataFrame) -> Figure:
    """A panel for each metric and a line for each model, from ``COLUMNS``."""
    groups = list(frame.groupby("metric", sort=False))
    systems = list(dict.fromkeys(frame["system"]))
    figure, panels = grid(len(groups), PANELS, 0.45 + ROW_INCHES * len(systems), more=0.2)
    for number, (axes, (metric, rows)) in enumerate(zip(panels, groups, strict=True)):
        _panel(axes, rows, systems)
        panel_title(axes, f"{metric} (N = {rows['utterances'].iloc[0]})")
        axes.tick_params(labelleft=number % PANELS == 0)
    figure.supxlabel("mean rank, 1 is best", fontsize=8)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, systems: list[str]) -> None:
    half = rows["critical_difference"].iloc[0] / 2
    shade = colour(0) if rows["p"].iloc[0] < SIGNIFICANT else GREY
    best = rows["rank"].min()
    axes.axvspan(best - half, best + half, color=LIGHT, alpha=0.6, linewidth=0)
    places = [systems.index(name) for name in rows["system"]]
    axes.errorbar(rows["rank"], places, xerr=half, fmt="o", color=shade, elinewidth=1.2)
    axes.set_yticks(range(len(systems)), systems)
    axes.set_ylim(len(systems) - 0.5, -0.5)
    axes.set_xlim(min(0.5, best - 1.1 * half), max(len(systems) + 0.5, rows["rank"].max() + 1.1 * half))
    axes.locator_params(axis="x", nbins=min(5, len(systems)), integer=True)
