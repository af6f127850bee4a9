"""Draw log-mels of test utterances from the models of one system, and measure the cost of sampling.

On a CPU every draw is sampled alone, whatever the batch size: batching gains nothing there, and a draw then depends
only on its own seed, (experiment seed, label, utterance, number of the draw). On an accelerator draws are batched;
masks and separate streams of noise leave rounding as the only difference.

Time is CPU time of the process if models run on the CPU, so that other processes on the machine do not change it. On an
accelerator it is wall-clock time between synchronisations of the device. One draw is sampled and discarded before the
first one that is timed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttsbench.config.specs import SynthesizeSpec
from ttsbench.config.systems import SamplingSettings
from ttsbench.data.batching import Item, Prosody, collate, item
from ttsbench.data.corpus import PreparedCorpus, PreparedUtterance
from ttsbench.data.prompts import Prompting, prompted
from ttsbench.devices import compute_seconds, use_device
from ttsbench.engine.job import Job, Run
from ttsbench.errors import ClipError
from ttsbench.evaluation.tuning import tuned_settings
from ttsbench.interfaces import Streaming, StreamingVocoder
from ttsbench.models.metering import CallCounter, count_operations
from ttsbench.models.prosody_prediction import denormalised
from ttsbench.models.speech_model import SpeechModel, load_model, utterance_seed
from ttsbench.models.streaming import audio_stream, first_chunk_s
from ttsbench.nn.conditioner import Conditioner
from ttsbench.types import Condition, Noise, Role, SampledSequence

Draw = tuple[PreparedUtterance, int]  # an utterance and the number of a draw
LONGEST_PHONE_S = 4.0  # durations of a diverged prosody model are capped here, so that memory is not exhausted


@dataclass(frozen=True)
class Sample:
    """A sampled log-mel (T, M), the prosody that it was given, and the cost of sampling."""

    log_mel: Tensor
    prosody: Prosody | None  # None for a free-running model, whose phone times are unknown
    seconds: float
    nfe: int  # calls of the acoustic generator
    parameters: int


@dataclass(frozen=True)
class OperationCost:
    """Costs that are measured on a part of the clips: see ``Cost``."""

    flops: float
    peak_bytes: float
    first_chunk_s: float | None


class Sampler:
    """The models of one system and training seed, ready to sample test utterances."""

    def __init__(self, run: Run, job: Job[SynthesizeSpec], corpus: PreparedCorpus) -> None:
        self._spec, self._corpus, self._mel = job.spec, corpus, run.experiment.mel
        compute = run.experiment.compute
        self.device = use_device(compute.accelerator, compute.tf32)
        self.models: dict[Role, SpeechModel] = {
            role: _model(run.folder, folder, job.key, self.device) for role, folder in job.spec.models.items()
        }
        self._sampling = {
            role: tuned_settings(run.folder / job.spec.tuned[role]) if role in job.spec.tuned else settings
            for role, settings in job.spec.sampling.items()
        }
        self._free_running = "acoustic" in self.models and self._acoustic.adapter.info.free_running

    @property
    def _acoustic(self) -> SpeechModel:
        return self.models["acoustic"]

    @property
    def uses_recorded_durations(self) -> bool:
        """True if the frames of a draw correspond to those of the recording."""
        return "prosody" not in self.models and not self._free_running

    def sample(self, draws: Sequence[Draw]) -> list[Sample | ClipError]:
        """Sample a batch of draws; an error takes the place of a draw that gave no speech."""
        try:
            return self._sample(draws)
        except ClipError as error:  # an adapter gave up on one of the batch; sampling each alone shows which
            if len(draws) == 1:
                return [error]
            return [result for draw in draws for result in self.sample([draw])]

    def operation_cost(self, draw: Draw, vocoder: Any) -> OperationCost:
        """Count operations and memory of one draw, and time the first chunk of a stream if the system can stream."""
        parameters = [parameter for model in self.models.values() for parameter in model.sampling_parameters()]
        with count_operations() as count:
            self.sample([draw])
        parameter_bytes = sum(parameter.numel() * parameter.element_size() for parameter in parameters)
        return OperationCost(count.flops, count.peak_bytes + parameter_bytes, self._first_chunk_s(draw, vocoder))

    def _first_chunk_s(self, draw: Draw, vocoder: Any) -> float | None:
        """Return the seconds from phones to the first samples, or None for a system that does not stream."""
        model = self._acoustic
        adapter = model.adapter
        if not (isinstance(adapter, Streaming) and isinstance(vocoder, StreamingVocoder)):
            return None
        sampling, seed = self._sampling["acoustic"], self._seed("acoustic", *draw)
        batch = collate(self._items(model, [draw[0]], [_placeholder_prosody(draw[0])]), "acoustic").to(self.device)

        def start() -> Iterator[Tensor]:
            return audio_stream(
                adapter, vocoder, self._corpus.norm, model(batch), Noise([seed]), sampling.temperature,
                **sampling.options,
            )  # fmt: skip

        try:
            with torch.no_grad():
                return first_chunk_s(start)
        except ClipError:
            return None

    def _sample(self, draws: Sequence[Draw]) -> list[Sample | ClipError]:
        start = compute_seconds(self.device)
        prosodies = self.sample_prosody(draws)
        sequence, nfe = self._run("acoustic", draws, prosodies)
        seconds = compute_seconds(self.device) - start
        parameters = sum(model.parameter_count() for model in self.models.values())
        frames, norm = int(sequence.lengths.sum()), self._corpus.norm
        results: list[Sample | ClipError] = []
        for values, length, stopped, prosody in zip(
            sequence.values.cpu(), sequence.lengths.tolist(), sequence.stopped, prosodies, strict=True
        ):
            log_mel = values[:length] * norm.mel_std + norm.mel_mean
            if not bool(torch.isfinite(log_mel).all()):
                results.append(ClipError("the acoustic model gave NaN or infinite values"))
            elif not stopped:
                results.append(ClipError(f"the acoustic model reached the length limit of {length} frames"))
            else:
                own = None if self._free_running else prosody
                results.append(Sample(log_mel, own, seconds * length / frames, nfe, parameters))
        return results

    def sample_prosody(self, draws: Sequence[Draw]) -> list[Prosody]:
        """Return the prosody of each draw: predicted, a placeholder for a free-running model, or recorded."""
        if "prosody" in self.models:
            values = self._run("prosody", draws, None)[0].values
            if not bool(torch.isfinite(values).all()):
                raise ClipError("the prosody model gave NaN or infinite values")
            longest = LONGEST_PHONE_S * self._mel.sample_rate / self._mel.hop_length
            return [
                denormalised(row[: len(utterance.phones)], self._corpus.norm, longest)
                for row, (utterance, _) in zip(values, draws, strict=True)
            ]
        if self._free_running:
            return [_placeholder_prosody(utterance) for utterance, _ in draws]
        features = [self._corpus.features(utterance) for utterance, _ in draws]
        return [Prosody(recorded.durations, recorded.phone_log_f0) for recorded in features]

    def _run(
        self, role: Role, draws: Sequence[Draw], prosodies: Sequence[Prosody] | None
    ) -> tuple[SampledSequence, int]:
        """Sample one model for each draw, and count the calls of its generators."""
        model = self.models[role]
        items = self._items(model, [utterance for utterance, _ in draws], prosodies or [None] * len(draws))
        seeds = [self._seed(role, utterance, number) for utterance, number in draws]
        # Not inference_mode: energy models differentiate with respect to their samples.
        with torch.no_grad(), CallCounter(*model.generators()) as counter:
            batch = collate(items, role)
            moved = batch.to(self.device)
            sequence = _sample_sequence(model, model(moved), batch.noise(seeds, moved), self._sampling[role])
        return sequence, counter.calls

    def _items(
        self, model: SpeechModel, utterances: Sequence[PreparedUtterance], prosodies: Sequence[Prosody | None]
    ) -> list[Item]:
        """Return the input of the model for each utterance, with its prompt if the model takes one."""
        items = [
            item(self._corpus, utterance, model.role, prosody)
            for utterance, prosody in zip(utterances, prosodies, strict=True)
        ]
        if not model.prompted:
            return items
        prompt = Prompting(self._corpus)
        return [prompt(single, utterance) for single, utterance in zip(items, utterances, strict=True)]

    def _seed(self, role: Role, utterance: PreparedUtterance, number: int) -> int:
        label = self._sampling[role].label
        return utterance_seed("sample", self._spec.seed, role, label, utterance.id, number)


def try_sampling(model: SpeechModel, sampling: SamplingSettings) -> None:
    """Sample a single frame with the sampling options, which only the model can validate."""
    if not sampling.options:
        return
    one = np.ones(1, np.int64)
    features = np.zeros((1, Conditioner.POSITION_FEATURES), np.float32)
    single = Item(one, 0, one, one - 1, features, np.zeros((1, model.channels), np.float32))
    single = prompted(single, single) if model.prompted else single
    with torch.no_grad(), suppress(ClipError):  # an untrained model may diverge
        _sample_sequence(model, model.eval()(collate([single], model.role)), Noise([0]), sampling)


def _sample_sequence(model: SpeechModel, cond: Condition, rng: Noise, sampling: SamplingSettings) -> SampledSequence:
    return model.sample_sequence(cond, sampling.nfe, rng, sampling.temperature, **sampling.options)


def _placeholder_prosody(utterance: PreparedUtterance) -> Prosody:
    """Return one frame per phone and no F0: a free-running model is given no prosody."""
    count = len(utterance.phones)
    return Prosody(np.ones(count, dtype=np.int64), np.zeros(count, dtype=np.float32))


@lru_cache(maxsize=4)
def _model(root: Path, folder: str, key: str, device: torch.device) -> SpeechModel:
    return load_model(root / folder, root).to(device)
