"""Models that were trained before, by key: an experiment that asks for one of them is given a copy.

The key holds everything a training depends on, and here the code that trains and the weights that it started from as
well: a student comes with the teacher that it was made from, or is trained anew. So a sweep over temperatures, or
another choice of prosody, trains nothing that any run on this machine has trained. A run's folder has copies of its own
and stays whole when the cache is emptied; what a model cost is what it cost when it was trained.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ttsbench.engine.job import Job, Run
from ttsbench.engine.store import (
    cache_dir,
    content_hash,
    file_hash,
    is_done,
    mark_done,
    open_folder,
    read_json,
    write_json,
)
from ttsbench.registry import bare_source

WEIGHTS = "weights.safetensors"
FILES = (WEIGHTS, "model.json", "curve.csv", "cost.json")
CODE = (
    "nn",
    "nn/energy",
    "data",
    "data/espeak",
    "models/speech_model.py",
    "models/prosody_prediction.py",
    "stages/train.py",
    "types.py",
)


def keep(run: Run, job: Job) -> None:
    """Put a finished training into the cache."""
    place = _place(run, job)
    if place is None or place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as temporary:
        whole = Path(temporary, "model")
        whole.mkdir()
        for name in FILES:
            shutil.copyfile(job.path(run) / name, whole / name)
        try:
            whole.rename(place)
        except OSError:
            if not place.exists():  # where it does, another run was first, with the same model
                raise


def reuse(run: Run, plan: Sequence[Job]) -> int:
    """Copy every model of the plan that the cache has and the run lacks; their number."""
    count = 0
    for job in plan:  # in which a model follows those that it starts from
        if job.stage == "train" and not is_done(job.path(run), job.key):
            place = _place(run, job)
            if place is not None and place.exists():
                _copy(run, job, place)
                count += 1
    return count


def _copy(run: Run, job: Job, place: Path) -> None:
    folder = job.path(run)
    open_folder(folder, job.key)
    for name in FILES:
        shutil.copyfile(place / name, folder / name)
    # The models it started from may have other folders here.
    write_json(folder / "model.json", {**read_json(folder / "model.json"), **job.spec})
    mark_done(folder, job.key)


def _place(run: Run, job: Job) -> Path | None:
    """Where a model lies that was made from the weights which the run has; None where it has not all of them yet."""
    spec = job.spec
    folders = [*spec["sources"].values(), spec.get("start"), spec.get("conditioned_on", {}).get("model")]
    made_from = [run.folder / folder / WEIGHTS for folder in folders if folder]
    if not all(path.exists() for path in made_from):
        return None
    return cache_dir() / "models" / content_hash([job.key, _code(), *map(file_hash, made_from)])


@cache
def _code() -> str:
    """Hash of the modules a training runs through, comments left out."""
    root = Path(__file__).parent.parent
    parts = [root / name for name in CODE]
    files = sorted(file for part in parts for file in (part.glob("*.py") if part.is_dir() else [part]))
    return content_hash([bare_source(file.read_text(encoding="utf-8")) for file in files])
