"""Notes below a table: what the marks mean, how significance was tested, and which clips are missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.reporting.tables.numbers import digits, scaled
from ttsbench.reporting.tables.table import SIGNIFICANT, Table, given_prosody, untestable

DIFFERS = "†"  # an asterisk would end bold type in Markdown
TIED = "‡"
DISTANCES = ("mcd", "mcd_plain")
PROPER_SCORES = {"energy_score", "energy_score_window", "crps"}
ONE_SEED = "Each model has one training seed: the result holds for these models and may change with another seed."
SEVERAL_SEEDS = (  # measured in tests/evaluation/test_false_positives.py
    "With few training seeds the test is too liberal: with three seeds, one in eight comparisons between trainings of "
    "the same objective is significant."
)


def all_notes(table: Table) -> list[str]:
    """Return all notes of a table, starting with its description."""
    about = [table.about] if table.about else []
    return [
        *about, *table.notes, *mark_notes(table), *rule_notes(table), *distance_notes(table),
        *floor_notes(table, table.metrics), *given_notes(table), *share_notes(table),
        *failure_notes(table), *warning_notes(table),
    ]  # fmt: skip


def mark_notes(table: Table) -> list[str]:
    """Explain bold type and the marks that the table has."""
    notes = []
    if any(table.best(rows) for rows in table.metrics):
        notes.append("Bold: best model on the utterances that all models share.")
    if table.tied_with_best:
        notes.append(f"{TIED} no significant difference from the best model.")
    if table.differing:
        notes.append(f"{DIFFERS} significant difference from {table.name(table.comparisons[0].baseline)}.")
    if single := [table.heading(rows).title for rows in table.metrics if _share_one_utterance(rows, table.models)]:
        notes.append(f"No system is best by {', '.join(single)}: the systems share a single utterance.")
    apart = [table.heading(rows).title for rows in table.metrics if not rows.on_one_machine(table.models)]
    if apart:
        notes.append(f"Systems are not compared by {', '.join(apart)}: their clips were made on different machines.")
    return notes


def _share_one_utterance(rows: MetricRows, models: Sequence[str]) -> bool:
    """Return whether several models could be ranked but for the number of utterances that they share."""
    applicable = rows.applicable_systems(models)
    if rows.info.higher_is_better is None or len(applicable) < 2:
        return False
    return len(set.intersection(*(rows.utterances(name) for name in applicable))) == 1


def rule_notes(table: Table) -> list[str]:
    """Explain the test of significance, and say where there are too few utterances for it."""
    comparisons = [item for item in (*table.comparisons, *table.best_comparisons) if not math.isnan(item.p)]
    notes = _too_few_notes(table)
    if table.tied_with_best or table.differing:
        several = max(item.seeds for item in comparisons) > 1
        notes.append(
            f"A difference is significant if p < {SIGNIFICANT:g} in a paired permutation test over utterances, after "
            "Holm's correction over the comparisons under one metric, and its interval excludes 0. "
            + (SEVERAL_SEEDS if several else ONE_SEED)
        )
    return notes


def _too_few_notes(table: Table) -> list[str]:
    hopeless = [*untestable(table.comparisons), *untestable(table.best_comparisons)]
    if not hopeless:
        return []
    count = max(item.n for item, _ in hopeless)
    p = min(p for item, p in hopeless if item.n == count)
    tested = [item for item in (*table.comparisons, *table.best_comparisons) if not math.isnan(item.p)]
    scope = "No difference can be significant" if len(hopeless) == len(tested) else "Some differences cannot be"
    return [f"{scope}: on {count} utterance{'s' * (count > 1)} the smallest possible corrected p is {p:.4g}."]


def distance_notes(table: Table) -> list[str]:
    """Say what distances to one recording reward, if the table has them beside proper scores."""
    names = {rows.info.name: table.heading(rows).title for rows in table.metrics}
    distances = [title for name, title in names.items() if name in DISTANCES]
    if not distances or not names.keys() & PROPER_SCORES:
        return []
    verb = "is a distance" if len(distances) == 1 else "are distances"
    return [
        f"{', '.join(distances)} {verb} to one recording, smallest for the mean of all likely recordings: a system "
        "that samples their distribution well is farther away. Energy scores and CRPS are lowest for the right "
        "distribution."
    ]


def floor_notes(table: Table, metrics: Sequence[MetricRows]) -> list[str]:
    """Give the value after random swaps of clips and recordings, for metrics that have such a floor."""
    notes = []
    for rows in metrics:
        head = table.heading(rows)
        cells = [table.cells[system, rows.info.name] for system in table.models or table.systems]
        floors = [floor for cell in cells if not math.isnan(floor := scaled(cell, head.scale).floor)]
        if floors:
            places = digits(max(floors), 2) if max(floors) > 0 else 0
            ends = dict.fromkeys(f"{floor:.{places}f}" for floor in (min(floors), max(floors)))
            notes.append(
                f"{head.title}: after clips and recordings are swapped at random it is {' to '.join(ends)}, which is "
                "the value to expect of a system that does not differ from the recordings. It rises with the "
                "difference: do not subtract it."
            )
    return notes


def given_notes(table: Table) -> list[str]:
    """Name the metrics that are not shown for systems with the recording's prosody."""
    titles = [
        table.heading(rows).title
        for rows in table.metrics
        if any(given_prosody(rows, system) for system in table.systems)
    ]
    return [f"{', '.join(titles)}: not shown for systems with the recording's prosody, where it is given."] * bool(
        titles
    )


