"""The training loop: exact resumption, groups that rest, gradients that stay where they belong, several devices."""

import csv
import math
import multiprocessing
from dataclasses import replace

import pytest
import torch
from lightning.fabric import Fabric
from safetensors.torch import load_file
from tinycorpus import installed, prepared, tiny_corpus
from tinytraining import STEPS, job_of, same, state, step, trainer_of, with_train

from ttsbench.engine.local import PipeProgress
from ttsbench.engine.store import read_json
from ttsbench.errors import TtsbenchError
from ttsbench.stages import train
from ttsbench.stages.training_budget import learning_rate


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("train")
    with pytest.MonkeyPatch.context() as patch, installed(root / "plugins"):
        patch.setenv("TTSBENCH_CACHE", str(root / "cache"))
        adapters = {"l1": {}, "two_groups": {}, "bad": {"adapter": "two_groups", "options": {"nan_at": 3}},
                    "dmd": {"options": {"fake_updates": 2}}, "nce_ebm": {}, "ssm_ebm": {}}  # fmt: skip
        yield prepared(root, tiny_corpus(root / "corpus"), adapters=adapters, prosody=["same"])


@pytest.fixture(scope="module")
def fabric():
    return Fabric(accelerator="cpu", devices=1)


def teach(fabric, run):
    """Train the mean model and the teacher that `dmd` starts from."""
    for name in ("l2", "diffusion"):
        source = trainer_of(fabric, run, job_of(run, name, name=f"{name}-acoustic-seed0"))
        step(source, 2)
        source.save()


# Resuming


@pytest.mark.parametrize("adapter", ["two_groups", "dmd"])
def test_a_resumed_training_reaches_the_same_bits(fabric, run, adapter):
    run = with_train(run)
    if adapter == "dmd":
        teach(fabric, run)
    straight = trainer_of(fabric, run, job_of(run, adapter, name=f"straight-{adapter}"))
    step(straight, STEPS)
    straight.save()
    job = job_of(run, adapter, name=f"resumed-{adapter}")
    first = trainer_of(fabric, run, job)
    step(first, 3)
    first._checkpoint()
    torch.rand(7)
    second = trainer_of(fabric, run, job)
    assert second._step == 3
    assert same(state(first), state(second))
    step(second, STEPS - 3)
    second.save()
    assert same(state(straight), state(second))
    folders = [run.folder / "train" / name for name in (f"straight-{adapter}", f"resumed-{adapter}")]
    weights, curves = ([(folder / file).read_bytes() for folder in folders]
                       for file in ("weights.safetensors", "curve.csv"))  # fmt: skip
    assert weights[0] == weights[1]
    assert curves[0] == curves[1]


def test_a_checkpoint_in_a_resting_group_keeps_its_optimizer(fabric, run):
    run = with_train(run)
    job = job_of(run, "two_groups", name="optimizers")
    first = trainer_of(fabric, run, job)
    step(first, 1)
    first._checkpoint()
    second = trainer_of(fabric, run, job)
    for name, optimizer in first._optimizers.items():
        restored = second._optimizers[name].state_dict()["state"]
        for index, values in optimizer.state_dict()["state"].items():
            assert same(values, restored[index]), name


def test_the_loop_checkpoints_reports_and_leaves_its_files(run):
    run = with_train(run, steps=3)
    run = replace(run, experiment=run.experiment.model_copy(
        update={"compute": run.experiment.compute.model_copy(update={"checkpoint_s": 1e-9})}))  # fmt: skip
    job = job_of(run, "l1", name="loop")
    assert train.tasks(run, job) == [{}]
    train.work(run, job, {}, lambda fraction: None)
    assert train.tasks(run, job) == []
    folder = job.path(run)
    assert (folder / train.CHECKPOINT).exists()
    train.finish(run, job)
    assert not (folder / train.CHECKPOINT).exists()
    cost = read_json(folder / "cost.json")
    assert cost["steps"] == 3
    assert cost["seconds"] > 0
    assert cost["parameters"] == sum(tensor.numel() for tensor in load_file(folder / "weights.safetensors").values())
    rows = list(csv.DictReader((folder / "curve.csv").open(encoding="utf-8")))
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert all(math.isfinite(float(row["loss_generator"])) for row in rows)


# Groups


def test_a_group_left_out_rests(fabric, run):
    trainer = trainer_of(fabric, with_train(run), job_of(run, "two_groups", name="rest"))
    for number in range(4):
        before = {name: [p.detach().clone() for p in group] for name, group in trainer._groups.items()}
        step(trainer, 1)
        moved = {name: any(not torch.equal(old, new) for old, new in zip(before[name], group, strict=True))
                 for name, group in trainer._groups.items()}  # fmt: skip
        assert moved == {"generator": True, "critic": number % 2 == 0}


