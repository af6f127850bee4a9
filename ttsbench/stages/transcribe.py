"""Stage transcribe: transcribe every clip once, for all metrics that read transcripts.

Writes ``parts/*.json`` and merges them into ``transcripts.json`` (``ttsbench.evaluation.transcripts``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ttsbench import registry
from ttsbench.audio.wav import read, resample
from ttsbench.config.specs import TranscribeSpec
from ttsbench.devices import use_device
from ttsbench.engine.isolation import CallCrashed, caller
from ttsbench.engine.job import Job, Progress, Run, Task
from ttsbench.engine.parts import require_parts
from ttsbench.engine.store import content_hash, read_json, write_json
from ttsbench.errors import TtsbenchError
from ttsbench.evaluation.clip_record import read_record
from ttsbench.evaluation.test_set import evaluated_utterances, vocabulary
from ttsbench.evaluation.transcripts import TRANSCRIPTS, clip_key
from ttsbench.interfaces import Multilingual

CHUNK = 8  # clips per task


def tasks(run: Run, job: Job[TranscribeSpec]) -> Sequence[Task]:
    """Return chunks of clips without a transcript."""
    return [{"clips": chunk} for chunk in _chunks(run, job) if not _part(job.path(run), chunk).exists()]


def _chunks(run: Run, job: Job[TranscribeSpec]) -> list[list[tuple[str, int]]]:
    ids = [utterance.id for utterance in evaluated_utterances(run.folder)]
    clips = [(id_, sample) for sample in range(job.spec.samples) for id_ in ids]
    return [clips[start : start + CHUNK] for start in range(0, len(clips), CHUNK)]


def work(run: Run, job: Job[TranscribeSpec], task: Task, progress: Progress) -> None:
    """Transcribe a chunk of clips."""
    part = _part(job.path(run), task["clips"])
    found: dict[str, dict[str, str]] = {}
    languages = {utterance.id: utterance.language for utterance in evaluated_utterances(run.folder)}
    with caller(part.with_suffix(".started")) as call:
        for done, (id_, sample) in enumerate(task["clips"]):
            try:
                found[clip_key(id_, sample)] = call(
                    _transcribe, run, run.folder / job.spec.wavs, id_, sample, languages[id_]
                )
            except CallCrashed:
                name = run.experiment.transcriber.name
                found[clip_key(id_, sample)] = {"error": f"the recogniser '{name}' crashed on this clip"}
            progress((done + 1) / len(task["clips"]))
    write_json(part, found)


def finish(run: Run, job: Job[TranscribeSpec]) -> None:
    """Merge the parts."""
    parts = [_part(job.path(run), chunk) for chunk in _chunks(run, job)]
    require_parts(parts)
    merged: dict[str, Any] = {}
    for part in parts:
        merged |= read_json(part)
    recogniser = _recogniser(run, run.experiment.transcriber.name)
    about = {"signature": recogniser.signature, "vocabulary_size": getattr(recogniser, "vocabulary_size", None)}
    write_json(job.path(run) / TRANSCRIPTS, {**about, "clips": dict(sorted(merged.items()))})


def _transcribe(run: Run, wavs: Path, id_: str, sample: int, language: str) -> dict[str, str]:
    """Return the words of one clip, or the reason of a failure; an empty language is that of the run."""
    recogniser = _recogniser(run, run.experiment.transcriber.name)
    try:
        samples, rate = read(read_record(wavs, id_, sample).audio)
        in_language = recogniser.in_language(language) if isinstance(recogniser, Multilingual) else recogniser
        text = in_language.transcribe(resample(samples, rate, recogniser.sample_rate))
    except TtsbenchError as error:
        return {"error": str(error)}
    except (Exception, SystemExit) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    if not isinstance(text, str):
        return {"error": f"the recogniser gave {str(text)[:200]} in place of a text"}
    return {"text": text}


@lru_cache(maxsize=1)
def _vocabulary(folder: Path, written_ns: int) -> tuple[str, ...]:
    return tuple(vocabulary(folder))


_recognisers: dict[str, Any] = {}


def _recogniser(run: Run, name: str) -> Any:
    """Return the recogniser; one per process, because loading it costs more than a clip."""
    compute = run.experiment.compute
    device = str(use_device(compute.accelerator, compute.tf32))
    options = registry.device_options("transcribers", name, run.experiment.transcriber.options, device)
    listing = run.layout.utterances
    known = _vocabulary(run.folder, listing.stat().st_mtime_ns if listing.exists() else 0)
    key = content_hash([name, options, known])
    if key not in _recognisers:
        _recognisers[key] = registry.load("transcribers", name)(known, **options)
    return _recognisers[key]


def _part(folder: Path, clips: Sequence[Any]) -> Path:
    return folder / "parts" / f"{content_hash([list(clip) for clip in clips])}.json"
