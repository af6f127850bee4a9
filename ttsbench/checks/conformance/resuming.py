"""Checks of files: a training resumes from its checkpoint, and a generator samples the same after loading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from ttsbench.checks.conformance import learning, sampling
from ttsbench.checks.conformance.finding import Check, name_list
from ttsbench.checks.conformance.tiny import STEPS, Tiny, difference
from ttsbench.checks.conformance.training import Trace, train
from ttsbench.models.speech_model import SpeechModel, freeze

RESUMED = "a training that resumes from its checkpoint goes on with the same losses"


def checks(tiny: Tiny, trace: Callable[[], Trace]) -> list[Check]:
    """State that is not saved shows in other losses or in another sample."""
    losses = (learning.FINITE, learning.NO_GLOBAL_RNG, learning.REPEATABLE)
    samples = (sampling.FINITE, sampling.NO_GLOBAL_RNG, sampling.SEEDED, learning.FINITE)
    return [
        Check(RESUMED, partial(_resumption_problem, tiny), losses),
        Check("a saved generator samples the same", partial(_saving_problem, tiny, trace), samples),
    ]


def _resumption_problem(tiny: Tiny) -> str:
    """Load the checkpoint into a model with other initial weights; both train on."""
    killed, resumed = tiny.model(), tiny.model(seed=1)
    train(tiny, killed, range(STEPS // 2))
    resumed.load_state_dict(load(save({name: _copy(value) for name, value in killed.state_dict().items()})))
    unsaved = _unsaved_tensors(killed)
    rest = range(STEPS // 2, STEPS)
    changed = learning.losses_difference(*(train(tiny, model, rest).losses for model in (killed, resumed)))
    if not changed:
        return ""
    candidates = name_list(" Not in networks() or state():", unsaved)
    return (
        f"after resuming at step {STEPS // 2}, {changed} (counted from there): the adapter has state that is not in "
        f"the checkpoint. Return modules and tensors that are saved but not optimised from state().{candidates}"
    )


def _saving_problem(tiny: Tiny, trace: Callable[[], Trace]) -> str:
    """Load the trained generator into a model with other initial weights."""
    trained, fresh = freeze(trace().model), tiny.model(seed=1)
    saved = save({name: _copy(value) for name, value in trained.saved_modules().state_dict().items()})
    fresh.saved_modules().load_state_dict(load(saved))
    draws = []
    for model in (trained, freeze(fresh)):
        with torch.no_grad():
            batch = tiny.batch(model)
        draws.append(tiny.sample(model, batch, tiny.nfe[0]))
    changed = difference(*draws)
    if not changed:
        return ""
    return f"the loaded generator samples differently {changed}: sampling uses weights or state outside 'generator'"


def _copy(value: Tensor) -> Tensor:
    return value.detach().clone().contiguous()


def _unsaved_tensors(model: SpeechModel) -> list[str]:
    """Names of tensors in the adapter's attributes that are not part of the model."""
    inside = {id(value) for value in (*model.parameters(), *model.buffers())}
    return [name for name, value in _attribute_tensors(model.adapter) if id(value) not in inside]


def _attribute_tensors(adapter: object) -> Iterator[tuple[str, Tensor]]:
    for name, value in vars(adapter).items():
        if isinstance(value, Tensor):
            yield name, value
        elif isinstance(value, nn.Module):
            members = (*value.named_parameters(), *value.named_buffers())
            yield from ((f"{name}.{inner}", tensor) for inner, tensor in members)
