"""Stage collect: record the wavs of the user's folders as clips of a system.

A record holds the path of the wav, the hash of its bytes and, if a metric needs them and the text is known, its phones;
or the reason why there is no clip. No file is copied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from ttsbench.audio.wav import read
from ttsbench.config.specs import CollectSpec
from ttsbench.data.text_table import AUDIO_SUFFIXES
from ttsbench.engine.isolation import Call, caller
from ttsbench.engine.job import Job, Progress, Run, Task
from ttsbench.engine.parts import require_parts
from ttsbench.engine.store import content_hash, file_hash
from ttsbench.engine.walk import walk_files
from ttsbench.errors import ConfigError
from ttsbench.evaluation.clip_record import Record, is_made, record_path, write_failure, write_record
from ttsbench.evaluation.test_set import EvaluatedUtterance, evaluated_utterances
from ttsbench.types import Cost, Phone

CHUNK = 32  # clips per task


def find_clips(folder: Path, output: Path) -> dict[str, Path]:
    """Return stem -> audio file of a folder and those within it or linked from it, sorted by stem.

    Hidden files are left out, and so is the run folder ``output``, whose page has copies of clips. Raises
    ``ConfigError`` if the folder is missing or holds no audio, and if two files have the same stem.
    """
    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder}. Give one that holds wavs.")
    clips: dict[str, Path] = {}
    skipped = [] if output.resolve() in (folder.resolve(), *folder.resolve().parents) else [output]
    for path in walk_files(folder, skipped):
        if path.suffix.lower() not in AUDIO_SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        id_ = _printable(path.stem)
        if id_ in clips:
            raise ConfigError(
                f"{clips[id_]} and {path} have one stem, and clips are matched by stem: rename or remove one."
            )
        clips[id_] = path
    if not clips:
        raise ConfigError(f"{folder} holds no audio ({', '.join(AUDIO_SUFFIXES)}). Give the folder that does.")
    return dict(sorted(clips.items()))


def _printable(stem: str) -> str:
    """Return a stem with bytes that are not UTF-8 as escape sequences, so that tables can name the clip."""
    return stem.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def tasks(run: Run, job: Job[CollectSpec]) -> Sequence[Task]:
    """Return chunks of clips without a record."""
    folder = job.path(run)
    ids = [one.id for one in evaluated_utterances(run.folder)]
    clips = [(id_, draw) for draw in range(job.spec.samples) for id_ in ids]
    left = [clip for clip in clips if not is_made(folder, *clip)]
    return [{"clips": left[start : start + CHUNK]} for start in range(0, len(left), CHUNK)]


def work(run: Run, job: Job[CollectSpec], task: Task, progress: Progress) -> None:
    """Record a chunk of clips."""
    by_id = {one.id: one for one in evaluated_utterances(run.folder)}
    with caller(job.path(run) / f"{content_hash(task['clips'])}.started") as call:
        for done, (id_, draw) in enumerate(task["clips"]):
            _collect(run, job, by_id[id_], draw, call)
            progress((done + 1) / len(task["clips"]))


def _collect(run: Run, job: Job[CollectSpec], utterance: EvaluatedUtterance, draw: int, call: Call) -> None:
    """Record one clip, or the reason why it is missing."""
    if job.spec.listed:
        named: str | None = getattr(utterance, job.spec.listed)
        path, source = Path(named) if named else None, "the list"
    else:
        path = _clips(Path(job.spec.folders[draw]), run.folder, job.key).get(utterance.id)
        source = Path(job.spec.folders[draw]).name
    if path is None:
        write_failure(job.path(run), utterance.id, draw, f"there is no {utterance.id} in {source}")
        return
    try:
        content = file_hash(path)
    except OSError as error:
        write_failure(job.path(run), utterance.id, draw, f"{path} cannot be read ({error.strerror})")
        return
    cost = read_cost(path)
    if cost is not None:
        content = content_hash([content, asdict(cost)])
    phones = _phones(call, utterance, path) if job.spec.phones else None
    write_record(job.path(run), utterance.id, draw, Record(path, cost, phones, content))


def read_cost(path: Path) -> Cost | None:
    """Return the cost in ``<stem>.json`` beside a wav, as ``ttsbench compare`` writes it; None if there is none.

    The file holds ``{"cost": {"sampling_s": 0.8, "vocoder_s": 0.1, "audio_s": 2.5, "nfe": 16, "parameters": 900}}``;
    ``sampling_s`` and ``audio_s`` (seconds) are necessary, and ``device`` and ``host`` may name what took the time.
    Other JSON files beside wavs are no costs.
    """
    try:
        values = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["cost"]
        known = {"vocoder_s": 0.0, "nfe": None, "parameters": None, **values}
        cost = Cost(**known)
        facts = {name: value for name, value in asdict(cost).items() if value is not None}
        texts = [facts.pop("device"), facts.pop("host")]
        numbers = all(isinstance(value, int | float) for value in facts.values())
        return cost if numbers and all(isinstance(text, str) for text in texts) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def finish(run: Run, job: Job[CollectSpec]) -> None:
    """Check that every clip has its record."""
    ids = [utterance.id for utterance in evaluated_utterances(run.folder)]
    require_parts(record_path(job.path(run), id_, draw) for id_ in ids for draw in range(job.spec.samples))


@lru_cache(maxsize=32)
def _clips(folder: Path, output: Path, key: str) -> Mapping[str, Path]:
    return find_clips(folder, output)


def _phones(call: Call, utterance: EvaluatedUtterance, path: Path) -> tuple[Phone, ...] | None:
    """Return phones by forced alignment; None if the text is unknown or does not fit."""
    if not utterance.text:
        return None
    try:
        aligned: tuple[Phone, ...] = call(_align, utterance.text, path)
    except Exception:  # of the aligner, whose crash is one of them: a clip without phones costs its own cells
        return None
    return aligned


def _align(text: str, path: Path) -> tuple[Phone, ...]:
    from ttsbench.data.alignment import align

    return tuple(align(text, *read(path)))
