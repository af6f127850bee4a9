"""Write the agreement of metrics with listeners as Markdown, CSV and figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ttsbench.engine.store import write_text
from ttsbench.listening.validity.agreement import LEVELS
from ttsbench.listening.validity.figure import draw_validity
from ttsbench.reporting.csv import write_csv
from ttsbench.reporting.figures import save_figure
from ttsbench.reporting.tables.markdown import escape

NAME = "validity"
NOTES = (
    "Spearman's rank correlation with listeners' scores, oriented so that positive values are agreement. By system: "
    "mean scores of systems, interval over systems. By clip: differences between systems on the same utterance, "
    "interval over utterances.",
    "Brackets: bootstrap interval. p: permutation test with Holm's correction over the metrics of a level.",
    "With few systems, intervals by system are wide, and only a nearly perfect order can be significant.",
)


def write_validity(frame: pd.DataFrame, folder: Path, remarks: Sequence[str] = ()) -> str:
    """Write ``validity.md``, ``validity.csv`` and the figure; return the Markdown, which ends with ``remarks``."""
    text = validity_markdown(frame, remarks)
    write_text(folder / f"{NAME}.md", text)
    write_csv(frame, folder / f"{NAME}.csv", "%.6g")
    save_figure(draw_validity(frame), folder / NAME)
    return text


def validity_markdown(frame: pd.DataFrame, remarks: Sequence[str] = ()) -> str:
    """Return a table with the metrics in the order of their agreement by system."""
    rows = {(row["metric"], row["level"]): row for _, row in frame.iterrows()}
    titles = frame.drop_duplicates("metric").set_index("metric")["title"]
    order = sorted(titles.index, key=lambda name: _strength(rows, name), reverse=True)
    lines = ["# Agreement of metrics with listeners", ""]
    lines += ["| metric | by system | p | systems | by clip | p | clips |", "|---|---:|---:|---:|---:|---:|---:|"]
    for name in order:
        cells = [text for level in LEVELS for text in _cells(rows.get((name, level)))]
        lines.append(f"| {escape(str(titles[name]))} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"- {escape(note)}" for note in (*NOTES, *remarks))]) + "\n"


def _strength(rows: dict[tuple[str, str], pd.Series[Any]], name: str) -> tuple[float, float]:
    values = [rows[name, level]["value"] if (name, level) in rows else math.nan for level in LEVELS]
    by_system, by_clip = (-2.0 if math.isnan(value) else float(value) for value in values)
    return by_system, by_clip


def _cells(row: pd.Series[Any] | None) -> tuple[str, str, str]:
    if row is None or math.isnan(row["value"]):
        return "", "", "" if row is None else str(row["n"])
    bounds = "" if math.isnan(row["low"]) else f" [{row['low']:.2f}, {row['high']:.2f}]"
    p = "" if math.isnan(row["p_holm"]) else f"{row['p_holm']:.3f}"
    return f"{row['value']:.2f}{bounds}", p, str(row["n"])
