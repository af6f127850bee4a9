"""The clips of a run that a listening test can use."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttsbench.engine.job import Run
from ttsbench.engine.layout import RunLayout
from ttsbench.errors import ClipError, TtsbenchError
from ttsbench.evaluation.clip_record import read_record, record_path
from ttsbench.evaluation.test_set import EvaluatedUtterance, evaluated_utterances


@dataclass(frozen=True)
class Source:
    """A wav of a run, from the model trained with ``seed``."""

    path: Path
    seed: int


@dataclass(frozen=True)
class Material:
    """The clips of a run: systems in the order of its table, and the clips of (system, utterance), one per seed.

    ``missing`` maps (system, utterance) without clips to the reason.
    """

    title: str
    systems: Sequence[str]
    utterances: Sequence[EvaluatedUtterance]
    clips: Mapping[tuple[str, str], Sequence[Source]]
    missing: Mapping[tuple[str, str], str]


def read_material(run: Path) -> Material:
    """Read the first draw of every system and seed; raises ``TtsbenchError`` for a folder without a finished run."""
    layout = RunLayout(run)
    if not layout.summary.exists() or not layout.experiment.exists():
        raise TtsbenchError(f"{run} holds no finished run: it has no summary.csv. Run its compare or score to the end.")
    experiment = Run.open(run).experiment
    with layout.summary.open(newline="", encoding="utf-8") as file:
        systems = list(dict.fromkeys(row["system"] for row in csv.DictReader(file)))
    utterances = evaluated_utterances(run)
    clips: dict[tuple[str, str], list[Source]] = {}
    missing: dict[tuple[str, str], str] = {}
    for system in systems:
        folders = _folders(run, system, experiment.seeds)
        for utterance in utterances:
            try:
                clips[system, utterance.id] = [_source(folder, utterance.id, seed) for seed, folder in folders.items()]
            except ClipError as error:
                missing[system, utterance.id] = str(error)
    return Material(experiment.title or experiment.name, systems, utterances, clips, missing)


def _folders(run: Path, system: str, seeds: Sequence[int]) -> dict[int, Path]:
    """Return the folders of a system's clips by training seed."""
    layout = RunLayout(run)
    folder = layout.wavs_of(system, None)
    folders = {0: folder} if layout.compares_folders else {seed: layout.wavs_of(system, seed) for seed in seeds}
    there = {seed: path for seed, path in folders.items() if path.is_dir()}
    if not there:
        raise TtsbenchError(
            f"{folder} does not exist, but the clips of {system} are needed. Run the command of the run again."
        )
    return there


def _source(folder: Path, id_: str, seed: int) -> Source:
    if not record_path(folder, id_, 0).exists():
        raise ClipError("there is no clip")
    path = read_record(folder, id_, 0).audio
    if not path.exists():
        raise ClipError(f"{path} is gone")
    return Source(path, seed)