def test_each_group_follows_its_own_loss_alone(fabric, run):
    trainer = trainer_of(fabric, with_train(run, clip_norm=1e9), job_of(run, "two_groups", name="gradients"))
    batch, seed = trainer._batches(0), 5
    wanted = {}
    for name, group in trainer._groups.items():
        loss = trainer._losses(batch, seed)[name]
        wanted[name] = torch.autograd.grad(loss, group, allow_unused=True)
    trainer._gradients(trainer._losses(batch, seed))
    for name, group in trainer._groups.items():
        assert any(gradient is not None and gradient.abs().max() > 0 for gradient in wanted[name])
        for parameter, gradient in zip(group, wanted[name], strict=True):
            found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            torch.testing.assert_close(found, torch.zeros_like(parameter) if gradient is None else gradient)


def test_the_conditioner_learns_with_the_generator(fabric, run):
    trainer = trainer_of(fabric, with_train(run), job_of(run, "two_groups", name="conditioner"))
    generator = {id(parameter) for parameter in trainer._groups["generator"]}
    critic = {id(parameter) for parameter in trainer._groups["critic"]}
    assert {id(parameter) for parameter in trainer._model.conditioner.parameters()} <= generator
    assert not generator & critic


def test_gradients_are_clipped_to_the_norm(fabric, run):
    trainer = trainer_of(fabric, with_train(run, clip_norm=1e-3), job_of(run, "l1", name="clipped"))
    norms = trainer._gradients(trainer._losses(trainer._batches(0), 0))
    total = math.sqrt(sum(float(p.grad.square().sum()) for p in trainer._groups["generator"] if p.grad is not None))
    assert norms["generator"] > 1e-3
    assert total == pytest.approx(1e-3, rel=1e-3)


# Average, schedule, start


def test_the_average_is_exponential_and_forgets_its_start(fabric, run):
    decay = 0.3
    trainer = trainer_of(fabric, with_train(run, ema=decay), job_of(run, "l1", name="ema"))
    history = []
    for _ in range(4):
        step(trainer, 1)
        history.append({name: value.double() for name, value in trainer._model.saved_modules().state_dict().items()})
    expected = history[0]  # the average starts at the first weights it sees
    for used, weights in zip((2 / 11, 3 / 12, decay), history[1:], strict=True):
        expected = {name: used * expected[name] + (1 - used) * weights[name] for name in expected}
    for name, value in trainer._average.module.state_dict().items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-7)
    assert not same(trainer._average.module.state_dict(), trainer._model.saved_modules().state_dict())


def test_the_average_with_the_lowest_validation_loss_is_saved(fabric, run, monkeypatch):
    run = with_train(run, log_every=1, validate_every=1)
    trainer = trainer_of(fabric, run, job_of(run, "l1", name="best"))
    measured, averages = iter([3.0, 1.0, 2.0]), []
    losses = trainer._losses

    def faked(raw, seed, *parts):
        if not any(raw is batch for batch in trainer._valid):
            return losses(raw, seed, *parts)
        averages.append({name: value.clone() for name, value in trainer._model.saved_modules().state_dict().items()})
        return {"generator": torch.tensor(next(measured))}

    monkeypatch.setattr(trainer, "_losses", faked)
    step(trainer, 3)
    assert [row["valid_generator"] for row in trainer._curve] == [3.0, 1.0, 2.0]
    assert same(averages[2], trainer._average.module.state_dict())  # validation measures the average
    trainer._checkpoint()
    resumed = trainer_of(fabric, run, job_of(run, "l1", name="best"))
    for finished in (trainer, resumed):
        finished.save()
        assert read_json(finished._folder / "cost.json")["saved_step"] == 2
        assert same(load_file(finished._folder / "weights.safetensors"), averages[1])


def test_an_objective_may_save_its_last_average(fabric, run):
    run = with_train(run, log_every=1, validate_every=1)
    teach(fabric, run)
    trainer = trainer_of(fabric, run, job_of(run, "dmd", name="last"))
    step(trainer, 2)
    trainer.save()
    assert read_json(trainer._folder / "cost.json")["saved_step"] == 2
    assert same(load_file(trainer._folder / "weights.safetensors"), trainer._average.module.state_dict())


@pytest.mark.parametrize("adapter", ["nce_ebm", "ssm_ebm"])
def test_the_validation_of_a_refiner_records_the_cosine_of_its_first_step(fabric, run, adapter):
    run = with_train(run, log_every=1, validate_every=1)
    teach(fabric, run)
    trainer = trainer_of(fabric, run, job_of(run, adapter, name=f"cosine-{adapter}"))
    step(trainer, 1)
    (row,) = trainer._curve
    assert -1 <= row["valid_monitored_cosine"] <= 1 and "monitored_cosine" not in row


@pytest.mark.parametrize(("adapter", "share"), [("l1", 1.0), ("dmd", 0.1)])
def test_a_student_takes_a_tenth_of_the_learning_rate_and_the_rest_all_of_it(fabric, run, adapter, share):
    run = with_train(run, log_every=1)
    teach(fabric, run)
    trainer = trainer_of(fabric, run, job_of(run, adapter, name=f"rate-{adapter}"))
    step(trainer, 2)
    schedule = "constant" if adapter == "dmd" else "cosine"
    expected = [share * learning_rate(number, run.experiment.train.acoustic, schedule) for number in range(2)]
    assert [row["learning_rate"] for row in trainer._curve] == expected
    rates = {name: group["lr"] for name, one in trainer._optimizers.items() for group in one.param_groups}
    assert rates.pop("generator") == expected[-1]
    assert set(rates.values()) <= {expected[-1] / share}


