"""Decoding speed of SLED with its key-value cache, relative to a loop that reads the whole sequence for every patch.

Both draw the same patches from the same weights on one core in one run. The results are the ratio, and the time of a
patch as a function of its position.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor

from baselines.sled import Sled
from ttsbench.config.schema import ModelSize
from ttsbench.models.speech_model import backbone_factory
from ttsbench.nn.energy_distance import NOISE
from ttsbench.nn.transformer import Cache
from ttsbench.types import ModelContext

CHANNELS = 80


def main() -> None:
    """Time both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, nargs="+", default=[50, 200, 500, 1000])
    parser.add_argument("--dim", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = ModelSize(dim=options.dim)
    sources = {"l2": torch.nn.Identity()}  # the mean, which no step of the loop needs
    adapter = Sled(ModelContext("acoustic", CHANNELS, size.dim, backbone_factory(size), sources))
    for parameter in adapter.network.head.parameters():  # the head starts at zero: any weights will do
        torch.nn.init.normal_(parameter, std=0.1)
    print(f"{'patches':>8} {'cached, ms':>11} {'reference, ms':>14} {'ratio':>6} {'last, ms each':>14} {'apart':>6}")
    for count in options.patches:
        generator = torch.Generator().manual_seed(0)
        given = torch.randn(1, count, adapter.patch * size.dim, generator=generator)
        noise = torch.randn(1, count, NOISE, generator=generator)
        with torch.no_grad():
            drawn, seconds = cached(adapter, given, noise)
            other, whole = uncached(adapter, given, noise)
        last = 1e3 * sum(seconds[-10:]) / 10
        far = float((drawn - other).abs().max())
        total = sum(seconds)
        print(f"{count:>8} {1e3 * total:>11.0f} {1e3 * whole:>14.0f} {whole / total:>6.1f} {last:>14.2f} {far:>6.0e}")


def cached(adapter: Sled, given: Tensor, noise: Tensor) -> tuple[Tensor, list[float]]:
    """Return all patches and the seconds of each."""
    cache = Cache(adapter.network.transformer, 1, given.shape[1])
    drawn, seconds = [given.new_zeros(1, adapter.patch * CHANNELS)], []
    for k in range(given.shape[1]):
        began = time.perf_counter()
        drawn.append(adapter.network(drawn[-1], given[:, k], noise[:, k], cache))
        seconds.append(time.perf_counter() - began)
    return torch.stack(drawn[1:], dim=1), seconds


def uncached(adapter: Sled, given: Tensor, noise: Tensor) -> tuple[Tensor, float]:
    """Return all patches, each computed from the whole sequence before it, and the total seconds."""
    began = time.perf_counter()
    drawn = given.new_zeros(1, 1, adapter.patch * CHANNELS)
    for k in range(given.shape[1]):
        z = adapter.network.states(drawn, given[:, : k + 1])[:, -1]
        drawn = torch.cat([drawn, adapter.network.head(z, noise[:, k]).unsqueeze(1)], dim=1)
    return drawn[:, 1:], time.perf_counter() - began


if __name__ == "__main__":
    main()
