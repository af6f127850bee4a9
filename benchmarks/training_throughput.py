"""Achieved FLOP/s of the default backbone's training step, against a plain matrix product in the same run.

Both are counted by torch's own FLOP counter and timed alternately, so that a machine whose speed drifts slows both.
The matrix product has the step's most common shape: (batch x frames, dim) by (dim, 4 dim). The result to read is the
ratio; the aim is at least 0.40.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ttsbench.config.schema import ModelSize, TrainConfig
from ttsbench.models.speech_model import backbone_factory


def main() -> None:
    """Time both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(f"{'threads':>7} {'step, ms':>9} {'step, GFLOP/s':>14} {'matmul, GFLOP/s':>16} {'ratio':>6}")
    for threads in options.threads:
        torch.set_num_threads(threads)
        step, product = training_step(), matrix_product()
        rates = [(rate(step), rate(product)) for _ in range(options.rounds)]
        ours, peak = (statistics.median(column) for column in zip(*rates, strict=True))
        ratio = statistics.median(a / b for a, b in rates)
        print(f"{threads:>7} {1e3 * flops(step) / ours:>9.0f} {ours / 1e9:>14.0f} {peak / 1e9:>16.0f} {ratio:>6.2f}")


def training_step() -> Callable[[], None]:
    """Return forward, backward and AdamW of the default backbone as `l1` uses it."""
    size, train = ModelSize(), TrainConfig()
    network: nn.Module = backbone_factory(size)(0, 80)
    optimizer = torch.optim.AdamW(network.parameters())
    shape = (train.batch_size, train.crop_frames or 192)
    generator = torch.Generator().manual_seed(0)
    cond = torch.randn(*shape, size.dim, generator=generator)
    target = torch.randn(*shape, 80, generator=generator)
    mask = torch.ones(shape, dtype=torch.bool)

    def step() -> None:
        loss: Tensor = (network(None, cond, mask) - target).abs().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def matrix_product() -> Callable[[], None]:
    """Return the product that most of the step consists of, repeated to take about as long."""
    size, train = ModelSize(), TrainConfig()
    left = torch.ones(train.batch_size * (train.crop_frames or 192), size.dim)
    right = torch.ones(size.dim, 4 * size.dim)

    def product() -> None:
        for _ in range(36):
            left @ right

    return product


def flops(work: Callable[[], None]) -> int:
    """Return the floating-point operations of one call, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def rate(work: Callable[[], None], repeats: int = 3) -> float:
    """Return FLOP/s over a few calls, after one call that warms up."""
    operations = flops(work)
    work()
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    return repeats * operations / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
