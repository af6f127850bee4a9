"""Read listeners' scores: imported listening tests, or a CSV file of published scores.

A CSV file has a heading with the columns ``system`` and one of ``mos``, ``score``, ``rating`` or ``value`` in any
order. Optional columns are ``utterance``, for scores of single clips, and ``run``, the name of the run of a system.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ttsbench.errors import ConfigError

COLUMNS = ("run", "system", "utterance", "score")
SCORES = ("mos", "score", "rating", "value")
RATINGS = "ratings.csv"


def read_listeners(sources: Sequence[Path], runs: Sequence[Path]) -> pd.DataFrame:
    """Return all scores with ``COLUMNS``; without sources, those of the tests that lie in the runs.

    Raises ``ConfigError`` if there are no scores, or a file has no usable columns.
    """
    paths = [_ratings(source) for source in sources] or [
        path for run in runs for path in sorted(run.glob(f"listening/*/results/{RATINGS}"))
    ]
    if not paths:
        raise ConfigError(
            f"{runs[0]} holds no imported listening test. Give --listeners with a CSV file of scores (columns "
            "system and mos), or with the results of ttsbench listen import."
        )
    return pd.concat([_read(path) for path in paths], ignore_index=True)


def _ratings(source: Path) -> Path:
    """Return the file of scores behind a path: the file itself, or the ratings of an imported test."""
    if not source.is_dir():
        return source
    for path in (source / RATINGS, source / "results" / RATINGS):
        if path.exists():
            return path
    raise ConfigError(f"{source} holds no {RATINGS}. Give the folder that ttsbench listen import wrote.")


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ConfigError(f"--listeners: {path} is not a CSV file: {' '.join(str(error).split())}.") from error
    table.columns = table.columns.str.strip().str.lower()
    imported = {"rating", "value"} <= set(table.columns)  # of an imported test, "value" is on the scale of its table
    column = "value" if imported else next((name for name in SCORES if name in table), "")
    if "system" not in table or not column:
        raise ConfigError(
            f"--listeners: {path} needs the columns system and one of {', '.join(SCORES)}; "
            f"it has {', '.join(table.columns)}."
        )
    scores = pd.to_numeric(table[column], errors="coerce")
    if scores.isna().any():
        line = int(scores.index[scores.isna()][0]) + 2
        raise ConfigError(f"--listeners: line {line} of {path} holds {table[column][line - 2]!r} in place of a score.")
    return table.assign(score=scores, system=table["system"].str.strip()).reindex(columns=list(COLUMNS), fill_value="")
