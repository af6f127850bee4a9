"""Budgets: the learning rate, the plateau at which a converged training decays, and exact resumption across it."""

import csv
import json
import math
from dataclasses import replace
from itertools import pairwise

import pytest
from lightning.fabric import Fabric
from tinycorpus import installed, prepared, tiny_corpus
from tinytraining import job_of, same, state, step, trainer_of, with_train

from ttsbench.config.schema import TrainConfig
from ttsbench.pipeline.plan import make_plan
from ttsbench.stages.training_budget import TrainingBudget, has_plateau, learning_rate


def budget(**convergence):
    values = {"within": 100, "decay": 0.25, "cap": 1000, **convergence}
    return TrainingBudget(TrainConfig(learning_rate=2.0, warmup_steps=10, convergence=values), converge=True)


def observe(training, losses, every=50):
    """Feed validation losses at every 50th step, up to the step at which the decay begins."""
    validated = []
    for number, loss in enumerate(losses, start=1):
        validated.append((number * every, loss))
        training.observe(number * every, validated)
    return training


def test_learning_rate_of_a_quick_budget():
    config = TrainConfig(steps=110, warmup_steps=10, learning_rate=2.0)
    rates = [learning_rate(step, config) for step in range(111)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == rates[10] == pytest.approx(2.0)
    assert rates[60] == pytest.approx(2.0 * (0.05 + 0.95 * 0.5))
    assert rates[110] == pytest.approx(0.1)
    assert all(earlier >= later for earlier, later in pairwise(rates[10:]))
    assert learning_rate(0, TrainConfig(warmup_steps=0)) == TrainConfig().learning_rate
    assert math.isfinite(learning_rate(3, TrainConfig(steps=3, warmup_steps=3)))
    constant = [learning_rate(step, config, "constant") for step in (4, 10, 110)]
    assert constant == pytest.approx([1.0, 2.0, 2.0])


def test_the_rate_falls_once_the_loss_has_reached_a_plateau():
    training = observe(budget(), [3.0, 2.0, 1.0, 1.0, 1.0])
    assert (training.decay_from, training.plateau, training.steps) == (250, True, 312)
    rates = [training.learning_rate(number) for number in range(training.steps + 1)]
    assert rates[10] == rates[249] == rates[250] == 2.0
    assert rates[-1] == pytest.approx(0.1)
    assert all(earlier > later for earlier, later in pairwise(rates[250:]))


@pytest.mark.parametrize(
    ("losses", "plateau"),
    [
        ([1.0, 1.0], False),  # not long enough
        ([1.0, 1.0, 1.0], True),
        ([1.0, 0.995, 0.992], True),  # 0.8 % in 100 steps
        ([1.0, 0.995, 0.98], False),
        ([3.0, 1.0, 1.5, 1.0], True),  # a rise is no improvement
        ([0.05, 0.04, 0.03, 0.02], False),
        ([1.0, 0.0, -0.001, -0.002, -0.003], True),  # a likelihood near 0: of the fall
        ([-5.0, -5.001, -5.002], True),
    ],
)
def test_a_plateau_is_an_improvement_of_less_than_one_percent(losses, plateau):
    validated = [(50 * number, loss) for number, loss in enumerate(losses, start=1)]
    assert has_plateau(validated, budget().config.convergence) == plateau


def test_the_cap_includes_the_decay():
    training = observe(budget(cap=500), [2.0**-number for number in range(20)])
    assert (training.decay_from, training.plateau, training.steps) == (400, False, 500)
    unvalidated = budget(cap=500)
    for number in range(1, 501):
        unvalidated.observe(number, [])
    assert unvalidated.steps == 500


def test_a_quick_budget_never_decays_early():
    training = observe(TrainingBudget(TrainConfig(steps=700)), [1.0] * 10)
    assert training.decay_from is None and training.steps == 700


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("budget")
    with pytest.MonkeyPatch.context() as patch, installed(root / "plugins"):
        patch.setenv("TTSBENCH_CACHE", str(root / "cache"))
        adapters = {"l1": {}, "short": {"adapter": "l1", "steps": 3}, "slow": {"adapter": "l1", "learning_rate": 1e-5},
                    "dmd": {}}  # fmt: skip
        corpus = tiny_corpus(root / "corpus")
        run = prepared(root, corpus, adapters=adapters, prosody=["same"], budget="converged")
        yield with_train(run, validate_every=1, convergence={"improvement": 0.9, "within": 2, "decay": 0.5, "cap": 9})


@pytest.mark.parametrize("stop", [2, 4])
def test_a_training_that_resumes_before_or_in_its_decay_reaches_the_same_bits(run, stop):
    fabric = Fabric(accelerator="cpu", devices=1)
    straight = trainer_of(fabric, run, job_of(run, "l1", name=f"straight-{stop}"))
    straight.run(lambda fraction: None)
    straight.save()
    first = trainer_of(fabric, run, job_of(run, "l1", name=f"resumed-{stop}"))
    step(first, stop)
    first._checkpoint()
    second = trainer_of(fabric, run, job_of(run, "l1", name=f"resumed-{stop}"))
    assert (second._budget.decay_from, second._step) == (first._budget.decay_from, stop)
    second.run(lambda fraction: None)
    second.save()
    assert same(state(straight), state(second))
    folders = [run.folder / "train" / f"{name}-{stop}" for name in ("straight", "resumed")]
    assert len({(folder / "weights.safetensors").read_bytes() for folder in folders}) == 1
    assert len({(folder / "curve.csv").read_bytes() for folder in folders}) == 1
    cost = json.loads((folders[1] / "cost.json").read_text(encoding="utf-8"))
    assert cost["plateau"] is True and cost["decay_from"] == 3 and cost["steps"] == 5
    rows = list(csv.DictReader((folders[1] / "curve.csv").open(encoding="utf-8")))
    assert float(rows[-1]["learning_rate"]) < float(rows[2]["learning_rate"])


def test_the_validation_loss_does_not_depend_on_the_batches_of_the_validation_split(run, monkeypatch):
    from ttsbench.stages import training_inputs

    fabric = Fabric(accelerator="cpu", devices=1)
    values = []
    for size in (1, 8):
        monkeypatch.setattr(training_inputs, "VALID_BATCH", size)
        values.append(trainer_of(fabric, run, job_of(run, "l1", name=f"valid-{size}"))._validation_values())
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_which_trainings_converge_is_part_of_their_key(run):
    jobs = {job.id: job for job in make_plan(run.experiment) if job.stage == "train"}
    converge = {name: jobs[f"train {name}-acoustic-seed0"].spec.converge for name in ("l1", "short", "dmd", "slow")}
    assert converge == {"l1": True, "short": False, "dmd": False, "slow": True}
    quick = run.experiment.model_copy(update={"budget": "quick"})
    same_settings = replace(run, experiment=quick)
    other = {job.id: job for job in make_plan(same_settings.experiment)}
    changed = {name for name, job in jobs.items() if job.key != other[name].key}
    assert "train l1-acoustic-seed0" in changed and "train short-acoustic-seed0" not in changed
    assert jobs["train slow-acoustic-seed0"].spec.budget == {"learning_rate": 1e-5}
