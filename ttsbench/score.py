"""Stage score: every metric on every clip, with each recording analysed once for all systems.

Rows lie in ``parts/<utterance>.json`` and carry the key of what they were computed from, so that a new system or metric
costs only its own cells. ``finish`` leaves one ``<metric>.csv`` per metric:
system, seed, sample, utterance, the metric's columns, error. A failure is a row with a reason and no numbers.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ttsbench import registry
from ttsbench.audio.wav import read
from ttsbench.data.corpus import PreparedCorpus, PreparedUtterance
from ttsbench.errors import ClipError, MeasurementError
from ttsbench.jobs import Job, Progress, Run, Task
from ttsbench.plan import GROUND_TRUTH
from ttsbench.store import content_hash, read_json, write_json, write_text
from ttsbench.synthesize import read_cost, wav_path
from ttsbench.transcribe import TRANSCRIPTS, clip_key
from ttsbench.types import Clip

CHUNK = 4  # utterances per task
NOT_APPLICABLE = "not applicable"
Cell = dict[str, Any]


def tasks(run: Run, job: Job) -> Sequence[Task]:
    """Chunks of utterances with at least one cell missing or out of date."""
    folder = job.path(run)
    ids = [utterance.id for utterance in PreparedCorpus(run.folder / "prepare").split("test")]
    wanted = {cell_key(row, sample, metric, job) for row, sample, metric in _cells(job)}
    left = [id_ for id_ in ids if not wanted <= set(_load(folder, id_))]
    return [{"utterances": left[start : start + CHUNK]} for start in range(0, len(left), CHUNK)]


def work(run: Run, job: Job, task: Task, progress: Progress) -> None:
    """Score a chunk, all systems of an utterance together."""
    corpus = PreparedCorpus(run.folder / "prepare")
    metrics = {name: registry.load("metrics", name)(**options) for name, options in run.experiment.metrics.items()}
    for done, id_ in enumerate(task["utterances"]):
        cells = _score_utterance(run, job, corpus.by_id[id_], metrics)
        write_json(_part(job.path(run), id_), cells)
        progress((done + 1) / len(task["utterances"]))


def finish(run: Run, job: Job) -> None:
    """One table of rows per metric, in the plan's order."""
    folder = job.path(run)
    ids = [utterance.id for utterance in PreparedCorpus(run.folder / "prepare").split("test")]
    cells = {id_: _load(folder, id_) for id_ in ids}
    for name, options in run.experiment.metrics.items():
        columns = registry.load("metrics", name)(**options).info.columns
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["system", "seed", "sample", "utterance", *columns, "error"])
        for row, sample, metric in _cells(job):
            if metric != name:
                continue
            for id_ in ids:
                cell = cells[id_][cell_key(row, sample, name, job)]
                values = [repr(value) for value in cell["values"]] if "values" in cell else [""] * len(columns)
                writer.writerow([row["system"], row["seed"], sample, id_, *values, cell.get("error", "")])
        write_text(folder / f"{name}.csv", buffer.getvalue())


def cell_key(row: Mapping[str, Any], sample: int, metric: str, job: Job) -> str:
    """The hash of everything a cell depends on."""
    return content_hash([row["system"], row["seed"], sample, row["key"], row["transcript_key"], metric,
                         job.spec["metric_keys"][metric]])  # fmt: skip


def measure(metric: Any, clip: Clip | ClipError, reference: Clip | ClipError, is_recording: bool) -> Cell:
    """One cell: values, or the reason why there are none. No fault of a clip or a metric becomes a number."""
    info = metric.info
    if isinstance(clip, ClipError):
        return {"error": str(clip)}
    if "cost" in info.needs and clip.cost is None:
        return {"error": NOT_APPLICABLE if is_recording else "what making the clip took was not recorded"}
    if "transcript" in info.needs and clip.transcript is None:
        return {"error": "the clip has no transcript"}
    if "reference" not in info.needs:
        reference = clip
    if isinstance(reference, ClipError):
        return {"error": f"reference: {reference}"}
    try:
        values = metric.measure(clip.at(info.sample_rate), reference.at(info.sample_rate))
    except MeasurementError as error:
        return {"error": str(error)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    if len(values) != len(info.columns) or not all(math.isfinite(value) for value in values):
        return {"error": f"{info.name} gave {values} for the columns {info.columns}"}
    return {"values": [float(value) for value in values]}


def _score_utterance(run: Run, job: Job, utterance: PreparedUtterance, metrics: Mapping[str, Any]) -> dict[str, Cell]:
    known = _load(job.path(run), utterance.id)
    clips = _Clips(run, job, utterance)
    cells: dict[str, Cell] = {}
    for row, sample, name in _cells(job):
        key = cell_key(row, sample, name, job)
        if key not in known:
            is_recording = row["system"] == GROUND_TRUTH
            known[key] = measure(metrics[name], clips(row, sample), clips.reference, is_recording)
        cells[key] = known[key]
    return cells


class _Clips:
    """The clips of one utterance, each read once and dropped with the utterance: memory does not grow."""

    def __init__(self, run: Run, job: Job, utterance: PreparedUtterance) -> None:
        self._run, self._utterance = run, utterance
        self._read: dict[tuple[str, int], Clip | ClipError] = {}
        self._ground_truth = next(row for row in job.spec["systems"] if row["system"] == GROUND_TRUTH)

    @property
    def reference(self) -> Clip | ClipError:
        return self(self._ground_truth, 0)

    def __call__(self, row: Mapping[str, Any], sample: int) -> Clip | ClipError:
        key = (row["wavs"], sample)
        if key not in self._read:
            try:
                self._read[key] = self._load(row, sample)
            except ClipError as error:
                self._read[key] = error
        return self._read[key]

    def _load(self, row: Mapping[str, Any], sample: int) -> Clip:
        utterance, wavs = self._utterance, self._run.folder / row["wavs"]
        cost = read_cost(wavs, utterance.id, sample)
        samples, sample_rate = read(wav_path(wavs, utterance.id, sample))
        transcript = None
        if row["transcripts"] is not None:
            transcripts = _transcripts(self._run.folder / row["transcripts"], row["transcript_key"])
            entry = transcripts[clip_key(utterance.id, sample)]
            transcript = entry.get("text")
        return Clip(utterance.id, samples, sample_rate, utterance.text, utterance.speaker, transcript, cost)


@lru_cache(maxsize=64)
def _transcripts(folder: Path, key: str) -> Mapping[str, Mapping[str, str]]:
    clips: Mapping[str, Mapping[str, str]] = read_json(folder / TRANSCRIPTS)["clips"]
    return clips


def _cells(job: Job) -> Iterator[tuple[Mapping[str, Any], int, str]]:
    """Every (system and seed, draw, metric)."""
    for row in job.spec["systems"]:
        for sample in range(row["samples"]):
            for metric in job.spec["metric_keys"]:
                yield row, sample, metric


def _part(folder: Path, id_: str) -> Path:
    return folder / "parts" / f"{id_}.json"


def _load(folder: Path, id_: str) -> dict[str, Cell]:
    path = _part(folder, id_)
    return dict(read_json(path)) if path.exists() else {}
