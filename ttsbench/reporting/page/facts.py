"""The sentence about a run at the top of its page: corpus, systems, seeds, device and date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import read_json
from ttsbench.reporting.page.table import PageTable


def provenance_of(folder: Path) -> dict[str, Any]:
    """Return ``provenance.json``; an empty mapping without the file."""
    path = RunLayout(folder).provenance
    return dict(read_json(path)) if path.exists() else {}


def sentence(folder: Path, table: PageTable, provenance: Mapping[str, Any]) -> str:
    """Return corpus, utterances, systems, seeds, draws, device and date, as far as the folder holds them."""
    layout = RunLayout(folder)
    experiment = read_json(layout.experiment) if layout.experiment.exists() else {}
    folder_run = layout.compares_folders
    items = [*_test_set(experiment, provenance, table, folder_run), _count(len(table.models), "system")]
    if not folder_run:
        items += _effort(experiment, provenance)
    return f"{', '.join(items)}{_place(provenance)}."


def _test_set(
    experiment: Mapping[str, Any], provenance: Mapping[str, Any], table: PageTable, folder_run: bool
) -> Iterator[str]:
    corpus = (experiment.get("corpus") or provenance.get("corpus") or {}).get("name")
    if folder_run:
        yield "Folders of recordings"
    elif corpus:
        yield f"Corpus {corpus}"
    if table.utterances:
        yield _count(table.utterances, "utterance")


def _effort(experiment: Mapping[str, Any], provenance: Mapping[str, Any]) -> Iterator[str]:
    seeds = experiment.get("seeds") or provenance.get("seeds")
    if seeds:
        yield f"{_count(len(seeds), 'training seed')} ({', '.join(map(str, seeds))})"
    if experiment:
        yield f"{_count(experiment['synthesis']['samples'], 'draw')} per utterance"


def _place(provenance: Mapping[str, Any]) -> str:
    device, machine = provenance.get("device"), provenance.get("machine", {})
    if not device:
        return ""
    where = f"{_count(machine['cores'], 'core')} ({machine['processor']})" if device == "cpu" and machine else device
    date = provenance.get("date")
    return f"; computed on {where}" + (f" on {datetime.fromisoformat(date):%-d %B %Y}" if date else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
