"""Latency of free-running SLED: seconds to the first samples, with and without interleaving of text and speech.

Everything runs on one core in one run, from phones to the first and the last samples, with Griffin-Lim as a streaming
vocoder. The network is untrained, since weights do not change the time of a patch, and it is kept from stopping, so
that all variants produce the same length.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from functools import partial

import torch

from baselines.sled_text import LONGEST, SledText
from ttsbench.backends.vocoders.griffin_lim import GriffinLim
from ttsbench.config.schema import MelConfig, ModelSize
from ttsbench.data.corpus import Normalisation
from ttsbench.models.speech_model import backbone_factory
from ttsbench.models.streaming import audio_stream, first_chunk_s
from ttsbench.types import Condition, ModelContext, Noise

MEL = MelConfig()
NORM = Normalisation(-5.5, 2.1, 0.0, 1.0, 0.0, 1.0)


def main() -> None:
    """Time every interleaving and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phones", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'phones:frames':>14} {'first samples, s':>17} {'last, s':>8} {'audio, s':>9} {'RTF':>5}")
    for interleave in (None, [5, 20], [5, 45]):
        first = min(first_chunk_s(partial(stream, interleave, options.phones)) for _ in range(options.repeats))
        began = time.perf_counter()
        audio = sum(len(chunk) for chunk in stream(interleave, options.phones)) / MEL.sample_rate
        whole = time.perf_counter() - began
        name = "all first" if interleave is None else "{}:{}".format(*interleave)
        print(f"{name:>14} {first:>17.3f} {whole:>8.2f} {audio:>9.2f} {whole / audio:>5.2f}")


@torch.no_grad()
def stream(interleave: list[int] | None, phones: int) -> Iterator[torch.Tensor]:
    """Yield samples for a text up to the length limit."""
    size = ModelSize(dim=128)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        adapter = SledText(
            ModelContext("acoustic", MEL.n_mels, size.dim, backbone_factory(size)), interleave=interleave
        )
        states = torch.randn(1, phones, size.dim)
    adapter.network.stop.bias.fill_(-100.0)
    adapter.network.seen.copy_(torch.tensor([2.5 / LONGEST, 1.0]))  # 2.5 patches a phone, and no more
    ids = torch.ones(1, phones, dtype=torch.long)
    cond = Condition(ids, ids.bool(), ids[:, 0] - 1, states, states, ids.bool())
    yield from audio_stream(adapter, GriffinLim(MEL), NORM, cond, Noise([0]))


if __name__ == "__main__":
    main()
