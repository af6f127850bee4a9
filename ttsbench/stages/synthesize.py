"""Stage synthesize: one wav per test utterance and draw, with what making it took.

Leaves ``sample<k>/<id>.wav`` and ``sample<k>/<id>.json`` (seconds, function evaluations, phones as the system timed
them, or the reason of a failure). The first draw of every eighth utterance is sampled once more beforehand, untimed, to
count operations and memory, and once more as a stream where the system can, to time its first chunk.
On a CPU every utterance is sampled alone, whatever the batch size: batching gains nothing there, and a wav then depends
on nothing but its own seed, (experiment seed, label, utterance, draw). On an accelerator utterances are batched; masks
and streams of noise per utterance leave rounding as the only difference.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttsbench.audio.wav import load_clip_audio, write
from ttsbench.config.schema import Experiment, MelConfig
from ttsbench.config.specs import SynthesizeSpec
from ttsbench.config.systems import GROUND_TRUTH, SamplingSettings
from ttsbench.data.batching import Item, Prosody, collate, item
from ttsbench.data.corpus import PreparedCorpus, PreparedUtterance
from ttsbench.data.prompts import Prompting, prompted
from ttsbench.engine.job import Job, Progress, Run, Task
from ttsbench.errors import ClipError
from ttsbench.evaluation.clip_record import Record, is_made, wav_path, write_failure, write_record
from ttsbench.interfaces import Streaming, StreamingVocoder
from ttsbench.models.metering import CallCounter, count_operations
from ttsbench.models.prosody_prediction import denormalised
from ttsbench.models.representation import make_vocoder
from ttsbench.models.speech_model import SpeechModel, load_model, utterance_seed
from ttsbench.models.streaming import audio_stream, first_chunk_s
from ttsbench.nn.conditioner import Conditioner
from ttsbench.types import Condition, Cost, Noise, Phone, Role, SampledSequence

SynthesizeJob = Job[SynthesizeSpec]
CHUNK = 8  # clips per task
METER_EVERY = 8  # utterances: operations are counted on one in so many
Group = Sequence[tuple[PreparedUtterance, int]]  # clips sampled together: utterance and number of the draw
LONGEST_PHONE_S = 4.0  # a prosody model that asks for more has diverged; the clip is capped, not the machine


def tasks(run: Run, job: SynthesizeJob) -> Sequence[Task]:
    """Chunks of (utterance, draw) that have no result yet."""
    ids = [utterance.id for utterance in PreparedCorpus(run.layout.prepare).split("test")]
    folder = job.path(run)
    wanted = [(id_, sample) for sample in range(job.spec.samples) for id_ in ids]
    left = [pair for pair in wanted if not is_made(folder, *pair)]
    return [{"clips": left[start : start + CHUNK]} for start in range(0, len(left), CHUNK)]


def finish(run: Run, job: SynthesizeJob) -> None:
    """Every clip is already a file."""


def work(run: Run, job: SynthesizeJob, task: Task, progress: Progress) -> None:
    """Synthesize a chunk."""
    corpus = _corpus(run.folder, job.key)
    vocoder = make_vocoder(run.experiment)
    clips = [(corpus.by_id[id_], sample) for id_, sample in task["clips"]]
    counted = {utterance.id for utterance in corpus.split("test")[::METER_EVERY]} if job.spec.models else set()
    for done, group in enumerate(groups := _grouped(clips, run.experiment)):
        measured = [pair for pair in group if pair[0].id in counted and not pair[1]]
        meters = {pair[0].id: _meter(run, job, corpus, pair, vocoder) for pair in measured}
        for (utterance, sample), result in zip(group, _mels(run, job, corpus, group), strict=True):
            meter = meters.get(utterance.id) if sample == 0 else None
            _finish_clip(run, job, corpus, utterance, sample, result, vocoder, meter)
        progress((done + 1) / len(groups))


@dataclass(frozen=True)
class Measured:
    """What is not known of every clip: see ``Cost``."""

    flops: float
    peak_bytes: float
    first_chunk_s: float | None


def _meter(
    run: Run, job: SynthesizeJob, corpus: PreparedCorpus, pair: tuple[PreparedUtterance, int], vocoder: Any
) -> Measured:
    """Operations and memory of sampling one clip alone, and what its stream takes to begin."""
    parameters = _parameter_bytes(run, job)  # here, so that loading the models is not metered
    with count_operations() as meter:
        _mels(run, job, corpus, [pair])
    return Measured(meter.flops, meter.peak_bytes + parameters, _first_chunk_s(run, job, corpus, pair, vocoder))


def _first_chunk_s(
    run: Run, job: SynthesizeJob, corpus: PreparedCorpus, pair: tuple[PreparedUtterance, int], vocoder: Any
) -> float | None:
    """Seconds from phones to the first samples; None for what does not stream."""
    model = _model(run.folder, job.spec.models["acoustic"], job.key, device_of(run.experiment))
    adapter = model.adapter
    if not (isinstance(adapter, Streaming) and isinstance(vocoder, StreamingVocoder)):
        return None
    sampling, seed = job.spec.sampling["acoustic"], _seed(job, "acoustic", *pair)
    items = _items(model, corpus, [pair[0]], [_text_alone(pair[0])])
    raw = collate(items, "acoustic").to(device_of(run.experiment))

    def start() -> Iterator[Tensor]:
        return audio_stream(
            adapter, vocoder, corpus.norm, model(raw), Noise([seed]), sampling.temperature,
            **sampling.options,
        )  # fmt: skip

    try:
        with torch.no_grad():
            return first_chunk_s(start)
    except ClipError:
        return None


def _parameter_bytes(run: Run, job: SynthesizeJob) -> int:
    models = [_model(run.folder, folder, job.key, device_of(run.experiment)) for folder in job.spec.models.values()]
    return sum(one.numel() * one.element_size() for model in models for one in model.sampling_parameters())


@dataclass(frozen=True)
class Sampled:
    """A log-mel (T, M) with the durations it was given in frames (P,), and what sampling it took."""

    log_mel: Tensor
    durations: NDArray[np.int64] | None  # None for a free-running model: nobody knows
    seconds: float = 0.0
    nfe: int = 0  # calls of the acoustic generator
    parameters: int = 0


def device_of(experiment: Experiment) -> torch.device:
    """Where sampling runs."""
    if experiment.compute.accelerator == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda")


def _grouped(clips: Sequence[Any], experiment: Experiment) -> list[Sequence[Any]]:
    size = 1 if device_of(experiment).type == "cpu" else experiment.synthesis.batch_size
    return [clips[start : start + size] for start in range(0, len(clips), size)]


def _mels(run: Run, job: SynthesizeJob, corpus: PreparedCorpus, group: Group) -> list[Sampled | ClipError | None]:
    """Log-mels for a group; None where the recording itself is wanted, an error where sampling gave no speech."""
    if job.spec.system == GROUND_TRUTH:
        return [None for _ in group]
    if not job.spec.models:  # copy-synthesis
        copies = [corpus.features(utterance) for utterance, _ in group]
        return [Sampled(torch.from_numpy(features.mel), features.durations) for features in copies]
    models = {role: _model(run.folder, folder, job.key, device_of(run.experiment))
              for role, folder in job.spec.models.items()}  # fmt: skip
    try:
        return _sample(models, corpus, group, job, run.experiment.mel)
    except ClipError as error:  # an adapter gave up on one of them: which one shows where each is alone
        if len(group) == 1:
            return [error]
        return [result for one in group for result in _mels(run, job, corpus, [one])]


def _sample(
    models: dict[Role, SpeechModel],
    corpus: PreparedCorpus,
    group: Group,
    job: SynthesizeJob,
    mel_config: MelConfig,
) -> list[Sampled | ClipError | None]:
    began = time.perf_counter()
    prosodies: list[Prosody] = []
    if "prosody" in models:
        drawn = _draw(models["prosody"], corpus, group, None, job)[0].values
        if not bool(torch.isfinite(drawn).all()):
            return [ClipError("the prosody model gave NaN or infinite values") for _ in group]
        longest = LONGEST_PHONE_S * mel_config.sample_rate / mel_config.hop_length
        for row, (utterance, _) in zip(drawn, group, strict=True):
            prosodies.append(denormalised(row[: len(utterance.phones)], corpus.norm, longest))
    elif models["acoustic"].adapter.info.free_running:
        prosodies = [_text_alone(utterance) for utterance, _ in group]
    else:
        for utterance, _ in group:
            features = corpus.features(utterance)
            prosodies.append(Prosody(features.durations, features.phone_log_f0))
    spoken, nfe = _draw(models["acoustic"], corpus, group, prosodies, job)
    seconds = time.perf_counter() - began
    parameters = sum(model.parameter_count() for model in models.values())
    free, total = models["acoustic"].adapter.info.free_running, int(spoken.lengths.sum())
    results: list[Sampled | ClipError | None] = []
    for row, length, stopped, prosody in zip(spoken.values.cpu(), spoken.lengths.tolist(), spoken.stopped, prosodies,
                                             strict=True):  # fmt: skip
        mel = row[:length] * corpus.norm.mel_std + corpus.norm.mel_mean
        if not bool(torch.isfinite(mel).all()):
            results.append(ClipError("the acoustic model gave NaN or infinite values"))
        elif not stopped:
            results.append(ClipError(f"the acoustic model did not stop by itself; it was cut after {length} frames"))
        else:
            durations = None if free else prosody.durations
            results.append(Sampled(mel, durations, seconds * length / total, nfe, parameters))
    return results


def _text_alone(utterance: PreparedUtterance) -> Prosody:
    """What a free-running model is given: a frame for each phone, of no F0, says nothing."""
    count = len(utterance.phones)
    return Prosody(np.ones(count, dtype=np.int64), np.zeros(count, dtype=np.float32))


def _seed(job: SynthesizeJob, role: Role, utterance: PreparedUtterance, sample: int) -> int:
    return utterance_seed("sample", job.spec.seed, role, job.spec.sampling[role].label, utterance.id, sample)


def _draw(
    model: SpeechModel,
    corpus: PreparedCorpus,
    group: Group,
    prosodies: Sequence[Prosody] | None,
    job: SynthesizeJob,
) -> tuple[SampledSequence, int]:
    """One draw of a model for each clip of the group, and the calls of its generators."""
    role = model.role
    given: Sequence[Prosody | None] = prosodies or [None] * len(group)
    items = _items(model, corpus, [one for one, _ in group], given)
    device = next(model.parameters()).device
    sampling = job.spec.sampling[role]
    seeds = [_seed(job, role, utterance, sample) for utterance, sample in group]
    # Not inference_mode: energy models differentiate with respect to what they sample.
    with torch.no_grad(), CallCounter(*model.generators()) as counter:
        cond = model(collate(items, role).to(device))
        spoken = _spoken(model, cond, Noise(seeds), sampling)
    return spoken, counter.calls


def _items(
    model: SpeechModel, corpus: PreparedCorpus, utterances: Sequence[PreparedUtterance], given: Sequence[Prosody | None]
) -> list[Item]:
    """What a model is told of each utterance, its prompt included."""
    pairs = [(item(corpus, one, model.role, prosody), one) for one, prosody in zip(utterances, given, strict=True)]
    if not model.prompted:
        return [whole for whole, _ in pairs]
    prompt = Prompting(corpus)
    return [prompt(*pair) for pair in pairs]


def _spoken(model: SpeechModel, cond: Condition, rng: Noise, sampling: SamplingSettings) -> SampledSequence:
    return model.sample_sequence(cond, sampling.nfe, rng, sampling.temperature, **sampling.options)


def try_sampling(model: SpeechModel, sampling: SamplingSettings) -> None:
    """Sample one phone of one frame where there are options: whether they fit a model, only the model knows."""
    if not sampling.options:
        return
    one = np.ones(1, np.int64)
    features = np.zeros((1, Conditioner.POSITION_FEATURES), np.float32)
    single = Item(one, 0, one, one - 1, features, np.zeros((1, model.channels), np.float32))
    single = prompted(single, single) if model.prompted else single
    with torch.no_grad(), suppress(ClipError):  # an untrained model may well diverge
        _spoken(model, model.eval()(collate([single], model.role)), Noise([0]), sampling)


def _finish_clip(
    run: Run, job: SynthesizeJob, corpus: PreparedCorpus, utterance: PreparedUtterance, sample: int,
    result: Sampled | ClipError | None, vocoder: Any, measured: Measured | None,
) -> None:  # fmt: skip
    """Vocode and write one clip; its record goes last."""
    folder, mel = job.path(run), run.experiment.mel
    path = wav_path(folder, utterance.id, sample)
    path.parent.mkdir(parents=True, exist_ok=True)
    cost: Cost | None = None
    durations: NDArray[np.int64] | None
    try:
        if isinstance(result, ClipError):
            raise result
        if result is None:
            samples = load_clip_audio(Path(utterance.audio), mel.sample_rate, max_s=run.experiment.corpus.max_s)
            samples = samples[: utterance.frames * mel.hop_length]
            durations = corpus.features(utterance).durations
        else:
            began = time.perf_counter()
            samples = vocoder.synthesize(result.log_mel).numpy()
            seconds, durations = time.perf_counter() - began, result.durations
            audio_s = len(samples) / mel.sample_rate
            more = asdict(measured) if measured else {}
            cost = Cost(result.seconds, seconds, audio_s, result.nfe, result.parameters, **more)
        write(path, samples, mel.sample_rate)
    except ClipError as error:
        write_failure(folder, utterance.id, sample, str(error))
        return
    phones = None if durations is None else _phones(utterance.phones, durations, mel)
    write_record(folder, utterance.id, sample, Record(path, cost, phones))


def _phones(labels: Sequence[str], durations: NDArray[np.int64], mel: MelConfig) -> tuple[Phone, ...]:
    """Phones with their times, from durations in frames (P,)."""
    bounds = np.concatenate([[0], np.cumsum(durations)]) * mel.hop_length / mel.sample_rate
    return tuple(Phone(*one) for one in zip(labels, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))


@lru_cache(maxsize=2)
def _corpus(folder: Path, key: str) -> PreparedCorpus:
    return PreparedCorpus(folder / "prepare")


@lru_cache(maxsize=4)
def _model(root: Path, folder: str, key: str, device: torch.device) -> SpeechModel:
    return load_model(root / folder, root).to(device)
