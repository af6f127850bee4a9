"""Layouts of a LaTeX table by source of prosody: in groups of rows, or in blocks of columns side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ttsbench import registry
from ttsbench.config.schema import ORACLE, Experiment, pair

Row = tuple[str, Sequence[str | None]]


@dataclass(frozen=True)
class Blocks:
    """``titles`` head the blocks of columns; a single block may have none.

    A row has a title and the system of each block, None where there is none; a row without systems heads a group.
    """

    titles: Sequence[str]
    rows: Sequence[Row]


def prosody_blocks(
    experiment: Experiment, references: Sequence[str], models: Sequence[str], layout: Literal["groups", "side_by_side"]
) -> Blocks | None:
    """Return the layout of a table by source of prosody; None if all models have the same source.

    References stand in the first block. Other rows have the title of their label, or that of its first system.
    """
    sources = list(dict.fromkeys(pair(model)[1] for model in models))
    if len(sources) < 2:
        return None
    titles = [_source_title(experiment, source) for source in sources]
    given, by_label = experiment.table.titles, _by_label(models)
    names = {label: given.get(label) or given.get(next(iter(systems.values())), label)
             for label, systems in by_label.items()}  # fmt: skip
    if layout == "side_by_side":
        first: list[Row] = [(given.get(name, name), [name, *[None] * (len(sources) - 1)]) for name in references]
        rows: list[Row] = [(names[label], [systems.get(source) for source in sources])
                           for label, systems in by_label.items()]  # fmt: skip
        return Blocks(titles, [*first, *rows])
    stacked: list[Row] = [(given.get(name, name), [name]) for name in references]
    for source, title in zip(sources, titles, strict=True):
        stacked.append((title, []))
        stacked += [(names[label], [systems[source]]) for label, systems in by_label.items() if source in systems]
    return Blocks([""], stacked)


def _by_label(models: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return label of the acoustic model -> source of prosody -> system."""
    by_label: dict[str, dict[str, str]] = {}
    for model in models:
        label, source = pair(model)
        by_label.setdefault(label, {})[source] = model
    return by_label


def _source_title(experiment: Experiment, source: str) -> str:
    if source == ORACLE:
        return "Prosody of the recording"
    config = experiment.adapters.get(source)
    title = registry.load("adapters", config.adapter).info.title if config else source
    return f"Prosody: {experiment.table.titles.get(source, title)}"
