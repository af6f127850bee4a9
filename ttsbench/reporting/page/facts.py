"""What was run, in a sentence, and what it was run with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import read_json
from ttsbench.reporting.page.table import PageTable


def provenance_of(folder: Path) -> dict[str, Any]:
    """``provenance.json``; empty where there is none."""
    path = folder / "provenance.json"
    return dict(read_json(path)) if path.exists() else {}


def sentence(folder: Path, table: PageTable, provenance: Mapping[str, Any]) -> str:
    """Corpus, utterances, systems, seeds, draws, device and day, as far as the folder tells."""
    path = folder / "experiment.json"
    experiment = read_json(path) if path.exists() else {}
    scored_folders = RunLayout(folder).compares_folders
    first = [*_material(experiment, provenance, table, scored_folders), _count(len(table.models), "system")]
    if not scored_folders:
        first += _effort(experiment, provenance)
    return f"{', '.join(first)}{_place(provenance)}."


def _material(
    experiment: Mapping[str, Any], provenance: Mapping[str, Any], table: PageTable, scored_folders: bool
) -> Iterator[str]:
    corpus = (experiment.get("corpus") or provenance.get("corpus") or {}).get("name")
    if scored_folders:
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
    made = provenance.get("date")
    return f"; made on {where}" + (f" on {datetime.fromisoformat(made):%-d %B %Y}" if made else "")


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
