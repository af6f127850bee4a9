"""Mean ranks of systems under each metric, with critical differences.

J. Demsar, "Statistical comparisons of classifiers over multiple data sets", Journal of Machine Learning Research 7,
2006: Friedman's test of whether k systems are equal over N blocks, and Nemenyi's critical difference of two mean ranks,

    CD = q sqrt(k (k + 1) / (6 N))

where q is the studentized range divided by the root of 2. A block is an utterance, and its value is the mean over seeds
and draws. Metrics without a value for a single clip, such as divergences of distributions, cannot be ranked. Every
system has an interval of CD / 2 to both sides: two systems differ if their intervals do not overlap.

The data frame holds, for every pair of systems, the share of utterances on which the first is better (ties count half).
The mean rank of a system among any subset S is 1 plus the sum over the others in S of 1 minus that share, so that a
figure of a subset needs no other data. Friedman's statistic of a subset is computed without its correction for ties,
which makes the test conservative.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import chi2, friedmanchisquare, studentized_range

from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.reporting.figures.identity import Look, looks
from ttsbench.reporting.figures.layout import Layout, drawing, label_first_column
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import GREY, LIGHT, panel_title
from ttsbench.reporting.tables import SIGNIFICANT

ROW_INCHES = 0.17
LEAST_SYSTEMS, LEAST_UTTERANCES = 3, 6
COLUMNS = (
    "metric", "name", "system", "objective", "end_to_end", "other", "share_better",
    "utterances", "p", "selected",
)  # fmt: skip


def ranks(run: FinishedRun) -> Drawing | None:
    """Draw mean ranks with critical differences; None for fewer than three models."""
    frame = ranks_frame(run)
    if frame.empty or frame.loc[frame["selected"].astype(bool), "system"].nunique() < LEAST_SYSTEMS:
        return None
    caption = (
        "Mean rank of each model over utterances, 1 is best (ties share their mean rank; the value of an utterance is "
        "the mean over seeds and draws; utterances that a model lacks are left out). Bars: half of Nemenyi's critical "
        "difference to both sides; models differ if their bars do not overlap. Shaded: no difference from the best. "
        f"Grey: Friedman's test finds no difference between the models (p >= {SIGNIFICANT:g})."
    )
    return Drawing(draw_ranks(frame), caption, frame)


def ranks_frame(run: FinishedRun) -> pd.DataFrame:
    """Return one row per metric and ordered pair of models, with ``COLUMNS``."""
    if len(run.models) < LEAST_SYSTEMS:
        return pd.DataFrame(columns=list(COLUMNS))
    tables = {name: utterance_values(rows, run.models) for name, rows in run.metrics.items() if _rankable(run, name)}
    tables = {
        name: values
        for name, values in tables.items()
        if len(values) >= LEAST_UTTERANCES and values.nunique(axis=1).gt(1).any()
    }
    selected = run.selected_metrics(list(tables))
    parts = []
    for name, values in tables.items():
        pairs = pair_shares(values, bool(run.metrics[name].info.higher_is_better))
        shown = pairs["system"].isin(run.shown)
        part = run.identified(pairs).assign(metric=run.heading(name).title, name=name)
        parts.append(part.assign(other=part["other"].map(run.title), selected=shown & (name in selected)))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


def _rankable(run: FinishedRun, metric: str) -> bool:
    rows = run.metrics[metric]
    return rows.info.higher_is_better is not None and not rows.floored and not run.asks_cost(metric)


def utterance_values(rows: MetricRows, models: list[str]) -> pd.DataFrame:
    """Return a metric's means over seeds and draws, utterances down, models across; complete utterances only."""
    common = set.intersection(*(rows.utterances(name) for name in models))
    clips = rows.clips()
    clips = clips[clips["system"].isin(models) & clips["utterance"].isin(common)]
    values = clips.pivot_table(index="utterance", columns="system", values="value", aggfunc="mean", observed=True)
    return values.reindex(columns=models).dropna()


def pair_shares(values: pd.DataFrame, higher_is_better: bool) -> pd.DataFrame:
    """Return for each ordered pair of columns the share of rows on which the first is better, and Friedman's p."""
    table = (values if higher_is_better else -values).to_numpy(dtype=np.float64)
    p = friedmanchisquare(*table.T).pvalue if table.shape[1] >= LEAST_SYSTEMS else np.nan
    lines = []
    for i, system in enumerate(values.columns):
        for j, other in enumerate(values.columns):
            if i != j:
                better = (table[:, i] > table[:, j]).mean() + 0.5 * (table[:, i] == table[:, j]).mean()
                lines.append((system, other, better, len(table), p))
    return pd.DataFrame(lines, columns=["system", "other", "share_better", "utterances", "p"])


def mean_ranks(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return mean rank, critical difference and Friedman's p of the systems among themselves, from pairs."""
    systems = list(dict.fromkeys(pairs["system"]))
    inside = pairs[pairs["other"].isin(systems)]
    rank = 1 + (1 - inside["share_better"]).groupby(inside["system"]).sum()
    rank = rank.reindex(systems)
    k, n = len(systems), int(pairs["utterances"].iloc[0])
    q = float(studentized_range.ppf(1 - SIGNIFICANT, k, np.inf)) / np.sqrt(2)
    statistic = 12 * n / (k * (k + 1)) * float(((rank - (k + 1) / 2) ** 2).sum())
    whole = len(inside) == len(pairs)
    return pd.DataFrame(
        {
            "system": systems,
            "rank": rank.to_numpy(),
            "critical_difference": q * np.sqrt(k * (k + 1) / (6 * n)),
            "p": pairs["p"].iloc[0] if whole else float(chi2.sf(statistic, k - 1)),
            "utterances": n,
        }
    )


@drawing("No ranks: they need at least three models and six utterances.")
def draw_ranks(frame: pd.DataFrame, layout: Layout) -> Figure:
    """Draw a panel per metric and a line per model; ranks are among the selected models."""
    groups = list(frame.groupby("metric", sort=False))
    systems, look = list(dict.fromkeys(frame["system"])), looks(frame)
    figure, panels = layout.grid(len(groups), 0.4 + ROW_INCHES * len(systems), 0.25, systems)
    for axes, (metric, rows) in zip(panels, groups, strict=False):
        _panel(axes, mean_ranks(rows), systems, look)
        panel_title(axes, f"{metric} (N = {rows['utterances'].iloc[0]})")
    label_first_column(panels)
    figure.supxlabel("mean rank, 1 is best")
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, systems: list[str], look: dict[str, Look]) -> None:
    half = rows["critical_difference"].iloc[0] / 2
    differ = rows["p"].iloc[0] < SIGNIFICANT
    best = rows["rank"].min()
    axes.axvspan(best - half, best + half, color=LIGHT, alpha=0.6, linewidth=0)
    for _, row in rows.iterrows():
        points = look[row["system"]].points | ({} if differ else {"color": GREY})
        if not differ and not look[row["system"]].hollow:
            points["markerfacecolor"] = GREY
        axes.errorbar(row["rank"], systems.index(row["system"]), xerr=half, elinewidth=1.2, **points)
    axes.set_yticks(range(len(systems)), systems)
    axes.set_ylim(len(systems) - 0.5, -0.5)
    axes.set_xlim(min(0.5, best - 1.1 * half), max(len(systems) + 0.5, rows["rank"].max() + 1.1 * half))
    axes.locator_params(axis="x", nbins=min(5, len(systems)), integer=True)
    axes.set_xticks([tick for tick in axes.get_xticks() if 1 <= tick <= len(systems)])  # there is no rank 0