def share_notes(table: Table) -> list[str]:
    """Say which metrics rank models on a subset of the utterances, and which models lack utterances."""
    shares: dict[str, list[str]] = {}
    for rows in table.metrics:
        ranked = rows.applicable_systems(table.models)
        requested = set[str]().union(*(rows.applicable_utterances(name) for name in ranked))
        missing = {table.name(name): len(requested - rows.utterances(name)) for name in ranked}
        common = requested.intersection(*(rows.utterances(name) for name in ranked))
        if len(ranked) > 1 and common != requested:
            models = "; ".join(f"{name}: {count}" for name, count in missing.items() if count)
            text = f"models are ranked on {len(common)} of {len(requested)} utterances: some lack clips ({models})"
            shares.setdefault(text, []).append(table.heading(rows).title)
    return [
        f"{', '.join(names)}: {text}. The difference of two models uses all utterances that both have."
        for text, names in shares.items()
    ]


def failure_notes(table: Table) -> list[str]:
    """Count the clips that could not be measured, with the first reason."""
    return _counted(table, "not measured", "error", lambda rows: rows.failures)


def warning_notes(table: Table) -> list[str]:
    """Count the clips that were measured with a warning, with the first reason."""
    return _counted(table, "measured with a warning", "warning", lambda rows: rows.warnings)


def incomplete(table: Table, block: Sequence[MetricRows]) -> Mapping[tuple[str, str], str]:
    """Return (system, metric) -> "n of m" for the cells of a block that lack clips."""
    cells = [cell for rows in block for cell in table.column(rows)]
    return {(cell.system, cell.metric): f"{cell.n} of {cell.n + cell.n_failed}" for cell in cells if cell.n_failed}


def _counted(table: Table, event: str, column: str, select: Callable[[MetricRows], pd.DataFrame]) -> list[str]:
    """Return one line per system, count and first reason, with all metrics that share it."""
    lines: dict[tuple[str, int, str], list[str]] = {}
    for rows in table.metrics:
        for system, reasons in select(rows).groupby("system")[column]:
            if system in table.systems:
                key = (table.name(str(system)), len(reasons), str(reasons.iloc[0]))
                lines.setdefault(key, []).append(table.heading(rows).title)
    return [
        f"{system}: {count} clip{'s' * (count > 1)} {event} under {', '.join(names)}; first reason: {reason}"
        for (system, count, reason), names in lines.items()
    ]
