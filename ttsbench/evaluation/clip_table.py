"""``rows.parquet``: what every metric gave for every clip, in one table that other tools read.

One row per system, seed, sample, utterance and metric; ``value`` is the metric of that clip alone, null where it failed
(``error`` says why) or one clip has none. A metric of many clips is no mean of those: ``statistics`` holds the
sufficient statistics that it is made of (see ``MetricInfo``), whose names, with units and signatures, are in the
file's ``attrs``.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ttsbench.engine.store import write_bytes
from ttsbench.errors import TtsbenchError
from ttsbench.evaluation.metric_rows import MetricRows

FILE = "rows.parquet"
COLUMNS = ("system", "seed", "sample", "utterance", "speaker", "metric", "value", "statistics", "error", "warning")
LABELS = ("system", "utterance", "speaker", "metric", "error", "warning")


def clip_frame(metrics: Sequence[MetricRows], speakers: Mapping[str, str]) -> pd.DataFrame:
    """All rows of all metrics with ``COLUMNS``; ``speakers`` are by utterance."""
    parts = [rows.clips().assign(metric=rows.info.name) for rows in metrics]
    frame = pd.concat(parts, ignore_index=True)
    frame["speaker"] = frame["utterance"].map(speakers).fillna("")
    frame = frame.astype({"seed": "int64", "sample": "int64"} | dict.fromkeys(LABELS, "category"))[list(COLUMNS)]
    frame.attrs["metrics"] = {
        rows.info.name: {
            "title": rows.info.title,
            "unit": rows.info.unit,
            "higher_is_better": rows.info.higher_is_better,
            "statistics": list(rows.info.columns),
            "signature": rows.signature,
        }
        for rows in metrics
    }
    return frame


def write_clip_rows(frame: pd.DataFrame, path: Path) -> None:
    """Whole or not at all."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False, compression="zstd")
    write_bytes(path, buffer.getvalue())


def read_clip_rows(path: Path, metric: Any) -> MetricRows:
    """The rows of one metric, as ``scores/<metric>.csv`` has them; none where it applied to no clip.

    Raises ``TtsbenchError`` where they are not there or were made by another definition of the metric.
    """
    name, signature = metric.info.name, metric.info.signature
    try:
        found = pd.read_parquet(path, filters=[("metric", "==", name)])
        made_by = found.attrs["metrics"][name]["signature"]
    except (OSError, KeyError) as error:
        raise TtsbenchError(f"{path} has no rows of {name}: run the experiment's compare again.") from error
    if not f"{made_by}|".startswith(f"{signature}|"):  # after which the recogniser's may follow
        raise TtsbenchError(
            f"{path} has {name} as {made_by}, and it is {signature} now: run the experiment's compare again."
        )
    columns = metric.info.columns
    failed = [math.nan] * len(columns)
    numbers = [row if len(row) else failed for row in found["statistics"]]
    table = found[["system", "seed", "sample", "utterance", "error", "warning"]].astype(str)
    return MetricRows(metric, table.join(pd.DataFrame(numbers, found.index, columns, dtype=np.float64)), made_by)
