"""``rows.parquet``: one table of all metric values for all clips, in a format that other tools read.

There is a row per system, seed, sample, utterance and metric. ``value`` is the metric of that clip alone. It is null if
the measurement failed (``error`` gives the reason) or if the metric is undefined for a single clip. A metric of many
clips is not the mean of these values: ``statistics`` holds the sufficient statistics that it is computed from (see
``MetricInfo``). Their names, units and signatures are in the ``attrs`` of the file.
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
COLUMNS = (
    "system", "seed", "sample", "utterance", "speaker", "metric", "value", "statistics", "error", "warning", "machine",
)  # fmt: skip
LABELS = ("system", "utterance", "speaker", "metric", "error", "warning", "machine")


def clip_frame(metrics: Sequence[MetricRows], speakers: Mapping[str, str]) -> pd.DataFrame:
    """Return all rows of all metrics with ``COLUMNS``. ``speakers`` maps utterances to speakers."""
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
    """Write the table atomically."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False, compression="zstd")
    write_bytes(path, buffer.getvalue())


def read_clip_rows(path: Path, metric: Any) -> MetricRows:
    """Read the rows of one metric, as in ``scores/<metric>.csv``.

    Raises ``TtsbenchError`` if the metric is missing or was computed with another signature.
    """
    name, signature = metric.info.name, metric.info.signature
    try:
        rows = pd.read_parquet(path, filters=[("metric", "==", name)])
        stored = rows.attrs["metrics"][name]["signature"]
    except (OSError, KeyError) as error:
        raise TtsbenchError(f"{path} has no rows of {name}. Run `ttsbench compare` on the experiment again.") from error
    if not f"{stored}|".startswith(f"{signature}|"):  # the recogniser's signature may follow
        raise TtsbenchError(
            f"{path} holds {name} with the signature {stored}, but the current one is {signature}. "
            "Run `ttsbench compare` on the experiment again."
        )
    columns = metric.info.columns
    failed = [math.nan] * len(columns)
    numbers = [statistics if len(statistics) else failed for statistics in rows["statistics"]]
    columns_read = ["system", "seed", "sample", "utterance", "error", "warning"]
    table = rows[[*columns_read, *(["machine"] if "machine" in rows else [])]].astype(str)
    return MetricRows(metric, table.join(pd.DataFrame(numbers, rows.index, columns, dtype=np.float64)), stored)
