"""Agreement of metrics with listeners: one correlation per metric over systems, and one over clips.

Values are oriented so that a positive correlation is agreement: the sign of a metric where lower is better is reversed,
and a metric with an ideal value counts its distance from that value.

    system   a metric's value of a system against the mean score of the system. Blocks are runs; the interval is over
             systems. It shows whether a metric ranks systems as listeners do.
    clip     a metric's value of a clip (mean over seeds and draws) against its mean score. Blocks and clusters are
             utterances, so that only differences between systems on the same text count. Metrics that are undefined
             for a single clip have none.

Holm's correction covers all metrics of a level: the best of twenty useless metrics agrees with listeners by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from ttsbench.errors import TtsbenchError
from ttsbench.evaluation.estimates import BootstrapSettings
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.evaluation.stats import holm
from ttsbench.listening.validity.correlation import Correlation, correlation
from ttsbench.reporting.claims import ScoredRun
from ttsbench.reporting.tables import heading
from ttsbench.types import MetricInfo

COLUMNS = ("metric", "title", "level", "value", "low", "high", "p", "p_holm", "n", "signature")
LEVELS = ("system", "clip")


def validity_frame(runs: Sequence[ScoredRun], listeners: pd.DataFrame, settings: BootstrapSettings) -> pd.DataFrame:
    """Return one row per metric and level with ``COLUMNS``; raises ``TtsbenchError`` if no system was rated."""
    rated = [_of_run(listeners, run) for run in runs]
    if all(scores.empty for scores in rated):
        names = ", ".join(sorted(set(listeners["system"]))[:5])
        raise TtsbenchError(f"The listeners rated no system of the given runs; they rated {names}.")
    metrics = dict.fromkeys(name for run in runs for name in run.metrics)
    lines: list[dict[str, object]] = []
    for name in metrics:
        own = [(run.metrics[name], scores) for run, scores in zip(runs, rated, strict=True) if name in run.metrics]
        info = own[0][0].info
        if "cost" in info.needs:
            continue
        signatures = "; ".join(dict.fromkeys(rows.signature for rows, _ in own))
        about = {"metric": name, "title": heading(info).title, "signature": signatures}
        by_level = {"system": _by_system(own, settings), "clip": _by_clip(own, settings)}
        lines += [{**about, "level": level, **asdict(found)} for level, found in by_level.items() if found.n]
    frame = pd.DataFrame(lines, columns=[column for column in COLUMNS if column != "p_holm"])
    frame["p_holm"] = math.nan
    for level in LEVELS:
        own_level = frame["level"] == level
        frame.loc[own_level, "p_holm"] = holm(frame.loc[own_level, "p"].to_numpy(dtype=np.float64))
    return frame[list(COLUMNS)]


def _of_run(listeners: pd.DataFrame, run: ScoredRun) -> pd.DataFrame:
    return listeners[listeners["run"].isin(["", run.name]) & listeners["system"].isin(run.systems)]


def oriented(value: float, info: MetricInfo) -> float:
    """Return a metric's value so that higher is better; a metric without direction and ideal value is unchanged."""
    if info.higher_is_better is not None:
        return value if info.higher_is_better else -value
    ideal = info.behaviour.identity
    return value if ideal is None else -abs(value - ideal)


def _by_system(runs: Sequence[tuple[MetricRows, pd.DataFrame]], settings: BootstrapSettings) -> Correlation:
    points = []
    for block, (rows, scores) in enumerate(runs):
        for system, own in scores.groupby("system"):
            mean = own.groupby("utterance")["score"].mean().mean()
            points.append((oriented(rows.value(str(system)), rows.info), mean, block))
    return _correlate(points, range(len(points)), settings)


def _by_clip(runs: Sequence[tuple[MetricRows, pd.DataFrame]], settings: BootstrapSettings) -> Correlation:
    points: list[tuple[float, float, tuple[int, str]]] = []
    clusters: list[tuple[int, str]] = []
    for number, (rows, scores) in enumerate(runs):
        if rows.info.higher_is_better is None or rows.floored:
            continue
        rated = scores[scores["utterance"] != ""].groupby(["utterance", "system"])["score"].mean()
        values = rows.clips().groupby(["utterance", "system"], observed=True)["value"].mean()
        joined = pd.concat([values.rename("value"), rated.rename("score")], axis=1, join="inner").dropna()
        for utterance, value, score in joined.reset_index("utterance").itertuples(index=False):
            points.append((oriented(float(value), rows.info), float(score), (number, str(utterance))))
            clusters.append((number, str(utterance)))
    places = {key: place for place, key in enumerate(dict.fromkeys(clusters))}
    return _correlate([(x, y, places[key]) for x, y, key in points], [places[key] for key in clusters], settings)


def _correlate(
    points: Sequence[tuple[float, float, int]], clusters: Sequence[int], settings: BootstrapSettings
) -> Correlation:
    if not points:
        return Correlation(math.nan, math.nan, math.nan, math.nan, 0)
    x, y, block = (np.array(values) for values in zip(*points, strict=True))
    return correlation(x.astype(float), y.astype(float), block.astype(np.int64), np.array(clusters), settings)
