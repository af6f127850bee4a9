"""Stage score: compute every metric for every clip; each recording is analysed once for all systems.

Rows are stored in ``parts/<utterance>.json`` with the key of all that they depend on, so a new system or metric
computes only its own cells. ``finish`` writes one ``<metric>.csv`` per metric with the columns system, seed, sample,
utterance, those of the metric, error, warning and machine. A failure is a row with a reason and without numbers.
"""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench import registry
from ttsbench.audio.bandwidth import band_limit_warning
from ttsbench.audio.wav import read
from ttsbench.config.specs import ScoredClips, ScoreSpec
from ttsbench.config.systems import ANOTHER_RENDERING, GROUND_TRUTH, PROMPT
from ttsbench.devices import use_device
from ttsbench.engine.csv_cells import safe_cell
from ttsbench.engine.isolation import Call, CallCrashed, caller
from ttsbench.engine.job import Job, Progress, Run, Task
from ttsbench.engine.parts import require_parts
from ttsbench.engine.store import content_hash, file_hash, file_stem, read_json, replacing, write_json
from ttsbench.errors import ClipError, MeasurementError, NotApplicable
from ttsbench.evaluation.clip_record import Record, read_record
from ttsbench.evaluation.draws import draws_of_wavs, read_draws
from ttsbench.evaluation.metric_rows import NOT_APPLICABLE
from ttsbench.evaluation.test_set import EvaluatedUtterance, evaluated_utterances
from ttsbench.evaluation.transcripts import TRANSCRIPTS, clip_key, read_transcripts
from ttsbench.types import Clip, Draws, MetricInfo

ScoreJob = Job[ScoreSpec]
CHUNK = 4  # utterances per task
Measurement = dict[str, Any]  # ``values`` or ``error``, and possibly ``warning`` and ``machine``


def tasks(run: Run, job: ScoreJob) -> Sequence[Task]:
    """Return chunks of utterances with at least one cell that is missing or out of date."""
    folder = job.path(run)
    left = [
        one.id
        for one in evaluated_utterances(run.folder)
        if not set(cell_keys(run, job, one)) <= set(_load(folder, one.id))
    ]
    return [{"utterances": left[start : start + CHUNK]} for start in range(0, len(left), CHUNK)]


def work(run: Run, job: ScoreJob, task: Task, progress: Progress) -> None:
    """Score a chunk of utterances, each for all systems together."""
    by_id = {one.id: one for one in evaluated_utterances(run.folder)}
    marker = job.path(run) / "parts" / f"{content_hash(task['utterances'])}.started"
    with caller(marker) as call:
        for done, id_ in enumerate(task["utterances"]):
            cells = _score_utterance(run, job, by_id[id_], call)
            write_json(_part(job.path(run), id_), cells)
            progress((done + 1) / len(task["utterances"]))


def finish(run: Run, job: ScoreJob) -> None:
    """Write one table of rows per metric; a single utterance is in memory at a time."""
    folder, utterances = job.path(run), evaluated_utterances(run.folder)
    require_parts(_part(folder, utterance.id) for utterance in utterances)
    with ExitStack() as stack:
        writers = {}
        for name in run.experiment.metrics:
            columns = _metric(run, name).info.columns
            file = stack.enter_context(replacing(folder / f"{name}.csv"))
            writers[name] = csv.writer(file, lineterminator="\n")
            writers[name].writerow(["system", "seed", "sample", "utterance", *columns, "error", "warning", "machine"])
        for one in utterances:
            cells = _load(folder, one.id)
            for (row, sample, name), key in zip(_cells(job), cell_keys(run, job, one), strict=True):
                cell = cells[key]
                values = cell.get("values") or [None] * len(_metric(run, name).info.columns)
                clip = [row.system, row.seed, sample, one.id]
                texts = [cell.get("error", ""), cell.get("warning", ""), cell.get("machine", "")]
                writers[name].writerow(map(safe_cell, [*clip, *map(_number, values), *texts]))


def cell_keys(run: Run, job: ScoreJob, utterance: EvaluatedUtterance) -> list[str]:
    """Return the hash of everything that a cell depends on, for each cell of an utterance in the order of the plan."""
    keys = []
    for row in job.spec.clips:
        for sample in range(row.samples):
            evidence = row.key or _evidence(run, job, utterance, row, sample)
            made = [row.system, row.seed, sample, evidence, row.transcript_key]
            keys += [content_hash([*made, *metric]) for metric in job.spec.metric_keys.items()]
    return keys


