"""A cache of trained models, shared by all experiments on this machine.

An entry is named by the key of the training, the code that trains, and the weights that the training started from; so a
student is reused only with the teacher that it was distilled from. A sweep over temperatures, or another choice of
prosody, therefore trains nothing that an earlier run has trained. A run folder holds its own copies and stays complete
if the cache is emptied. The cost of a cached model is that of its training.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ttsbench.config.specs import TrainSpec
from ttsbench.engine.job import AnyJob, Job, Run
from ttsbench.engine.progress import console
from ttsbench.engine.sentinels import damaged_files, is_done, mark_done, open_folder, was_done
from ttsbench.engine.store import cache_dir, content_hash, file_hash, read_json, write_json
from ttsbench.errors import TtsbenchError
from ttsbench.registry import bare_source

WEIGHTS = "weights.safetensors"
FILES = (WEIGHTS, "model.json", "curve.csv", "cost.json")
# Modules that can change the weights; a test derives this list from the imports of the train stage.
CODE = (
    "nn",
    "data",
    "models/adapter_state.py",
    "models/speech_model.py",
    "models/prosody_prediction.py",
    "stages/moving_average.py",
    "stages/train.py",
    "stages/trainer.py",
    "stages/training_budget.py",
    "stages/training_inputs.py",
    "devices.py",
    "types.py",
)


def store_model(run: Run, job: Job[TrainSpec]) -> None:
    """Copy a finished training into the cache; a cache that cannot be written costs a message and nothing else."""
    entry = _entry(run, job)
    if entry is None or entry.exists():
        return
    try:
        _store(run, job, entry)
    except (OSError, TtsbenchError) as error:
        console().print(f"{job.id}: not stored in the cache of models ({error}).", highlight=False, markup=False)


def _store(run: Run, job: Job[TrainSpec], entry: Path) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=entry.parent) as temporary:
        copy = Path(temporary, "model")
        copy.mkdir()
        for name in FILES:
            shutil.copyfile(job.path(run) / name, copy / name)
        mark_done(copy, job.key)
        try:
            copy.rename(entry)
        except OSError:
            if not entry.exists():  # if it exists, another run has stored the same model in the meantime
                raise


def restore_models(run: Run, plan: Sequence[AnyJob]) -> int:
    """Copy every model of the plan that the run lacks and the cache holds; return their number."""
    count = 0
    for job in plan:  # a model comes after the models that it starts from
        if job.stage == "train" and not is_done(job.path(run), job.key):
            entry = _entry(run, job)
            if entry is not None and _is_usable(entry, job):
                _copy(run, job, entry)
                count += 1
    return count


def _is_usable(entry: Path, job: Job[TrainSpec]) -> bool:
    """Return whether an entry exists and is intact; a damaged entry is removed, and the model is trained again."""
    if not entry.exists():
        return False
    if was_done(entry, job.key) and not damaged_files(entry, thorough=True):
        return True
    console().print(f"{job.id}: its entry in the cache of models is damaged and is removed.", highlight=False)
    shutil.rmtree(entry, ignore_errors=True)
    return False


def _copy(run: Run, job: Job[TrainSpec], entry: Path) -> None:
    folder = job.path(run)
    open_folder(folder, job.key)
    for name in FILES:
        shutil.copyfile(entry / name, folder / name)
    # In this run, the models that it started from may have other folders.
    write_json(folder / "model.json", {**read_json(folder / "model.json"), **job.spec.description()})
    mark_done(folder, job.key)


def _entry(run: Run, job: Job[TrainSpec]) -> Path | None:
    """Return the cache entry of a training; None if the run lacks weights that the training starts from."""
    weights = [run.folder / folder / WEIGHTS for folder in job.spec.folders()]
    if not all(path.exists() for path in weights):
        return None
    return cache_dir() / "models" / content_hash([job.key, _code_hash(), *map(file_hash, weights)])


@cache
def _code_hash() -> str:
    """Return the hash of the modules that can change the weights, without their comments."""
    root = Path(__file__).parent.parent
    parts = [root / name for name in CODE]
    files = sorted(file for part in parts for file in (part.rglob("*.py") if part.is_dir() else [part]))
    return content_hash([bare_source(file.read_text(encoding="utf-8")) for file in files])