def test_objectives_start_from_the_same_conditioner(fabric, run):
    run = with_train(run)
    states = [trainer_of(fabric, run, job_of(run, label, name=f"start-{label}"))._model.conditioner.state_dict()
              for label in ("l1", "two_groups")]  # fmt: skip
    assert same(*states)


# Bad objectives


def test_a_loss_that_is_no_number_gets_a_sentence(fabric, run):
    """The error comes with the next logged step, and names the step at which the loss became one."""
    trainer = trainer_of(fabric, with_train(run, log_every=5), job_of(run, "bad"))
    step(trainer, 4)
    with pytest.raises(TtsbenchError, match=r"'generator' of 'two_groups' \(acoustic model\) became nan at step 3\..*"
                                            r"train\.acoustic\.learning_rate"):  # fmt: skip
        step(trainer, 1)


def test_no_checkpoint_is_written_of_weights_that_are_no_numbers(fabric, run):
    job = job_of(run, "bad", name="bad-checkpoint")
    trainer = trainer_of(fabric, with_train(run, log_every=5), job)
    step(trainer, 4)
    with pytest.raises(TtsbenchError, match="became nan at step 3"):
        trainer._checkpoint()
    assert not (job.path(run) / train.CHECKPOINT).exists()


def test_an_adapter_that_fails_because_of_an_earlier_loss_gets_the_sentence_of_that_loss(fabric, run, monkeypatch):
    trainer = trainer_of(fabric, with_train(run, log_every=5), job_of(run, "bad", name="bad-weights"))
    step(trainer, 4)
    monkeypatch.setattr(trainer._model.adapter, "losses", lambda *_: 1 / 0)
    with pytest.raises(TtsbenchError, match="became nan at step 3"):
        step(trainer, 1)


def test_a_loss_without_a_network_gets_a_sentence(fabric, run, monkeypatch):
    trainer = trainer_of(fabric, with_train(run), job_of(run, "l1", name="stray"))
    monkeypatch.setattr(trainer._model.adapter, "losses", lambda *_: {"discriminator": torch.zeros(())})
    with pytest.raises(TtsbenchError, match="'discriminator', which is none of the networks"):
        step(trainer, 1)


# Several devices


def test_shares_of_a_batch_make_its_gradient(fabric, run):
    """Rows of unequal length: the mean over the whole is the mean over the shares, weighed by their frames."""
    trainer = trainer_of(fabric, with_train(run, crop_frames=None, batch_size=5), job_of(run, "l1", name="shares"))
    batch = trainer._batches(0)
    group = trainer._groups["generator"]

    def gradient(rank, world):
        weight = float(batch.part(rank, world).mask.sum() / batch.mask.sum())
        loss = trainer._losses(batch, 3, rank, world)["generator"]
        return [weight * g for g in torch.autograd.grad(loss, group, materialize_grads=True)], weight

    whole, one = gradient(0, 1)
    (first, left), (second, right) = gradient(0, 2), gradient(1, 2)
    assert one == 1
    assert left + right == pytest.approx(1)
    assert left != right
    for total, a, b in zip(whole, first, second, strict=True):
        torch.testing.assert_close(a + b, total, rtol=1e-4, atol=1e-6)


def test_noise_belongs_to_the_row(fabric, run, monkeypatch):
    trainer = trainer_of(fabric, with_train(run), job_of(run, "two_groups", name="noise"))
    drawn = {}

    def spy(batch, step, rng):
        drawn[key] = rng.normal(torch.ones(len(batch.mask), 5, dtype=torch.bool), 2)
        return {}

    monkeypatch.setattr(trainer._model.adapter, "losses", spy)
    for key in ((0, 1), (0, 2), (1, 2)):
        trainer._losses(trainer._batches(0), 9, *key)
    assert torch.equal(drawn[0, 1][0::2], drawn[0, 2])
    assert torch.equal(drawn[0, 1][1::2], drawn[1, 2])


@pytest.mark.slow
def test_two_devices_train_one_model(run):
    """Each device has its part of the batch, so two of them reach, up to rounding, the weights that one does."""
    found = {}
    for devices in (1, 2):
        compute = run.experiment.compute.model_copy(update={"devices": devices})
        here = with_train(run, steps=3)
        here = replace(here, experiment=here.experiment.model_copy(update={"compute": compute}))
        job = job_of(here, "l1", name=f"devices{devices}")
        ours, theirs = multiprocessing.Pipe()
        train.work(here, job, {}, PipeProgress(theirs))
        found[devices] = load_file(job.path(here) / "weights.safetensors")
        assert ours.poll(), "no progress arrived"
        reports = [ours.recv()]
        while ours.poll():
            reports.append(ours.recv())
        assert reports[-1] == ("progress", 1.0) and len(reports) <= 3, "one device reports for all"
    assert found[1].keys() == found[2].keys()
    for name, value in found[1].items():
        torch.testing.assert_close(found[2][name], value, rtol=1e-3, atol=1e-5)
