"""Speed, memory and agreement of one device, at the size of ``experiments/ljspeech.yaml``, in at most five minutes.

    training      steps per second, FLOP/s relative to a plain matrix product of the same shapes, and peak memory
    sampling      real-time factor of 10 s of mel at batch 1 and at the largest batch
    vocoders      real-time factor of Griffin-Lim and of HiFi-GAN's generator with random weights
    recognition   real-time factor of a CTC recogniser of HuBERT's base size with random weights, by batch
    agreement     largest difference of a sampled mel between this device and the CPU, relative to its deviation

Random weights are as fast as trained ones. Operations are counted by torch; the aim is a ratio of at least 0.40 in
bfloat16. ``--tiny`` takes a fraction of a second on a CPU and checks the script, not the device.

    python benchmarks/gpu.py --device cuda --precision bf16-mixed
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttsbench.config.schema import MelConfig, ModelSize
from ttsbench.data.batching import Item, RawBatch, collate
from ttsbench.devices import device_name, synchronize, use_device
from ttsbench.models.metering import count_operations
from ttsbench.models.speech_model import SpeechModel, freeze
from ttsbench.registry import load, starts_from
from ttsbench.stages.moving_average import MovingAverage
from ttsbench.stages.trainer import compile_backbones
from ttsbench.types import Batch

CHANNELS, N_PHONES, FRAMES_PER_PHONE = 80, 70, 8
TOLERANCE = 1e-3  # of a sampled mel, relative to its standard deviation; float32 without TF32 stays below 1e-4
OBJECTIVES = ("l2", "flow_matching", "diffusion")
Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """The sizes of a measurement; the defaults are those of ``experiments/ljspeech.yaml``."""

    model: ModelSize = field(default_factory=lambda: ModelSize(dim=384, encoder_layers=6, backbone_layers=12))
    batch: int = 32
    crop: int = 192  # frames
    utterance: int = 864  # frames, 10 s
    batches: tuple[int, ...] = (1, 32)
    recogniser_layers: int = 12
    recogniser_width: int = 768
    seconds: float = 4.0  # of measuring each number


TINY = Size(ModelSize(dim=16, encoder_layers=1, backbone_layers=1), 2, 16, 32, (1, 2), 1, 16, 0.05)


def main() -> None:
    """Measure the device and print one JSON object per line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="accelerator, as compute.accelerator")
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), default="32-true")
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--compile", action="store_true", help="compile the backbones of trainings")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    device = use_device(options.device, options.tf32)
    bench = Bench(device, options.precision, TINY if options.tiny else Size(), options.compile)
    settings = {"device": device_name(device), "torch": torch.__version__, "precision": options.precision}
    print(json.dumps({**settings, "tf32": options.tf32, "compile": options.compile}))
    for row in bench.rows():
        print(json.dumps(row), flush=True)


