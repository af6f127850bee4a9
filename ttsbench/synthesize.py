"""Stage synthesize: one wav per test utterance and draw, with what making it took.

Leaves ``sample<k>/<id>.wav`` and ``sample<k>/<id>.json`` (seconds, function evaluations, or the reason of a failure).
On a CPU every utterance is sampled alone, whatever the batch size: batching gains nothing there, and a wav then depends
on nothing but its own seed, (experiment seed, label, utterance, draw). On an accelerator utterances are batched; masks
and streams of noise per utterance leave rounding as the only difference.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttsbench import registry
from ttsbench.audio.wav import load_clip_audio, write
from ttsbench.config import Experiment, MelConfig
from ttsbench.data.batching import Prosody, collate, item
from ttsbench.data.corpus import Normalisation, PreparedCorpus, PreparedUtterance
from ttsbench.errors import ClipError
from ttsbench.jobs import Job, Progress, Run, Task
from ttsbench.model import CallCounter, SpeechModel, load_model, utterance_seed
from ttsbench.plan import GROUND_TRUTH
from ttsbench.store import read_json, write_json
from ttsbench.types import Cost, Noise, Role

CHUNK = 8  # clips per task
Group = Sequence[tuple[PreparedUtterance, int]]  # clips sampled together: utterance and number of the draw
LONGEST_PHONE_S = 4.0  # a prosody model that asks for more has diverged; the clip is capped, not the machine


def tasks(run: Run, job: Job) -> Sequence[Task]:
    """Chunks of (utterance, draw) that have no result yet."""
    ids = [utterance.id for utterance in PreparedCorpus(run.folder / "prepare").split("test")]
    folder = job.path(run)
    wanted = [(id_, sample) for sample in range(job.spec["samples"]) for id_ in ids]
    left = [pair for pair in wanted if not _is_made(folder, *pair)]
    return [{"clips": left[start : start + CHUNK]} for start in range(0, len(left), CHUNK)]


def finish(run: Run, job: Job) -> None:
    """Every clip is already a file."""


def work(run: Run, job: Job, task: Task, progress: Progress) -> None:
    """Synthesize a chunk."""
    corpus = _corpus(run.folder, job.key)
    vocoder = registry.load("vocoders", run.experiment.vocoder.name)(
        run.experiment.mel, **run.experiment.vocoder.options
    )
    clips = [(corpus.by_id[id_], sample) for id_, sample in task["clips"]]
    for done, group in enumerate(groups := _grouped(clips, run.experiment)):
        for (utterance, sample), result in zip(group, _mels(run, job, corpus, group), strict=True):
            _finish_clip(run.experiment, job.path(run), job, utterance, sample, result, vocoder)
        progress((done + 1) / len(groups))


def _is_made(folder: Path, id_: str, sample: int) -> bool:
    """Whether a clip is there, or known to be impossible."""
    path = cost_path(folder, id_, sample)
    return path.exists() and (wav_path(folder, id_, sample).exists() or "error" in read_json(path))


@dataclass(frozen=True)
class Sampled:
    """A log-mel (T, M), the seconds it took to sample, the calls of the acoustic generator, the models' parameters."""

    log_mel: Tensor
    seconds: float = 0.0
    nfe: int = 0
    parameters: int = 0


def wav_path(folder: Path, id_: str, sample: int) -> Path:
    """A clip of a system."""
    return folder / f"sample{sample}" / f"{id_}.wav"


def cost_path(folder: Path, id_: str, sample: int) -> Path:
    """What making it took, or why it failed; written last."""
    return folder / f"sample{sample}" / f"{id_}.json"


def read_cost(folder: Path, id_: str, sample: int) -> Cost | None:
    """The cost of a clip; None for recordings. Raises ``ClipError`` for a clip that could not be made."""
    values = read_json(cost_path(folder, id_, sample))
    if "error" in values:
        raise ClipError(values["error"])
    return Cost(**values["cost"]) if values["cost"] else None


def device_of(experiment: Experiment) -> torch.device:
    """Where sampling runs."""
    if experiment.compute.accelerator == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda")


def _grouped(clips: Sequence[Any], experiment: Experiment) -> list[Sequence[Any]]:
    size = 1 if device_of(experiment).type == "cpu" else experiment.synthesis.batch_size
    return [clips[start : start + size] for start in range(0, len(clips), size)]


def _mels(run: Run, job: Job, corpus: PreparedCorpus, group: Group) -> list[Sampled | ClipError | None]:
    """Log-mels for a group; None where the recording itself is wanted, an error where sampling gave no speech."""
    if job.spec["system"] == GROUND_TRUTH:
        return [None for _ in group]
    if not job.spec["models"]:  # copy-synthesis
        return [Sampled(torch.from_numpy(corpus.features(utterance).mel)) for utterance, _ in group]
    models = {role: _model(run.folder, folder, job.key, device_of(run.experiment))
              for role, folder in job.spec["models"].items()}  # fmt: skip
    return _sample(models, corpus, group, job, run.experiment.mel)


