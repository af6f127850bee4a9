"""What a reader has to know of the numbers of a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.reporting.tables.numbers import digits, shown
from ttsbench.reporting.tables.table import SIGNIFICANT, Table

DIFFERS = "†"  # an asterisk would end the bold type of Markdown
LEVEL = "‡"
ONE_SEED = "With one training seed this is about these models, and another seed might turn it round."
SEVERAL_SEEDS = (  # see ttsbench/evaluation/stats/bootstrap.py
    "With few training seeds differences are found too readily: with three, between trainings of one objective in one "
    "case of eight."
)


def all_notes(table: Table) -> list[str]:
    """Everything, what the table is about first."""
    about = [table.about] if table.about else []
    return [
        *about, *table.notes, *mark_notes(table), *rule_notes(table), *floor_notes(table, table.metrics),
        *share_notes(table), *failure_notes(table), *warning_notes(table),
    ]  # fmt: skip


def mark_notes(table: Table) -> list[str]:
    """What bold type and the marks mean, where there are any."""
    notes = []
    if any(table.best(rows) for rows in table.metrics):
        notes.append("Bold: best model on the utterances all models share.")
    if table.level_with_best:
        notes.append(f"{LEVEL} not told apart from the best.")
    if table.marked:
        notes.append(f"{DIFFERS} differs from {table.name(table.comparisons[0].baseline)}.")
    return notes


def rule_notes(table: Table) -> list[str]:
    """When two models are told apart, and what that is worth."""
    if not table.level_with_best and not table.marked:
        return []
    several = max(one.seeds for one in (*table.comparisons, *table.best_comparisons)) > 1
    return [
        f"Two models are told apart where p < {SIGNIFICANT:g} in a paired permutation test over utterances, after "
        "Holm's correction over the comparisons under one metric, and 0 is outside the interval of the difference. "
        + (SEVERAL_SEEDS if several else ONE_SEED)
    ]


def floor_notes(table: Table, metrics: Sequence[MetricRows]) -> list[str]:
    """What those of the metrics that have a floor would show of models that are right, by chance alone."""
    notes = []
    for rows in metrics:
        head = table.heading(rows)
        cells = [table.cells[system, rows.info.name] for system in table.models or table.systems]
        floors = [floor for cell in cells if not math.isnan(floor := shown(cell, head.scale).floor)]
        if floors:
            places = digits(max(floors), 2) if max(floors) > 0 else 0
            ends = dict.fromkeys(f"{floor:.{places}f}" for floor in (min(floors), max(floors)))
            notes.append(f"{head.title}: two samples of one distribution this size would show {' to '.join(ends)}.")
    return notes


def share_notes(table: Table) -> list[str]:
    """Which metrics compare models on fewer utterances than were asked for, and whom that is due to."""
    shares: dict[str, list[str]] = {}
    for rows in table.metrics:
        asked = set[str]().union(*(rows.asked(name) for name in table.models))
        left_out = {table.name(name): len(asked - rows.utterances(name)) for name in table.models}
        common = asked.intersection(*(rows.utterances(name) for name in table.models))
        if len(table.models) > 1 and common != asked:
            whom = "; ".join(f"{count} of {name}" for name, count in left_out.items() if count)
            text = f"{len(asked) - len(common)} of {len(asked)} utterances are left out ({whom})"
            shares.setdefault(text, []).append(table.heading(rows).title)
    return [
        f"{', '.join(names)}: {text} where models are ranked; the difference of two is on what both have."
        for text, names in shares.items()
    ]


def failure_notes(table: Table) -> list[str]:
    """Which cells lack utterances, and why."""
    return _counted(table, "failed", "error", lambda rows: rows.failures)


def warning_notes(table: Table) -> list[str]:
    """Which cells hold clips that something is to be said of."""
    return _counted(table, "to be read with care", "warning", lambda rows: rows.warnings)


def fewer(table: Table, block: Sequence[MetricRows]) -> Mapping[tuple[str, str], str]:
    """(system, metric) of the cells of a block that lack clips -> how many of how many they hold."""
    cells = [cell for rows in block for cell in table.column(rows)]
    return {(cell.system, cell.metric): f"{cell.n} of {cell.n + cell.n_failed}" for cell in cells if cell.n_failed}


def _counted(table: Table, what: str, column: str, found: Callable[[MetricRows], pd.DataFrame]) -> list[str]:
    """One line per system, count and first reason, whatever the number of metrics that share it."""
    lines: dict[tuple[str, int, str], list[str]] = {}
    for rows in table.metrics:
        for system, reasons in found(rows).groupby("system")[column]:
            if system in table.systems:
                told = (table.name(str(system)), len(reasons), str(reasons.iloc[0]))
                lines.setdefault(told, []).append(table.heading(rows).title)
    return [
        f"{system}: {count} {what} under {', '.join(names)}, the first because: {reason}"
        for (system, count, reason), names in lines.items()
    ]
