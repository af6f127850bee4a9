"""Cost of a training step and of a sampling step of each objective, relative to L2, in one run.

Every objective is an acoustic model of the controlled track and gets the same batch of random speech. Rounds pass
through all objectives in turn, so that a drift of the machine's speed affects all of them; numbers are medians
of the ratios to L2 in the same round. A training step covers batch to optimizer; a sampling step is the time of a
whole draw, hypothesis included, divided by its number of function evaluations.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from ttsbench import registry
from ttsbench.config.schema import ModelSize
from ttsbench.data.batching import Item, RawBatch, collate
from ttsbench.models.speech_model import SpeechModel, freeze
from ttsbench.types import Batch, Noise

CHANNELS, PHONES, FRAMES_PER_PHONE, SPEAKERS = 80, 40, 6, 3
FEW = 8  # function evaluations a draw is timed with, where the objective lets one choose
PEER = "l2"


def main() -> None:
    """Time all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--dim", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = ModelSize(dim=options.dim)
    names = [PEER, *(name for name in registry.registered("adapters") if name != PEER)]
    steps = {name: training_step(build(name, {}, size), options.batch) for name in names}
    draws = {name: drawing(freeze(build(name, {}, size))) for name in names}
    train, sample = relative(steps, options.rounds), relative(draws, options.rounds)
    print(f"{'objective':16} {'training step':>14} {'sampling step':>14}   (of {PEER}'s; median of {options.rounds})")
    for name in names:
        print(f"{name:16} {train[name]:>14.2f} {sample[name]:>14.2f}")


def build(name: str, options: Mapping[str, Any], size: ModelSize) -> SpeechModel:
    """Return an untrained acoustic model with the untrained models that it starts from."""
    sources = {source: freeze(build(source, {}, size)) for source in registry.starts_from(name, options)}
    shape = {"n_phones": PHONES, "n_speakers": SPEAKERS, "channels": CHANNELS}
    return SpeechModel(name, options, "acoustic", size, shape, sources)


def speech(batch: int) -> RawBatch:
    """Return random utterances of 240 frames."""
    rng = np.random.default_rng(0)
    durations = np.full(PHONES, FRAMES_PER_PHONE)
    alignment = np.repeat(np.arange(PHONES), durations)

    def one() -> Item:
        features = rng.standard_normal((len(alignment), 4)).astype(np.float32)
        target = rng.standard_normal((len(alignment), CHANNELS)).astype(np.float32)
        return Item(rng.integers(1, PHONES, PHONES), 0, durations, alignment, features, target)

    return collate([one() for _ in range(batch)], "acoustic")


def training_step(model: SpeechModel, batch: int) -> Callable[[], float]:
    """Return the seconds of one step of all groups that have a loss."""
    raw, groups = speech(batch), model.group_parameters()
    optimizers = {name: torch.optim.AdamW(parameters) for name, parameters in groups.items()}
    number = 0

    def step() -> float:
        nonlocal number
        began = time.perf_counter()
        noise = Noise([1000 * number + row for row in range(batch)])
        losses = model.adapter.losses(Batch(raw.target, model(raw)), number, noise)
        for left, (name, loss) in zip(range(len(losses) - 1, -1, -1), losses.items(), strict=True):
            torch.autograd.backward(loss, inputs=groups[name], retain_graph=left > 0)
        for name in losses:
            optimizers[name].step()
            optimizers[name].zero_grad(set_to_none=True)
        number += 1
        return time.perf_counter() - began

    return step


def drawing(model: SpeechModel) -> Callable[[], float]:
    """Return the seconds of a draw for one utterance, per function evaluation."""
    raw, grid = speech(1), model.adapter.info.nfe
    nfe = min(grid, key=lambda n: abs(n - FEW))

    def draw() -> float:
        began = time.perf_counter()
        with torch.no_grad():
            model.sample(model(raw), nfe, Noise([0]), 1.0)
        return (time.perf_counter() - began) / nfe

    return draw


def relative(timed: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the median over rounds of the ratio to the peer's time; the first round is not counted."""
    seconds = [{name: measure() for name, measure in timed.items()} for _ in range(rounds + 1)][1:]
    return {name: statistics.median(one[name] / one[PEER] for one in seconds) for name in timed}


if __name__ == "__main__":
    main()
