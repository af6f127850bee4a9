"""State that is not optimised: in checkpoints, on the model's device, and where ``start_from`` begins."""

from types import SimpleNamespace

import pytest
import torch
from lightning.fabric import Fabric
from safetensors.torch import load_file
from tinycorpus import installed, prepared, tiny_corpus
from tinytraining import STEPS, job_of, same, state, step, trainer_of, with_train

from ttsbench.models.adapter_state import AdapterState
from ttsbench.stages import train

TENSORS = {"model.adapter_state.mean_loss", "model.adapter_state.networks.target.output.weight"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch, installed(root / "plugins"):
        patch.setenv("TTSBENCH_CACHE", str(root / "cache"))
        run = prepared(root, tiny_corpus(root / "corpus"), adapters={"consistency": {}, "l2": {}}, prosody=["same"])
        yield with_train(run)


@pytest.fixture(scope="module")
def fabric():
    return Fabric(accelerator="cpu", devices=1)


def test_killed_consistency_model_resumes_to_the_same_bits(fabric, run):
    straight = trainer_of(fabric, run, job_of(run, "consistency", name="straight"))
    step(straight, STEPS)
    straight.save()
    job = job_of(run, "consistency", name="resumed")
    killed = trainer_of(fabric, run, job)
    step(killed, 3)
    killed._checkpoint()
    step(killed, 1)  # lost with the process
    resumed = trainer_of(fabric, run, job)
    assert resumed._step == 3
    step(resumed, STEPS - 3)
    resumed.save()
    assert state(straight).keys() >= TENSORS
    assert same(state(straight), state(resumed))
    weights = [(run.folder / "train" / name / "weights.safetensors").read_bytes() for name in ("straight", "resumed")]
    assert weights[0] == weights[1]


def test_state_is_in_the_checkpoint_and_in_no_optimizer_and_not_in_the_model(fabric, run):
    job = job_of(run, "consistency", name="files")
    trainer = trainer_of(fabric, run, job)
    step(trainer, 2)
    trainer._checkpoint()
    trainer.save()
    assert load_file(job.path(run) / train.CHECKPOINT).keys() >= TENSORS
    assert not any("adapter_state" in name for name in load_file(job.path(run) / "weights.safetensors"))
    target = trainer._model.adapter.target
    optimised = {id(parameter) for group in trainer._groups.values() for parameter in group}
    assert not any(id(parameter) in optimised or parameter.requires_grad for parameter in target.parameters())


def test_target_network_starts_from_the_pretrained_backbone(fabric, run):
    model, source = (trainer_of(fabric, run, job_of(run, name, name=f"new-{name}"))._model
                     for name in ("consistency", "l2"))  # fmt: skip
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(0.25)
    before = model.adapter.target.output.weight.clone()
    model.initialise_from(source)
    weights = [dict(network.named_parameters()) for network in (model.adapter.network, model.adapter.target)]
    assert same(*weights)
    assert not torch.equal(before, model.adapter.target.output.weight)


def test_tensors_of_the_adapter_move_with_the_model(fabric, run):
    model = trainer_of(fabric, run, job_of(run, "consistency", name="moved"))._model.to(torch.float64)
    assert model.adapter.mean_loss.dtype == model.adapter.target.output.weight.dtype == torch.float64


def test_tensor_that_is_no_attribute_is_refused():
    adapter = SimpleNamespace(state=lambda: {"count": torch.zeros(3)})
    with pytest.raises(ValueError, match="'count', which is not the adapter's attribute"):
        AdapterState(adapter)