def measure(metric: Any, clip: Clip | ClipError, reference: Clip | ClipError, is_recording: bool) -> Measurement:
    """Return one cell: values, or the reason of a failure. No fault of a clip or a metric becomes a number."""
    info: MetricInfo = metric.info
    if isinstance(clip, ClipError):
        return {"error": str(clip)}
    if "draws" in info.needs and (is_recording or clip.draws is None):
        return {"error": NOT_APPLICABLE}
    if "cost" in info.needs and clip.cost is None:
        return {"error": NOT_APPLICABLE if is_recording else "what making the clip took was not recorded"}
    if "reference" not in info.needs:
        reference = clip
    if isinstance(reference, ClipError):
        return {"error": f"reference: {reference}"}
    lacking = _lacking(info, clip, reference)
    if lacking:
        return {"error": lacking}
    try:
        values = metric.measure(clip.at(info.sample_rate), reference.at(info.sample_rate))
    except NotApplicable:
        return {"error": NOT_APPLICABLE}
    except MeasurementError as error:
        return {"error": str(error)}
    except (Exception, SystemExit) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    numbers = _finite_numbers(values)
    if numbers is None or len(numbers) != len(info.columns):
        return {"error": f"{info.name} gave {str(values)[:200]} for the columns {', '.join(info.columns)}"}
    fault = _reduction_fault(metric, numbers)
    if fault:
        return {"error": fault}
    machine = {"machine": clip.cost.machine} if info.timed and clip.cost else {}
    return {"values": numbers, **machine, **_warning(info, clip, reference)}


def _finite_numbers(values: Any) -> list[float] | None:
    """Return what a metric gave as numbers; None if it is not a sequence of finite numbers."""
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _reduction_fault(metric: Any, numbers: Sequence[float]) -> str:
    """Return why ``reduce`` fails on the row of one clip, which would cost the report of all systems; "" if it works.

    NaN is no fault: a single clip may have no value, such as a correlation.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            float(metric.reduce(np.array([numbers], dtype=np.float64)))
    except (Exception, SystemExit) as error:
        return f"reduce fails on this clip: {type(error).__name__}: {error}"
    return ""


def _lacking(info: MetricInfo, clip: Clip, reference: Clip) -> str:
    """Return which input of a metric the clip lacks; empty if nothing is missing."""
    if "transcript" in info.needs and clip.transcript is None:
        return "the clip has no transcript: the recogniser failed on it, or none was run"
    if "phones" in info.needs and (clip.phones is None or reference.phones is None):
        return "the clip or its reference could not be aligned with its text, so the times of its phones are not known"
    if "prompt" in info.needs and clip.prompt is None:
        return "there is no other recording of its speaker to compare it with"
    return ""


def _warning(info: MetricInfo, clip: Clip, reference: Clip) -> dict[str, str]:
    """Return a warning if clip or reference lack a band that the metric analyses, by measurement."""
    if info.band_hz is None:
        return {}
    other = clip.prompt if "prompt" in info.needs else reference
    warning = band_limit_warning(clip, None if other is clip else other, info.band_hz)
    return {"warning": warning} if warning else {}


def _score_utterance(run: Run, job: ScoreJob, utterance: EvaluatedUtterance, call: Call) -> dict[str, Measurement]:
    known = _load(job.path(run), utterance.id)
    cells: dict[str, Measurement] = {}
    for (row, sample, name), key in zip(_cells(job), cell_keys(run, job, utterance), strict=True):
        if key not in known:
            try:
                known[key] = call(_score_cell, run, job, utterance, row, sample, name)
            except CallCrashed:
                known[key] = {"error": f"{name} crashed on this clip (a native library, or out of memory)"}
        cells[key] = known[key]
    return cells


def _score_cell(
    run: Run, job: ScoreJob, utterance: EvaluatedUtterance, row: ScoredClips, sample: int, name: str
) -> Measurement:
    clips = _clips_of(run, job, utterance)
    return measure(_metric(run, name), clips(row, sample), clips.reference, row.system == GROUND_TRUTH)


class _Clips:
    """The clips of one utterance: each is read once, and all are released with the utterance."""

    def __init__(self, run: Run, job: ScoreJob, utterance: EvaluatedUtterance) -> None:
        self._folder, self._utterance, self._mel = run.folder, utterance, run.experiment.mel
        self._compares_folders = run.compares_folders
        self._needs_draws = any("draws" in _metric(run, name).info.needs for name in run.experiment.metrics)
        self._read: dict[tuple[str, int], Clip | ClipError] = {}
        self._ground_truth = _ground_truth(job)
        self._no_recording = ClipError("there is no recording")
        self._redrawn = next((row for row in job.spec.clips if row.system == ANOTHER_RENDERING), None)
        self._prompt = _prompt_clip(utterance)

    @property
    def reference(self) -> Clip | ClipError:
        return self(self._ground_truth, 0) if self._ground_truth else self._no_recording

    def __call__(self, row: ScoredClips, sample: int) -> Clip | ClipError:
        key = (row.wavs, sample)
        if key not in self._read:
            try:
                self._read[key] = self._load(row, sample)
            except ClipError as error:
                self._read[key] = error
        return self._read[key]

    def _load(self, row: ScoredClips, sample: int) -> Clip:
        one = self._utterance
        record = read_record(self._folder / row.wavs, one.id, sample)
        samples, sample_rate = read(record.audio)
        draws = self._draws(row) if self._needs_draws and sample == 0 else None
        text = one.prompt_text if row.system == PROMPT else one.text
        return Clip(
            one.id, samples, sample_rate, text, one.speaker, _transcript(self._folder, row, one.id, sample),
            record.cost, row.seed, sample, record.phones, self._prompt, one.attributes, draws, one.language,
        )  # fmt: skip

    def _draws(self, row: ScoredClips) -> Draws | None:
        """Return all draws of a system: stored by a run, computed from the wavs of the user's folders."""
        folder = self._folder / row.wavs
        if not self._compares_folders and row.key is None:  # a folder in an experiment, with durations of its own
            return None
        if row.key is not None:
            draws = read_draws(folder, self._utterance.id)
            if draws is None or self._redrawn is None or row.system != GROUND_TRUTH:
                return draws
            redrawn = read_draws(self._folder / self._redrawn.wavs, self._utterance.id)
            return replace(draws, law=redrawn.law) if redrawn else draws
        try:
            wavs = [read(read_record(folder, self._utterance.id, draw).audio) for draw in range(row.samples)]
        except ClipError as error:
            return Draws(failure=str(error))
        return draws_of_wavs(wavs, self._mel)


