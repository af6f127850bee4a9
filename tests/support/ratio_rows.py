"""Rows of a ratio, errors over length, which is easy to compute by hand, for tests of results and tables."""

import csv
import io
import math

import numpy as np

from ttsbench.evaluation.estimates import BootstrapSettings
from ttsbench.evaluation.metric_rows import NOT_APPLICABLE, read_rows
from ttsbench.evaluation.summary import summary, summary_frame
from ttsbench.reporting.tables import Table
from ttsbench.types import MetricInfo

SAMPLING = BootstrapSettings(200, 0.95, 0)
REFERENCES = ("ground-truth", "copy-synthesis")
SYSTEMS = [*REFERENCES, "a+oracle", "b_1+oracle"]


class Ratio:
    """Errors over length."""

    def __init__(self, name="rate", higher=False, unit="%", needs=frozenset({"reference"})):
        self.info = MetricInfo(name, f"Rate of {name}", unit, higher, ("errors", "length"), f"{name}|v1", "none", needs)

    def measure(self, clip, reference):
        return float(len(clip.samples)), 10.0

    def reduce(self, rows):
        errors, length = rows.sum(axis=0)
        return float(errors / length) if length else math.nan


class FlooredRatio(Ratio):
    """A ratio with a floor of a tenth of the first column's mean."""

    def floor(self, rows, rng):
        return float(rows[:, 0].mean() / 10)


def write(path, rows, seed=0):
    """Rows of (system, utterance, errors, length, error)."""
    lines = ["system,seed,sample,utterance,errors,length,error"]
    for system, utterance, errors, length, error in rows:
        lines.append(f"{system},{seed},0,{utterance},{errors},{length},{error}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows_from_text(path, text, metric=None):
    """Rows as they stand in a file."""
    path.write_text(text, encoding="utf-8")
    return read_rows(path, metric or Ratio(), "s")


ROWS = [
    *(("ground-truth", u, "", "", NOT_APPLICABLE) for u in ("u1", "u2", "u3")),
    *(("copy-synthesis", u, 0.0, 10.0, "") for u in ("u1", "u2", "u3")),
    ("a+oracle", "u1", 1.0, 10.0, ""), ("a+oracle", "u2", 2.0, 20.0, ""), ("a+oracle", "u3", 30.0, 10.0, ""),
    ("b_1+oracle", "u1", 2.0, 10.0, ""), ("b_1+oracle", "u2", 3.0, 20.0, ""),
    ("b_1+oracle", "u3", "", "", "the clip is silent"),
]  # fmt: skip


def rate_rows(tmp_path):
    return read_rows(write(tmp_path / "rate.csv", ROWS), Ratio(), "rate|v1|recogniser")


def floored_rows(tmp_path):
    return read_rows(write(tmp_path / "js.csv", ROWS), FlooredRatio("js"), "js|v1")


def many(rng, system, rate, utterances=30, seeds=3):
    """Lines of a file: errors among ten words each."""
    return [f"{system},{seed},0,u{number},{rng.binomial(10, rate)},10,"
            for seed in range(seeds) for number in range(utterances)]  # fmt: skip


def three_seeds(tmp_path):
    """a and b alike, c worse."""
    rng = np.random.default_rng(0)
    lines = [line for system, rate in (("a", 0.2), ("b", 0.2), ("c", 0.4)) for line in many(rng, system, rate)]
    return rows_from_text(
        tmp_path / "seeds.csv", "\n".join(["system,seed,sample,utterance,errors,length,error", *lines])
    )


def table_of(metrics, systems=SYSTEMS, title="A title", comparisons=()):
    cells = {(cell.system, cell.metric): cell for cell in summary(metrics, systems, SAMPLING)}
    return Table(title, systems, REFERENCES, metrics, cells, ["A note."], comparisons)


def frame_rows(metrics, systems=SYSTEMS):
    text = summary_frame(summary(metrics, systems, SAMPLING), metrics).to_csv(index=False, lineterminator="\n")
    return text, {(row["system"], row["metric"]): row for row in csv.DictReader(io.StringIO(text))}
