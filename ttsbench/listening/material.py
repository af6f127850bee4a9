"""The clips of a run that listeners can be given, as the run left them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttsbench.config.loading import validate
from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import read_json
from ttsbench.errors import ClipError, TtsbenchError
from ttsbench.evaluation.clip_record import read_record, record_path
from ttsbench.evaluation.test_set import EvaluatedUtterance, evaluated_utterances


@dataclass(frozen=True)
class Source:
    """A wav of a run, by a model that was trained with ``seed``."""

    path: Path
    seed: int


@dataclass(frozen=True)
class Material:
    """What a run synthesized: systems in the order of its table, and all clips of (system, utterance), one per seed.

    ``missing`` says of (system, utterance) without clips why there are none.
    """

    title: str
    systems: Sequence[str]
    utterances: Sequence[EvaluatedUtterance]
    clips: Mapping[tuple[str, str], Sequence[Source]]
    missing: Mapping[tuple[str, str], str]


def read_material(run: Path) -> Material:
    """The first draw of every system and seed; raises ``TtsbenchError`` where the folder holds no finished run."""
    if not (run / "summary.csv").exists() or not (run / "experiment.json").exists():
        raise TtsbenchError(f"{run} holds no finished run: it has no summary.csv. Run its compare or score to the end.")
    experiment = validate(read_json(run / "experiment.json"), str(run / "experiment.json"))
    with (run / "summary.csv").open(newline="", encoding="utf-8") as file:
        systems = list(dict.fromkeys(row["system"] for row in csv.DictReader(file)))
    utterances = evaluated_utterances(run)
    clips: dict[tuple[str, str], list[Source]] = {}
    missing: dict[tuple[str, str], str] = {}
    for system in systems:
        folders = _folders(run, system, experiment.seeds)
        for one in utterances:
            try:
                clips[system, one.id] = [_source(folder, one.id, seed) for seed, folder in folders.items()]
            except ClipError as error:
                missing[system, one.id] = str(error)
    return Material(experiment.title or experiment.name, systems, utterances, clips, missing)


def _folders(run: Path, system: str, seeds: Sequence[int]) -> dict[int, Path]:
    """Where a system's clips are, by training seed."""
    folder = run / "wavs" / system
    folders = {0: folder} if RunLayout(run).compares_folders else {seed: folder / f"seed{seed}" for seed in seeds}
    there = {seed: path for seed, path in folders.items() if path.is_dir()}
    if not there:
        raise TtsbenchError(f"{folder} is gone: the clips of {system} are needed. Give the command of the run again.")
    return there


def _source(folder: Path, id_: str, seed: int) -> Source:
    if not record_path(folder, id_, 0).exists():
        raise ClipError("there is no clip")
    path = read_record(folder, id_, 0).audio
    if not path.exists():
        raise ClipError(f"{path} is gone")
    return Source(path, seed)