_current: list[tuple[Any, _Clips]] = []


def _clips_of(run: Run, job: ScoreJob, utterance: EvaluatedUtterance) -> _Clips:
    """Return the clips of the utterance that this process is scoring."""
    key = (run.folder, job.key, utterance.id)
    if not _current or _current[0][0] != key:
        _current[:] = [(key, _Clips(run, job, utterance))]
    return _current[0][1]


def _prompt_clip(utterance: EvaluatedUtterance) -> Clip | None:
    if utterance.prompt is None:
        return None
    try:
        samples, sample_rate = read(Path(utterance.prompt))
    except ClipError:
        return None
    return Clip(f"{utterance.id}-prompt", samples, sample_rate, speaker=utterance.speaker)


def _evidence(run: Run, job: ScoreJob, utterance: EvaluatedUtterance, row: ScoredClips, sample: int) -> list[Any]:
    """Return the content of a clip from the user's folders and of its reference, for the key of its cells."""
    found: list[Any] = [utterance.text, utterance.prompt_text, utterance.speaker, _prompt_content(utterance.prompt)]
    draws = range(row.samples) if sample == 0 else [sample]  # the first clip of a system carries all its draws
    truth = _ground_truth(job)
    if truth:
        found.append(truth.key)  # None unless a folder is a row of an experiment
    for one, draw in (*((row, draw) for draw in draws), *([(truth, 0)] if truth else [])):
        found.append(_content(run.folder / one.wavs, utterance.id, draw))
        found.append(_transcript(run.folder, one, utterance.id, draw))
    return found


def _prompt_content(prompt: str | None) -> str | None:
    """Return the hash of the prompt's file; its name if the file cannot be read."""
    if prompt is None:
        return None
    try:
        status = Path(prompt).stat()
        return _hash_of(prompt, status.st_size, status.st_mtime_ns)
    except OSError:
        return prompt


@lru_cache(maxsize=4096)
def _hash_of(path: str, size: int, written_ns: int) -> str:
    return file_hash(Path(path))


def _content(wavs: Path, id_: str, sample: int) -> str:
    try:
        record: Record = read_record(wavs, id_, sample)
    except ClipError as error:
        return str(error)
    return str(record.content)


def _ground_truth(job: ScoreJob) -> ScoredClips | None:
    """Return the row of the recordings; None for a prompt list without any."""
    return next((row for row in job.spec.clips if row.system == GROUND_TRUTH), None)


def _transcript(folder: Path, row: ScoredClips, id_: str, sample: int) -> str | None:
    if row.transcripts is None:
        return None
    transcripts = folder / row.transcripts
    written_ns = (transcripts / TRANSCRIPTS).stat().st_mtime_ns
    return _transcripts(transcripts, written_ns)[clip_key(id_, sample)].get("text")


@lru_cache(maxsize=64)
def _transcripts(folder: Path, written_ns: int) -> Mapping[str, Mapping[str, str]]:
    return read_transcripts(folder)


_metrics: dict[str, Any] = {}


def _metric(run: Run, name: str) -> Any:
    """Return the metric with its options; one object per process."""
    compute = run.experiment.compute
    device = str(use_device(compute.accelerator, compute.tf32))
    options = registry.device_options("metrics", name, run.experiment.metrics[name], device)
    key = content_hash([name, options])
    if key not in _metrics:
        _metrics[key] = registry.load("metrics", name)(**options)
    return _metrics[key]


def _number(value: float | None) -> str:
    return "" if value is None else repr(value).removesuffix(".0")


def _cells(job: ScoreJob) -> Iterator[tuple[ScoredClips, int, str]]:
    """Yield every combination of system and seed, draw, and metric."""
    for row in job.spec.clips:
        for sample in range(row.samples):
            for metric in job.spec.metric_keys:
                yield row, sample, metric


def _part(folder: Path, id_: str) -> Path:
    return folder / "parts" / f"{file_stem(id_)}.json"


def _load(folder: Path, id_: str) -> dict[str, Measurement]:
    path = _part(folder, id_)
    return dict(read_json(path)) if path.exists() else {}
