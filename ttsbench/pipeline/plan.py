"""Experiment -> job graph.

Every key is known before anything runs, so a changed config recomputes exactly what depends on it.

    prepare -> train (each model and seed once) -> synthesize -> transcribe (each system and seed) -> score -> report
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsbench import registry
from ttsbench.config.schema import ORACLE, SAME, TEXT, AdapterConfig, CorpusConfig, Experiment, TrainConfig, pair
from ttsbench.engine.job import Job
from ttsbench.engine.store import content_hash, sampled_hash
from ttsbench.errors import CorpusError
from ttsbench.pipeline import cost_model
from ttsbench.pipeline.evaluation_plan import COPY_SYNTHESIS, GROUND_TRUTH, job_key, scoring_jobs
from ttsbench.types import Role


@dataclass(frozen=True)
class System:
    """A row of the table: an acoustic model with a source of prosody, or one of the two reference rows."""

    name: str
    acoustic: str | None = None  # label; None for the reference rows
    prosody: str | None = None  # label, or "oracle"; "text" where the acoustic model is free-running


def systems(experiment: Experiment) -> list[System]:
    """The rows of the table, in order; "same" becomes the acoustic model's own label."""
    product = [(acoustic, source) for source in experiment.prosody for acoustic in experiment.acoustic_labels]
    rows = [System(GROUND_TRUTH), System(COPY_SYNTHESIS)]
    for acoustic, source in [pair(name) for name in experiment.systems] or product:
        prosody = acoustic if source == SAME else source
        if registry.load("adapters", experiment.adapters[acoustic].adapter).info.free_running:
            prosody = TEXT
        rows.append(System(f"{acoustic}+{prosody}", acoustic, prosody))
    return list(dict.fromkeys(rows))


def make_plan(experiment: Experiment) -> list[Job]:
    """The jobs in an order in which each follows what it needs."""
    prepare = _prepare(experiment)
    trained = _Training(experiment, prepare)
    synthesized = [job for system in systems(experiment) for job in _synthesize(experiment, system, prepare, trained)]
    return [prepare, *trained.jobs.values(), *synthesized, *scoring_jobs(experiment, synthesized)]


def _codec(experiment: Experiment) -> list[Any]:
    codec = experiment.codec
    return [registry.plugin_key("codecs", codec.name, codec.options)] if codec else []


def _prepare(experiment: Experiment) -> Job:
    corpus = experiment.corpus
    unsaid = {"path"} if corpus.held_out_speakers else {"path", "held_out_speakers"}
    told = corpus.model_dump(mode="json", exclude=unsaid)
    key = job_key("prepare", told, experiment.mel.model_dump(), fingerprint(corpus), *_codec(experiment))
    minutes = cost_model.corpus_minutes(corpus)
    return Job("prepare", "prepare", (), key, "prepare", cost_model.prepare_s(minutes), {"minutes": minutes})


