"""Trainings of a few steps, and comparison of their states bit by bit."""

from dataclasses import replace

import torch
from tinycorpus import TINY

from ttsbench.config.schema import TrainConfig
from ttsbench.pipeline.plan import make_plan
from ttsbench.stages.trainer import Trainer

STEPS = 6


def ignore_progress(fraction):
    """Do nothing; unlike a lambda, it can be sent to the processes of a training on several devices."""


def job_of(run, label, role="acoustic", name=None):
    """A training job, in a folder of its own."""
    found = next(job for job in make_plan(run.experiment) if job.id == f"train {label}-{role}-seed0")
    return replace(found, folder=f"train/{name or label}")


def with_train(run, **changes):
    """The run with another budget for acoustic models."""
    values = {**TINY["train"]["acoustic"], "steps": STEPS, **changes}
    budgets = run.experiment.train.model_copy(update={"acoustic": TrainConfig(**values)})
    return replace(run, experiment=run.experiment.model_copy(update={"train": budgets}))


def trainer_of(fabric, run, job):
    torch.manual_seed(1234)  # the state of the global generator must not matter
    trainer = Trainer(fabric, run, job)
    trainer.resume()
    return trainer


def step(trainer, count):
    for _ in range(count):
        trainer._one_step()
        trainer._step += 1


def state(trainer):
    tensors = {f"model.{name}": value.clone() for name, value in trainer._model.state_dict().items()}
    return tensors | {f"average.{name}": value.clone() for name, value in trainer._average.state_dict().items()}


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
