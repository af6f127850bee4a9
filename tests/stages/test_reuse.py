"""Which models the cache gives to a run, without training any: whole runs of it are in test_trained.py."""

import errno
import os
import shutil

import pytest
from tinycorpus import tiny_experiment

from ttsbench.config.specs import TrainSpec
from ttsbench.engine.job import Job, Run
from ttsbench.engine.sentinels import is_done, mark_done, open_folder
from ttsbench.engine.store import write_json
from ttsbench.stages.model_cache import FILES, restore_models, store_model

TEACHER = Job("train teacher", "train", (), "teacher-key", "train/teacher", 1.0, TrainSpec("l1", {}, "acoustic", 0))
PUPIL = Job("train pupil", "train", ("train teacher",), "pupil-key", "train/pupil", 1.0,
            TrainSpec("l1", {}, "acoustic", 0, {"teacher": "train/teacher"}))  # fmt: skip
PLAN = [TEACHER, PUPIL]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that gives an empty run of that name; all share one cache."""
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path / "cache"))
    experiment = tiny_experiment(None)
    return lambda name: Run(tmp_path / name, experiment)


def train(run, job, weights):
    folder = job.path(run)
    open_folder(folder, job.key)
    for name in FILES:
        write_json(folder / name, {"weights": weights})
    mark_done(folder, job.key)
    store_model(run, job)


def there(run):
    return [job.id for job in PLAN if is_done(job.path(run), job.key)]


def test_a_pupil_comes_with_its_teacher(run):
    train(run("first"), TEACHER, "a")
    train(run("first"), PUPIL, "p")
    second = run("second")
    assert restore_models(second, PLAN) == 2 and there(second) == ["train teacher", "train pupil"]
    assert restore_models(second, PLAN) == 0, "what is there is not copied again"


def test_a_pupil_without_its_teacher_or_beside_another_is_none(run, tmp_path):
    train(run("first"), TEACHER, "a")
    train(run("first"), PUPIL, "p")
    other = run("other")
    train(other, TEACHER, "b")  # by other code, say
    assert restore_models(other, PLAN) == 0 and there(other) == ["train teacher"]
    alone = run("alone")
    assert restore_models(alone, [PUPIL]) == 0


def test_each_teacher_has_a_pupil_of_its_own(run):
    for name, weights in (("first", "a"), ("other", "b")):
        train(run(name), TEACHER, weights)
        train(run(name), PUPIL, f"of {weights}")
    third = run("third")
    train(third, TEACHER, "b")
    assert restore_models(third, PLAN) == 1
    assert "of b" in (PUPIL.path(third) / FILES[0]).read_text(encoding="utf-8")


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"x"), lambda path: path.unlink()])
def test_a_damaged_entry_is_removed_and_not_used(run, tmp_path, damage, capsys):
    train(run("first"), TEACHER, "a")
    (entry,) = (tmp_path / "cache" / "models").iterdir()
    damage(entry / FILES[0])
    assert restore_models(run("second"), [TEACHER]) == 0 and not entry.exists()
    assert "damaged and is removed" in capsys.readouterr().err


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_full_or_read_only_cache_fails_no_training(run, monkeypatch, tmp_path, capsys, code):
    def fail(*_arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(shutil, "copyfile", fail)
    train(run("first"), TEACHER, "a")
    assert f"not stored in the cache of models ([Errno {code}]" in capsys.readouterr().err
    assert not list((tmp_path / "cache" / "models").iterdir()), "nothing half-written remains"


def test_a_cache_that_cannot_be_written_costs_a_message(run, tmp_path, capsys):
    (tmp_path / "cache").write_text("a file where the folder should be")
    train(run("first"), TEACHER, "a")
    assert "train teacher: not stored in the cache of models" in capsys.readouterr().err
