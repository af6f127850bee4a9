"""Stage transcribe: one transcript per clip, once, for every metric that needs it.

Leaves ``parts/*.json``, brought together in ``transcripts.json``: {"<id>.<draw>": {"text": ...} or {"error": ...}}.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ttsbench import registry
from ttsbench.audio.wav import read, resample
from ttsbench.data.corpus import PreparedCorpus
from ttsbench.data.text import words
from ttsbench.errors import ClipError, MeasurementError
from ttsbench.jobs import Job, Progress, Run, Task
from ttsbench.store import content_hash, read_json, write_json
from ttsbench.synthesize import read_cost, wav_path

CHUNK = 8  # clips per task
TRANSCRIPTS = "transcripts.json"


def clip_key(id_: str, sample: int) -> str:
    """Names a draw of an utterance in ``transcripts.json``; ids hold no '#'."""
    return f"{id_}#{sample}"


def tasks(run: Run, job: Job) -> Sequence[Task]:
    """Chunks of clips without a transcript."""
    ids = [utterance.id for utterance in PreparedCorpus(run.folder / "prepare").split("test")]
    clips = [(id_, sample) for sample in range(job.spec["samples"]) for id_ in ids]
    chunks = [clips[start : start + CHUNK] for start in range(0, len(clips), CHUNK)]
    return [{"clips": chunk} for chunk in chunks if not _part(job.path(run), chunk).exists()]


def work(run: Run, job: Job, task: Task, progress: Progress) -> None:
    """Transcribe a chunk."""
    recogniser = _recogniser(run, run.experiment.transcriber.name)
    wavs = run.folder / job.spec["wavs"]
    found: dict[str, dict[str, str]] = {}
    for done, (id_, sample) in enumerate(task["clips"]):
        found[clip_key(id_, sample)] = _transcribe(recogniser, wavs, id_, sample)
        progress((done + 1) / len(task["clips"]))
    write_json(_part(job.path(run), task["clips"]), found)


def finish(run: Run, job: Job) -> None:
    """Merge the parts."""
    merged: dict[str, Any] = {}
    for part in sorted((job.path(run) / "parts").glob("*.json")):
        merged |= read_json(part)
    write_json(job.path(run) / TRANSCRIPTS, {"signature": _signature(run), "clips": dict(sorted(merged.items()))})


def vocabulary(corpus: PreparedCorpus) -> list[str]:
    """The words of the whole corpus: what a flat unigram may hear."""
    return sorted({word for utterance in corpus.utterances for word in words(utterance.text)})


def _transcribe(recogniser: Any, wavs: Path, id_: str, sample: int) -> dict[str, str]:
    try:
        read_cost(wavs, id_, sample)  # raises where the clip could not be made
        samples, rate = read(wav_path(wavs, id_, sample))
        return {"text": recogniser.transcribe(resample(samples, rate, recogniser.sample_rate))}
    except (ClipError, MeasurementError, ValueError, RuntimeError) as error:
        return {"error": f"{error}"}


def _signature(run: Run) -> str:
    return str(_recogniser(run, run.experiment.transcriber.name).signature)


@lru_cache(maxsize=1)
def _corpus_vocabulary(folder: Path) -> tuple[str, ...]:
    return tuple(vocabulary(PreparedCorpus(folder)))


_recognisers: dict[str, Any] = {}


def _recogniser(run: Run, name: str) -> Any:
    """One recogniser per process: loading it costs more than a clip."""
    options = run.experiment.transcriber.options
    known = _corpus_vocabulary(run.folder / "prepare")
    key = content_hash([name, options, known])
    if key not in _recognisers:
        _recognisers[key] = registry.load("transcribers", name)(known, **options)
    return _recognisers[key]


def _part(folder: Path, clips: Sequence[Any]) -> Path:
    return folder / "parts" / f"{content_hash([list(clip) for clip in clips])}.json"