def _sample(
    models: dict[Role, SpeechModel], corpus: PreparedCorpus, group: Group, job: Job, mel_config: MelConfig
) -> list[Sampled | ClipError | None]:
    began = time.perf_counter()
    prosodies: list[Prosody] = []
    if "prosody" in models:
        drawn, _ = _draw(models["prosody"], corpus, group, None, job)
        if not bool(torch.isfinite(drawn).all()):
            return [ClipError("the prosody model gave NaN or infinite values") for _ in group]
        longest = LONGEST_PHONE_S * mel_config.sample_rate / mel_config.hop_length
        for row, (utterance, _) in zip(drawn, group, strict=True):
            prosodies.append(denormalised(row[: len(utterance.phones)], corpus.norm, longest))
    else:
        for utterance, _ in group:
            features = corpus.features(utterance)
            prosodies.append(Prosody(features.durations, features.phone_log_f0))
    mels, nfe = _draw(models["acoustic"], corpus, group, prosodies, job)
    mels = mels.cpu()
    seconds = time.perf_counter() - began
    lengths = [int(prosody.durations.sum()) for prosody in prosodies]
    parameters = sum(model.parameter_count() for model in models.values())
    results: list[Sampled | ClipError | None] = []
    for row, length in zip(mels, lengths, strict=True):
        mel = row[:length] * corpus.norm.mel_std + corpus.norm.mel_mean
        if not bool(torch.isfinite(mel).all()):
            results.append(ClipError("the acoustic model gave NaN or infinite values"))
        else:
            results.append(Sampled(mel, seconds * length / sum(lengths), nfe, parameters))
    return results


def _draw(
    model: SpeechModel,
    corpus: PreparedCorpus,
    group: Group,
    prosodies: Sequence[Prosody] | None,
    job: Job,
) -> tuple[Tensor, int]:
    """One draw of a model for each clip of the group: (B, T, C), and the calls of its generator."""
    role = model.role
    given: Sequence[Prosody | None] = prosodies or [None] * len(group)
    items = [item(corpus, one, role, prosody) for (one, _), prosody in zip(group, given, strict=True)]
    device = next(model.parameters()).device
    sampling = job.spec["sampling"][role]
    seeds = [
        utterance_seed("sample", job.spec["seed"], role, sampling["label"], utterance.id, sample)
        for utterance, sample in group
    ]
    # Not inference_mode: energy models differentiate with respect to what they sample.
    with torch.no_grad(), CallCounter(model.groups["generator"]) as counter:
        cond = model(collate(items, role).to(device))
        drawn = model.sample(cond, sampling["nfe"], Noise(seeds), sampling["temperature"])
    return drawn, counter.calls


def denormalised(drawn: Tensor, norm: Normalisation, longest: float) -> Prosody:
    """Normalised (P, 2) -> durations in frames, between 1 and ``longest``, and phone log-F0."""
    values = drawn.cpu().double().numpy()
    log_duration = values[:, 1] * norm.log_duration_std + norm.log_duration_mean
    durations = np.rint(np.exp(np.minimum(log_duration, np.log(longest)))).astype(np.int64)
    log_f0 = values[:, 0] * norm.log_f0_std + norm.log_f0_mean
    return Prosody(np.maximum(durations, 1), log_f0.astype(np.float32))


def _finish_clip(
    experiment: Experiment, folder: Path, job: Job, utterance: PreparedUtterance, sample: int,
    result: Sampled | ClipError | None, vocoder: Any,
) -> None:  # fmt: skip
    """Vocode and write one clip; its cost goes last, so a clip with a cost is whole."""
    path, rate = wav_path(folder, utterance.id, sample), experiment.mel.sample_rate
    path.parent.mkdir(parents=True, exist_ok=True)
    cost: Cost | None = None
    try:
        if isinstance(result, ClipError):
            raise result
        if result is None:
            samples = load_clip_audio(Path(utterance.audio), rate, max_s=experiment.corpus.max_s)
            samples = samples[: utterance.frames * experiment.mel.hop_length]
        else:
            began = time.perf_counter()
            samples = vocoder.synthesize(result.log_mel).numpy()
            vocoder_s = time.perf_counter() - began
            cost = Cost(result.seconds, vocoder_s, len(samples) / rate, result.nfe, result.parameters)
        write(path, samples, rate)
    except ClipError as error:
        write_json(cost_path(folder, utterance.id, sample), {"error": str(error)})
        return
    write_json(cost_path(folder, utterance.id, sample), {"cost": vars(cost) if cost else None})


@lru_cache(maxsize=2)
def _corpus(folder: Path, key: str) -> PreparedCorpus:
    return PreparedCorpus(folder / "prepare")


@lru_cache(maxsize=4)
def _model(root: Path, folder: str, key: str, device: torch.device) -> SpeechModel:
    return load_model(root / folder, root).to(device)
