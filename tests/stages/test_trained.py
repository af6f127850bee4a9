"""A model that was trained once serves every experiment that asks for it, and no other."""

import contextlib
import io
import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tinycorpus import TINY, installed, tiny_corpus

from ttsbench.cli import main
from ttsbench.engine.store import read_json

pytestmark = pytest.mark.slow  # a dozen whole runs


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A function that runs an experiment on a tiny corpus, with changes, and gives its folder and what was said."""
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path / "cache"))
    corpus = tiny_corpus(tmp_path / "corpus", 8)
    values = {
        **TINY,
        "corpus": {"name": "folder", "path": str(corpus), "test": 2, "valid": 2},
        "metrics": {"params": {}},
        "compute": {"accelerator": "cpu", "threads": 1},
    }

    def run(name, **changes):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({**values, **changes}), encoding="utf-8")
        err = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            assert (
                main(["compare", str(tmp_path / f"{name}.yaml"), "--output", str(tmp_path / name), "--jobs", "1"]) == 0
            )
        return tmp_path / name, err.getvalue()

    with installed(tmp_path / "plugins"):
        yield run


def weights(folder, model):
    return (folder / "train" / model / "weights.safetensors").read_bytes()


def test_a_sweep_and_another_label_train_nothing(site):
    first, said = site("first", adapters={"diffusion": {}})
    assert "trained before" not in said
    cold = {"adapter": "diffusion", "temperature": 0.0, "nfe": 2}
    second, said = site("second", adapters={"cold": cold, "warm": {"adapter": "diffusion"}})
    assert "2 models were trained before" in said
    assert [path.name for path in sorted((second / "train").iterdir())] == ["cold-acoustic-seed0", "cold-prosody-seed0"]
    for role in ("acoustic", "prosody"):
        assert weights(first, f"diffusion-{role}-seed0") == weights(second, f"cold-{role}-seed0")
        cost = read_json(second / "train" / f"cold-{role}-seed0" / "cost.json")
        assert cost == read_json(first / "train" / f"diffusion-{role}-seed0" / "cost.json")


def test_other_steps_options_or_code_train_anew(site, monkeypatch):
    site("first", adapters={"l1": {}}, prosody=["oracle"])
    longer = {**TINY["train"], "acoustic": {**TINY["train"]["acoustic"], "steps": 5}}
    assert "trained before" not in site("longer", adapters={"l1": {}}, prosody=["oracle"], train=longer)[1]
    assert "trained before" not in site("other", adapters={"l2": {}}, prosody=["oracle"])[1]
    monkeypatch.setattr("ttsbench.stages.model_cache._code", lambda: "edited")
    assert "trained before" not in site("edited", adapters={"l1": {}}, prosody=["oracle"])[1]


def test_a_pupil_finds_its_teacher_in_the_folder_of_its_own_run(site):
    site("first", adapters={"pupil": {}}, prosody=["oracle"])
    second, said = site("second", adapters={"l1": {}, "pupil": {}}, prosody=["oracle"])
    assert "2 models were trained before" in said
    for source in read_json(second / "train" / "pupil-acoustic-seed0" / "model.json")["sources"].values():
        assert (second / source / "weights.safetensors").exists()


def test_a_pupil_whose_teacher_is_gone_is_trained_anew(site, tmp_path):
    """Its teacher, trained by other code, is another."""
    site("first", adapters={"pupil": {}}, prosody=["oracle"])
    for model in (tmp_path / "cache" / "models").iterdir():
        if read_json(model / "model.json")["adapter"] == "l1":
            shutil.rmtree(model)
    second, said = site("second", adapters={"pupil": {}}, prosody=["oracle"])
    assert "trained before" not in said
    assert sorted(path.name for path in (second / "train").iterdir()) == ["l1-acoustic-seed0", "pupil-acoustic-seed0"]


def test_a_pupil_of_another_teacher_is_another(site):
    site("first", adapters={"pupil": {}}, prosody=["oracle"])
    second, _ = site("second", adapters={"l1": {}}, prosody=["oracle"])
    path = second / "train" / "l1-acoustic-seed0" / "weights.safetensors"
    save_file({name: 1.5 * tensor for name, tensor in load_file(path).items()}, path)
    assert "trained before" not in site("second", adapters={"l1": {}, "pupil": {}}, prosody=["oracle"])[1]


def test_a_removed_teacher_is_trained_before_its_pupil_speaks(site):
    first, _ = site("first", adapters={"pupil": {}}, prosody=["oracle"])
    again = {path: path.read_bytes() for path in first.glob("wavs/pupil+oracle/**/*.wav")}
    shutil.rmtree(first / "train" / "l1-acoustic-seed0")
    shutil.rmtree(first / "wavs" / "pupil+oracle")
    site("first", adapters={"pupil": {}}, prosody=["oracle"], compute={**TINY["compute"]})
    assert again == {path: path.read_bytes() for path in again}


def test_every_objective_goes_on_from_where_one_model_stopped(site):
    """With a learning rate of nothing, each is what it started from."""
    acoustic = {**TINY["train"]["acoustic"], "start_from": "l2", "start_steps": 3}
    folder, _ = site("first", adapters={"l1": {}, "l2": {}}, prosody=["oracle"], train={"acoustic": acoustic})
    assert sorted(path.name for path in (folder / "train").iterdir()) == [
        "l1-acoustic-seed0", "l2-acoustic-seed0", "start-acoustic-seed0",
    ]  # fmt: skip
    assert [read_json(path)["steps"] for path in sorted(folder.glob("train/*/cost.json"))] == [4, 4, 3]
    still = {**acoustic, "learning_rate": 1e-30, "weight_decay": 0.0}
    folder, _ = site("still", adapters={"l1": {}}, prosody=["oracle"], train={"acoustic": still})
    started = load_file(folder / "train" / "start-acoustic-seed0" / "weights.safetensors")
    ended = load_file(folder / "train" / "l1-acoustic-seed0" / "weights.safetensors")
    torch.testing.assert_close(started, ended)  # a parameter of 0 has become 1e-30


def test_a_run_can_refuse_the_cache(site):
    compute = {"accelerator": "cpu", "threads": 1, "reuse": False}
    site("first", adapters={"l1": {}}, prosody=["oracle"])
    assert "trained before" not in site("second", adapters={"l1": {}}, prosody=["oracle"], compute=compute)[1]


def test_training_on_predicted_prosody_needs_that_model_and_gives_another(site):
    adapters = {"l1": {}, "l2": {}, "l1-predicted": {"adapter": "l1", "trained_on": "l2"}}
    systems = ["l1+oracle", "l1-predicted+oracle", "l1-predicted+l2"]
    folder, _ = site("first", adapters=adapters, systems=systems)
    assert sorted(path.name for path in (folder / "train").iterdir()) == [
        "l1-acoustic-seed0", "l1-predicted-acoustic-seed0", "l2-prosody-seed0",
    ]  # fmt: skip
    assert weights(folder, "l1-acoustic-seed0") != weights(folder, "l1-predicted-acoustic-seed0")
    made = read_json(folder / "train" / "l1-predicted-acoustic-seed0" / "model.json")
    assert made["conditioned_on"] == {"model": "train/l2-prosody-seed0", "nfe": 1, "temperature": 1.0}
    rows = [line.split(",")[0] for line in (folder / "summary.csv").read_text().splitlines()[1:]]
    assert rows == ["ground-truth", "copy-synthesis", *systems]
    assert (folder / "training.csv").read_text().count("\n") == 4
