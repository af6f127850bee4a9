"""Experiment -> job graph.

Every key is known before anything runs, so a changed config recomputes exactly what depends on it.

    prepare -> train (each model and seed once) -> synthesize -> transcribe (each system and seed) -> score -> report
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsbench import costs, registry
from ttsbench.config import ORACLE, SAME, AdapterConfig, CorpusConfig, Experiment, Plugin
from ttsbench.errors import CorpusError
from ttsbench.jobs import Job, Stage
from ttsbench.store import content_hash
from ttsbench.types import Role

VERSIONS: Mapping[Stage, int] = {"prepare": 1, "train": 1, "synthesize": 1, "transcribe": 1, "score": 1, "report": 1}
GROUND_TRUTH = "ground-truth"
COPY_SYNTHESIS = "copy-synthesis"


@dataclass(frozen=True)
class System:
    """A row of the table: an acoustic model with a source of prosody, or one of the two reference rows."""

    name: str
    acoustic: str | None = None  # label; None for the reference rows
    prosody: str | None = None  # label, or "oracle"


def systems(experiment: Experiment) -> list[System]:
    """The rows of the table, in order; "same" becomes the acoustic model's own label."""
    rows = [System(GROUND_TRUTH), System(COPY_SYNTHESIS)]
    for source in experiment.prosody:
        for acoustic in experiment.acoustic_labels:
            prosody = acoustic if source == SAME else source
            rows.append(System(f"{acoustic}+{prosody}", acoustic, prosody))
    return list(dict.fromkeys(rows))


def make_plan(experiment: Experiment) -> list[Job]:
    """The jobs in an order in which each follows what it needs."""
    prepare = _prepare(experiment)
    trained = _Training(experiment, prepare)
    synthesized = [job for system in systems(experiment) for job in _synthesize(experiment, system, prepare, trained)]
    transcribed = [_transcribe(experiment, job, prepare) for job in synthesized]
    if not any("transcript" in _metric_info(name, experiment).needs for name in experiment.metrics):
        transcribed = []
    score = _score(experiment, synthesized, transcribed)
    return [prepare, *trained.jobs.values(), *synthesized, *transcribed, score, _report(experiment, score)]


def _prepare(experiment: Experiment) -> Job:
    corpus = experiment.corpus
    key = _key(
        "prepare", corpus.model_dump(mode="json", exclude={"path"}), experiment.mel.model_dump(), fingerprint(corpus)
    )
    minutes = costs.corpus_minutes(corpus)
    return Job("prepare", "prepare", (), key, "prepare", costs.prepare_s(minutes), {"minutes": minutes})