class Bench:
    """All measurements on one device."""

    def __init__(self, device: torch.device, precision: str, size: Size, compiled: bool = False) -> None:
        self._device, self._precision, self._size, self._compiled = device, precision, size, compiled

    def rows(self) -> Iterator[Row]:
        """Yield the measurements as they are made."""
        product = self.matrix_product()
        yield {"measured": "matmul", "tflops": product / 1e12}
        for name in OBJECTIVES:
            yield self.training(name, product)
        for name in OBJECTIVES:
            yield from (self.sampling(name, batch) for batch in self._size.batches)
            yield self.agreement(name)
        yield from self.vocoders()
        yield from (self.recognition(batch) for batch in self._size.batches)

    def matrix_product(self) -> float:
        """Return FLOP/s of (batch x frames, dim) by (dim, 4 dim), the most common product of a training step."""
        rows, dim = self._size.batch * self._size.crop, self._size.model.dim
        dtype = torch.bfloat16 if self._precision == "bf16-mixed" else torch.float32
        left = torch.ones(rows, dim, device=self._device, dtype=dtype)
        right = torch.ones(dim, 4 * dim, device=self._device, dtype=dtype)
        return 2 * rows * dim * 4 * dim / self._seconds(lambda: left @ right)

    def training(self, name: str, product: float) -> Row:
        """Measure whole training steps: losses, gradients, clipping, AdamW and the moving average."""
        model = self._model(name)
        if self._compiled:
            compile_backbones(model)
        batch = batch_of(self._size.batch, self._size.crop)
        average = MovingAverage(model.saved_modules(), 0.999)
        parameters = [parameter for group in model.group_parameters().values() for parameter in group]
        optimizer = torch.optim.AdamW(parameters, 3e-4, fused=True)
        seeds = list(range(self._size.batch))

        def step() -> None:
            moved = batch.to(self._device)
            with self._autocast():
                losses = model.adapter.losses(Batch(moved.target, model(moved)), 0, batch.noise(seeds, moved))
            for loss in losses.values():
                loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            average.update(model.saved_modules(), 1)

        with count_operations() as count:
            step()
        self._forget_peak()
        seconds = self._seconds(step)
        rate = count.flops / seconds
        return {
            "measured": "training", "adapter": name, "steps_per_s": 1 / seconds, "tflops": rate / 1e12,
            "of_matmul": rate / product, **self._peak(),
        }  # fmt: skip

    def sampling(self, name: str, batch: int) -> Row:
        """Measure the real-time factor of sampling with the default number of function evaluations."""
        model, raw = freeze(self._model(name)), batch_of(batch, self._size.utterance)
        self._forget_peak()
        seconds = self._seconds(lambda: self._sample(model, raw))
        factor = seconds / (batch * self._audio_s)
        return {"measured": "sampling", "adapter": name, "batch": batch, "rtf": factor, **self._peak()}

    def agreement(self, name: str) -> Row:
        """Compare a sample with that of the CPU, from the same weights and noise."""
        model, raw = freeze(self._model(name)), batch_of(2, self._size.crop)
        here = self._sample(model, raw).cpu()
        device, self._device = self._device, torch.device("cpu")
        try:
            there = self._sample(model.to("cpu"), raw)
        finally:
            self._device = device
        difference = float((here - there).abs().max() / there.std())
        return {"measured": "agreement", "adapter": name, "difference": difference, "agrees": difference <= TOLERANCE}

    def vocoders(self) -> Iterator[Row]:
        """Measure Griffin-Lim, which has no weights and runs on the CPU, and HiFi-GAN if its package is installed."""
        generator = torch.Generator().manual_seed(0)
        log_mel = torch.randn(self._size.utterance, CHANNELS, generator=generator) - 5
        vocoder = load("vocoders", "griffin_lim")(MelConfig())
        seconds = self._seconds(lambda: vocoder.synthesize(log_mel))
        yield {"measured": "vocoder", "name": "griffin_lim", "device": "cpu", "rtf": seconds / self._audio_s}
        try:
            from speechbrain.lobes.models.HifiGAN import HifiganGenerator
        except ImportError:
            return
        network = HifiganGenerator(
            CHANNELS, 1, "1", [[1, 3, 5]] * 3, [3, 7, 11], [16, 16, 4, 4], 512 if self._size != TINY else 16,
            [8, 8, 2, 2],
        )  # fmt: skip
        network.remove_weight_norm()
        network = network.eval().to(self._device)
        for batch in self._size.batches:
            mels = log_mel.T.expand(batch, -1, -1).contiguous()

            def synthesize(mels: Tensor = mels) -> None:
                with torch.no_grad():
                    network(mels.to(self._device)).cpu()

            factor = self._seconds(synthesize) / (batch * self._audio_s)
            yield {"measured": "vocoder", "name": "hifigan", "batch": batch, "rtf": factor}

    def recognition(self, batch: int) -> Row:
        """Measure a CTC recogniser with random weights on 10 s of noise per row."""
        from transformers import HubertConfig, HubertForCTC

        width = self._size.recogniser_width
        config = HubertConfig(
            hidden_size=width, num_hidden_layers=self._size.recogniser_layers, num_attention_heads=max(1, width // 64),
            intermediate_size=4 * width, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=16,
        )  # fmt: skip
        network: Any = HubertForCTC(config).eval()
        network = network.to(self._device)
        samples = torch.randn(batch, int(16_000 * self._audio_s), generator=torch.Generator().manual_seed(0))

        def recognise() -> None:
            with torch.no_grad(), self._autocast():
                network(samples.to(self._device)).logits.argmax(dim=-1).cpu()

        factor = self._seconds(recognise) / (batch * self._audio_s)
        return {"measured": "recognition", "batch": batch, "rtf": factor, **self._peak()}

    @property
    def _audio_s(self) -> float:
        mel = MelConfig()
        return self._size.utterance * mel.hop_length / mel.sample_rate

    def _model(self, name: str) -> SpeechModel:
        shape = {"n_phones": N_PHONES, "n_speakers": 1, "channels": CHANNELS}
        sources = {source: freeze(self._model(source)) for source in starts_from(name, {})}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = SpeechModel(name, {}, "acoustic", self._size.model, shape, sources)
        return model.to(self._device)

    def _sample(self, model: SpeechModel, raw: RawBatch) -> Tensor:
        moved = raw.to(self._device)
        nfe = model.adapter.info.nfe[0]
        with torch.no_grad(), self._autocast():
            return model.sample(model(moved), nfe, raw.noise(list(range(len(raw.mask))), moved), 1.0)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._precision == "32-true":
            return nullcontext()
        return torch.autocast(self._device.type, dtype=torch.bfloat16)

    def _seconds(self, work: Callable[[], object]) -> float:
        """Return the seconds of one call, averaged over as many as fit, after one that is not timed."""
        work()
        synchronize(self._device)
        began, calls = time.perf_counter(), 0
        while calls == 0 or time.perf_counter() - began < self._size.seconds:
            work()
            calls += 1
            synchronize(self._device)
        return (time.perf_counter() - began) / calls

    def _forget_peak(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)

    def _peak(self) -> Mapping[str, float]:
        """Return the peak of allocated memory in GB; nothing on a CPU."""
        if self._device.type != "cuda":
            return {}
        return {"peak_gb": torch.cuda.max_memory_allocated(self._device) / 1e9}


def batch_of(count: int, frames: int) -> RawBatch:
    """Return random utterances of equal length."""
    rng = np.random.default_rng(0)
    phones = frames // FRAMES_PER_PHONE
    alignment = np.repeat(np.arange(phones), FRAMES_PER_PHONE)
    durations = np.full(phones, FRAMES_PER_PHONE)
    return collate(
        [
            Item(
                rng.integers(1, N_PHONES + 1, phones), 0, durations, alignment,
                rng.standard_normal((len(alignment), 4)).astype(np.float32),
                rng.standard_normal((len(alignment), CHANNELS)).astype(np.float32),
            )
            for _ in range(count)
        ],
        "acoustic",
    )  # fmt: skip


if __name__ == "__main__":
    main()