class _Training:
    """Every model the systems need, each trained once however many labels share it."""

    def __init__(self, experiment: Experiment, prepare: Job) -> None:
        self._experiment, self._prepare = experiment, prepare
        self.jobs: dict[str, Job] = {}  # by key

    def model(self, label: str, role: Role, seed: int) -> Job:
        """The job that trains a label's model for a role and a seed."""
        return self._job(self._experiment.adapters[label], label, role, seed)

    def loaded_with(self, job: Job) -> list[Job]:
        """A model and those it cannot be loaded without: its sources, and theirs."""
        folders = job.spec["sources"].values()
        sources = [one for one in self.jobs.values() if one.folder in folders]
        return [*(loaded for source in sources for loaded in self.loaded_with(source)), job]

    def _job(self, config: AdapterConfig, label: str, role: Role, seed: int, beginning: bool = False) -> Job:
        info = registry.trainable(config.adapter).info
        needed_first = registry.starts_from(config.adapter, config.options)
        share = config.data_share
        part = [{"data_share": share}] if share < 1 else []

        def first(name: str) -> AdapterConfig:
            return AdapterConfig(adapter=name, data_share=share)

        sources = {name: self._job(first(name), name, role, seed) for name in needed_first}
        predicted = role == "acoustic" and config.trained_on != ORACLE
        prosody = self.model(config.trained_on, "prosody", seed) if predicted else None
        train: TrainConfig = getattr(self._experiment.train, role)
        start = None
        own = {"batch_size": config.batch_size, "steps": config.steps}
        budget = {name: value for name, value in own.items() if value}
        if beginning:
            budget = {"steps": train.start_steps}
            train = train.model_copy(update={**budget, "start_from": ""})
        else:
            if train.start_from:
                start = self._job(first(train.start_from), "start", role, seed, beginning=True)
            train = train.model_copy(update=budget)
        key = job_key(
            "train",
            self._prepare.key,
            [
                config.adapter,
                config.options,
                info.version,
                registry.source_hash(registry.kind_of(config.adapter), config.adapter),
            ],
            [role, seed, train.model_dump(), self._experiment.model.model_dump(), self._experiment.compute.precision],
            {name: source.key for name, source in sources.items()},
            *([start.key] if start else []),
            *part,
            *([prosody.key, sampling_of(self._experiment, config.trained_on)] if prosody else []),
        )
        if key not in self.jobs:
            name = f"{label}-{role}-seed{seed}"
            if any(job.id == f"train {name}" for job in self.jobs.values()):
                name += f"-{key[:8]}"  # a label that has the name of an adapter others start from, but not its options
            spec = {
                "adapter": config.adapter,
                "options": config.options,
                "role": role,
                "seed": seed,
                "sources": {source: job.folder for source, job in sources.items()},
            }
            if part:
                spec["data_share"] = share
            if prosody:
                spec["conditioned_on"] = {"model": prosody.folder, **sampling_of(self._experiment, config.trained_on)}
            if start:
                spec["start"] = start.folder
            if budget:
                spec["budget"] = budget
            firsts = [*sources.values(), *(job for job in (prosody, start) if job)]
            needed = dict.fromkeys(job.id for first in firsts for job in self.loaded_with(first))
            self.jobs[key] = Job(
                f"train {name}",
                "train",
                (self._prepare.id, *needed),
                key,
                f"train/{name}",
                cost_model.train_s(self._experiment, train, role, info.step_cost),
                spec,
            )
        return self.jobs[key]


def _synthesize(experiment: Experiment, system: System, prepare: Job, trained: _Training) -> Iterator[Job]:
    """One job per training seed; the reference rows have no model and one job."""
    for seed in experiment.seeds if system.acoustic else experiment.seeds[:1]:
        models: dict[Role, Job] = {}
        sampling: dict[str, Any] = {}
        if system.acoustic and system.prosody:
            labels: dict[Role, str] = {"acoustic": system.acoustic}
            if system.prosody not in (ORACLE, TEXT):
                labels["prosody"] = system.prosody
            for role, label in labels.items():
                models[role] = trained.model(label, role, seed)
                sampling[role] = {"label": label, **sampling_of(experiment, label)}
        samples = experiment.synthesis.samples if system.acoustic else 1
        key = job_key(
            "synthesize",
            prepare.key,
            system.name if not system.acoustic else [job.key for job in models.values()],
            [
                sampling,
                samples,
                seed,
                registry.plugin_key("vocoders", experiment.vocoder.name, experiment.vocoder.options),
            ],
        )
        yield Job(
            f"synthesize {system.name} seed{seed}",
            "synthesize",
            (prepare.id, *(job.id for model in models.values() for job in trained.loaded_with(model))),
            key,
            f"wavs/{system.name}/seed{seed}",
            cost_model.synthesize_s(experiment, samples, sampling),
            {
                "system": system.name,
                "seed": seed,
                "samples": samples,
                "models": {role: job.folder for role, job in models.items()},
                "sampling": sampling,
            },
        )


def sampling_of(experiment: Experiment, label: str) -> dict[str, Any]:
    """How a label's models are sampled: number of function evaluations, temperature, and the adapter's own options."""
    config = experiment.adapters[label]
    nfe = config.nfe or registry.load("adapters", config.adapter).info.nfe[0]
    own = {"options": config.sampling} if config.sampling else {}
    return {"nfe": nfe, "temperature": config.temperature, **own}


def fingerprint(corpus: CorpusConfig) -> str:
    """What the prepare stage depends on outside the config: every file of the corpus, by name, size and sampled bytes.

    Reading every byte of a large corpus only to learn that nothing changed would cost minutes, and times would call
    a copy another corpus. A corpus without a path depends on its options and its source alone.
    """
    source = registry.source_hash("corpora", corpus.name)
    if corpus.path is None:
        return source
    if not corpus.path.exists():
        if corpus.options.get("download"):
            return source
        raise CorpusError(f"The corpus path {corpus.path} does not exist. Set corpus.path to the folder of the corpus.")
    return content_hash([source, list(_listing(corpus.path))])


def _listing(folder: Path) -> Iterator[tuple[str, str]]:
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            path = Path(parent, file)
            yield str(path.relative_to(folder)), sampled_hash(path)