class _Training:
    """Every model the systems need, each trained once however many labels share it."""

    def __init__(self, experiment: Experiment, prepare: Job) -> None:
        self._experiment, self._prepare = experiment, prepare
        self.jobs: dict[str, Job] = {}  # by key

    def model(self, label: str, role: Role, seed: int) -> Job:
        """The job that trains a label's model for a role and a seed."""
        return self._job(self._experiment.adapters[label], label, role, seed)

    def _job(self, config: AdapterConfig, label: str, role: Role, seed: int) -> Job:
        info = registry.load("adapters", config.adapter).info
        sources = {name: self._job(AdapterConfig(adapter=name), name, role, seed) for name in info.starts_from}
        train = getattr(self._experiment.train, role)
        key = _key(
            "train",
            self._prepare.key,
            [config.adapter, config.options, info.version, registry.source_hash("adapters", config.adapter)],
            [role, seed, train.model_dump(), self._experiment.model.model_dump(), self._experiment.compute.precision],
            {name: source.key for name, source in sources.items()},
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
            self.jobs[key] = Job(
                f"train {name}",
                "train",
                (self._prepare.id, *(job.id for job in sources.values())),
                key,
                f"train/{name}",
                costs.train_s(self._experiment, role, info.step_cost),
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
            if system.prosody != ORACLE:
                labels["prosody"] = system.prosody
            for role, label in labels.items():
                config = experiment.adapters[label]
                models[role] = trained.model(label, role, seed)
                nfe = config.nfe or registry.load("adapters", config.adapter).info.nfe[0]
                sampling[role] = {"label": label, "nfe": nfe, "temperature": config.temperature}
        samples = experiment.synthesis.samples if system.acoustic else 1
        key = _key(
            "synthesize",
            prepare.key,
            system.name if not system.acoustic else [job.key for job in models.values()],
            [sampling, samples, seed, _plugin("vocoders", experiment.vocoder)],
        )
        yield Job(
            f"synthesize {system.name} seed{seed}",
            "synthesize",
            (prepare.id, *(job.id for job in models.values())),
            key,
            f"wavs/{system.name}/seed{seed}",
            costs.synthesize_s(experiment, samples, sampling),
            {
                "system": system.name,
                "seed": seed,
                "samples": samples,
                "models": {role: job.folder for role, job in models.items()},
                "sampling": sampling,
            },
        )


def _transcribe(experiment: Experiment, synthesized: Job, prepare: Job) -> Job:
    key = _key("transcribe", synthesized.key, _plugin("transcribers", experiment.transcriber))
    spec = {**synthesized.spec, "wavs": synthesized.folder}
    folder = synthesized.folder.replace("wavs/", "transcripts/", 1)
    cost = costs.transcribe_s(experiment, int(synthesized.spec["samples"]))
    name = synthesized.id.replace("synthesize", "transcribe", 1)
    return Job(name, "transcribe", (prepare.id, synthesized.id), key, folder, cost, spec)


def _score(experiment: Experiment, synthesized: Sequence[Job], transcribed: Sequence[Job]) -> Job:
    texts = {job.spec["wavs"]: job for job in transcribed}
    rows = [
        {
            "system": job.spec["system"],
            "seed": job.spec["seed"],
            "samples": job.spec["samples"],
            "wavs": job.folder,
            "transcripts": texts[job.folder].folder if job.folder in texts else None,
            "key": job.key,
            "transcript_key": texts[job.folder].key if job.folder in texts else None,
        }
        for job in synthesized
    ]
    metrics = {
        name: [options, _metric_info(name, experiment).signature, registry.source_hash("metrics", name)]
        for name, options in experiment.metrics.items()
    }
    spec = {"systems": rows, "metric_keys": {name: _key("score", value) for name, value in metrics.items()}}
    needs = tuple(job.id for job in (*synthesized, *transcribed))
    cost = costs.score_s(experiment, len(rows))
    return Job("score", "score", needs, _key("score", spec), "scores", cost, spec, incremental=True)


def _report(experiment: Experiment, score: Job) -> Job:
    key = _key("report", score.key, experiment.statistics.model_dump(), experiment.title, experiment.name)
    return Job("report", "report", (score.id,), key, "report", 3.0, score.spec)


def _metric_info(name: str, experiment: Experiment) -> Any:
    return registry.load("metrics", name)(**experiment.metrics[name]).info


def _plugin(kind: registry.Kind, plugin: Plugin) -> list[Any]:
    return [plugin.name, plugin.options, registry.source_hash(kind, plugin.name)]


def _key(stage: Stage, *parts: Any) -> str:
    return content_hash([stage, VERSIONS[stage], *parts])


def fingerprint(corpus: CorpusConfig) -> str:
    """What the prepare stage depends on outside the config: every file of the corpus, by name, size and time.

    Reading every byte of a large corpus only to learn that nothing changed would cost minutes; the features
    themselves are cached by content. A corpus without a path depends on its options and its source alone.
    """
    source = registry.source_hash("corpora", corpus.name)
    if corpus.path is None:
        return source
    if not corpus.path.exists():
        if corpus.options.get("download"):
            return source
        raise CorpusError(f"The corpus path {corpus.path} does not exist. Set corpus.path to the folder of the corpus.")
    return content_hash([source, list(_listing(corpus.path))])


def _listing(folder: Path) -> Iterator[tuple[str, int, int]]:
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            path = Path(parent, file)
            status = path.stat()
            yield str(path.relative_to(folder)), status.st_size, status.st_mtime_ns
