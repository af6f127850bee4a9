"""Optional inputs of training: samples, the number of steps, and a loss that several networks share."""

import pytest
import torch
from lightning.fabric import Fabric
from tinycorpus import TINY, installed, prepared, tiny_corpus
from tinytraining import STEPS, job_of, same, state, step, trainer_of, with_train

from ttsbench.audio.mel import log_mel, magnitudes
from ttsbench.data.corpus import PreparedCorpus
from ttsbench.engine.store import read_json
from ttsbench.models.speech_model import group_problem, load_model
from ttsbench.stages import train
from ttsbench.types import Noise


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("inputs")
    with pytest.MonkeyPatch.context() as patch, installed(root / "plugins"):
        patch.setenv("TTSBENCH_CACHE", str(root / "cache"))
        adapters = {"l1": {}, "variational": {}, "short": {"adapter": "variational", "steps": 3}}
        yield prepared(root, tiny_corpus(root / "corpus"), adapters=adapters, prosody=["oracle", "variational"])


@pytest.fixture(scope="module")
def fabric():
    return Fabric(accelerator="cpu", devices=1)


@pytest.mark.parametrize("frames", [24, None], ids=["crops", "whole utterances"])
def test_samples_belong_to_the_frames_of_the_batch(fabric, run, frames):
    """The mel of the samples is the target, but at the edges of a crop, where windows reach outside."""
    trainer = trainer_of(fabric, with_train(run, crop_frames=frames), job_of(run, "variational", name="samples"))
    norm, mel = PreparedCorpus(run.layout.prepare).norm, run.experiment.mel
    for batch in (trainer._batches(0), trainer._batches(1), *trainer._valid):
        assert batch.waveform.shape == (len(batch.mask), batch.mask.shape[1] * mel.hop_length)
        for row in range(len(batch.mask)):
            count = int(batch.mask[row].sum())
            samples = batch.waveform[row, : count * mel.hop_length]
            assert not batch.waveform[row, count * mel.hop_length :].any()
            again = (log_mel(magnitudes(samples, mel), mel) - norm.mel_mean) / norm.mel_std
            inner = slice(2, count - 2)
            torch.testing.assert_close(again[inner], batch.target[row, :count][inner], atol=0.02, rtol=0)


def test_only_acoustic_models_that_ask_for_samples_get_them(fabric, run):
    for label, role in (("l1", "acoustic"), ("variational", "prosody")):
        trainer = trainer_of(fabric, with_train(run), job_of(run, label, role, name=f"none-{label}"))
        assert trainer._batches(0).waveform is None and trainer._valid[0].waveform is None


def test_an_adapter_knows_how_many_steps_it_has(fabric, run):
    run = with_train(run)
    counts = [trainer_of(fabric, run, job_of(run, label, name=f"steps-{label}"))._model.adapter.steps
              for label in ("variational", "short")]  # fmt: skip
    assert counts == [STEPS, 3]
    prosody = trainer_of(fabric, run, job_of(run, "variational", "prosody", name="steps-prosody"))
    assert prosody._model.adapter.steps == TINY["train"]["prosody"]["steps"]


def test_one_loss_trains_two_networks_in_one_backward_pass(fabric, run, monkeypatch):
    run = with_train(run, clip_norm=1e9)
    trainer = trainer_of(fabric, run, job_of(run, "variational", name="one-loss"))
    losses = trainer._losses(trainer._batches(0), 5)
    (loss,) = losses.values()
    parameters = [p for group in ("generator", "posterior") for p in trainer._groups[group]]
    wanted = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
    backward, calls = trainer._fabric.backward, []
    monkeypatch.setattr(trainer._fabric, "backward", lambda *a, **k: (calls.append(1), backward(*a, **k)))
    trainer._gradients(losses)
    assert len(calls) == 1
    for parameter, gradient in zip(parameters, wanted, strict=True):
        assert (parameter.grad is None) == (gradient is None)
        if gradient is not None:
            torch.testing.assert_close(parameter.grad, gradient)
    monkeypatch.undo()
    before = {name: [p.detach().clone() for p in trainer._groups[name]] for name in trainer._groups}
    step(trainer, 2)
    for name, old in before.items():
        assert any(not torch.equal(a, b) for a, b in zip(old, trainer._groups[name], strict=True))
    row = trainer._curve[-1]
    assert row["loss_generator"] == row["loss_posterior"], "the curve has a column for each network"


def test_a_training_with_samples_and_one_loss_resumes_to_the_same_bits(fabric, run):
    run = with_train(run)
    straight = trainer_of(fabric, run, job_of(run, "variational", name="straight"))
    step(straight, STEPS)
    job = job_of(run, "variational", name="resumed")
    first = trainer_of(fabric, run, job)
    step(first, 3)
    first._checkpoint()
    second = trainer_of(fabric, run, job)
    step(second, STEPS - 3)
    assert same(state(straight), state(second))


def test_a_trained_model_is_loaded_without_its_steps(run):
    run = with_train(run)
    job = job_of(run, "variational", name="loaded")
    train.work(run, job, {}, lambda fraction: None)
    assert load_model(job.path(run), run.folder).adapter.steps == 0
    assert read_json(job.path(run) / "cost.json")["steps"] == STEPS


def test_names_of_losses():
    groups = ("generator", "critic")
    assert group_problem(["generator+critic"], groups) == group_problem(["critic"], groups) == ""
    assert "two losses for 'critic'" in group_problem(["generator+critic", "critic"], groups)
    assert "'posterior', which is none" in group_problem(["generator+posterior"], groups)


def test_dropout_follows_the_seeds_of_the_utterances():
    x, mask = torch.ones(3, 400, 5), torch.arange(400) < torch.tensor([[400], [250], [300]])
    dropped = Noise([1, 2, 3]).dropout(x, mask, 0.3)
    assert torch.equal(dropped, Noise([1, 2, 3]).dropout(x, mask, 0.3))
    assert torch.equal(dropped[1:2, :250], Noise([2]).dropout(x[1:2, :250], mask[1:2, :250], 0.3))
    real = dropped[mask]
    assert real.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert float((real == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
    assert float(real.mean()) == pytest.approx(1.0, abs=0.03)
    assert torch.equal(Noise([1, 2, 3]).dropout(x, mask, 0.0)[mask], x[mask])
