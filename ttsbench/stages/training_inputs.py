"""What a training starts from: the model before its first step, its corpus, and its validation batches."""

from __future__ import annotations

from typing import Any

import torch

from ttsbench.config.schema import TrainConfig
from ttsbench.config.specs import TrainSpec
from ttsbench.data.batching import RawBatch, collate, item
from ttsbench.data.corpus import PreparedCorpus
from ttsbench.data.prompts import Prompting
from ttsbench.data.waveforms import Waveforms
from ttsbench.engine.job import Job, Run
from ttsbench.models.prosody_prediction import predicted_log_f0
from ttsbench.models.speech_model import SpeechModel, load_model
from ttsbench.types import Role

VALID_BATCH = 8  # clips that are validated together


def build_model(run: Run, job: Job[TrainSpec], corpus: PreparedCorpus) -> tuple[SpeechModel, dict[str, Any]]:
    """Return a model before its first step and its description.

    Weights are a function of the seed alone, so the shared conditioner starts equal for all objectives. With
    ``start_from`` all networks of the same shape start with the weights of one trained model.
    """
    spec = job.spec
    channels = run.experiment.mel.n_mels if spec.role == "acoustic" else 2
    train: TrainConfig = getattr(run.experiment.train, spec.role)
    steps = train.convergence.cap if spec.converge else int(spec.budget.get("steps", train.steps))
    shape = {"n_phones": len(corpus.phones), "n_speakers": len(corpus.speakers), "channels": channels}
    sources = {name: load_model(run.folder / folder, run.folder) for name, folder in spec.sources.items()}
    with torch.random.fork_rng(devices=[]):  # weights are drawn on the CPU
        torch.manual_seed(spec.seed)
        model = SpeechModel(spec.adapter, spec.options, spec.role, run.experiment.model, shape, sources, steps)
    if spec.start:
        model.initialise_from(load_model(run.folder / spec.start, run.folder))
    description = {**spec.description(), "size": run.experiment.model.model_dump(), "shape": shape}
    return model, description


def conditioned(corpus: PreparedCorpus, run: Run, job: Job[TrainSpec]) -> PreparedCorpus:
    """Return the corpus, with the log-F0 drawn by a prosody model if the model is to be trained on that.

    Durations stay those of the recording, because the frames of the target follow them. One draw serves the whole
    training.
    """
    predicted = job.spec.predicted_prosody
    if predicted is None:
        return corpus
    model = load_model(run.folder / predicted.model, run.folder)
    utterances = [*corpus.split("train"), *corpus.split("valid")]
    return corpus.with_log_f0(predicted_log_f0(model, corpus, utterances, job.spec.seed, predicted.sampling))


def validation_batches(
    corpus: PreparedCorpus, role: Role, prompt: Prompting | None, waveform: Waveforms | None
) -> list[RawBatch]:
    """Return the validation split in batches, sorted by length so that little is padding."""
    items = []
    for utterance in sorted(corpus.split("valid"), key=lambda utterance: utterance.frames):
        whole = item(corpus, utterance, role)
        whole = prompt(whole, utterance) if prompt else whole  # the same prompt every time
        items.append(waveform(whole, utterance) if waveform else whole)
    return [collate(items[start : start + VALID_BATCH], role) for start in range(0, len(items), VALID_BATCH)]
