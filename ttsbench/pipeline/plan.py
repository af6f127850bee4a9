"""From an experiment to its job graph.

Every key is known before anything runs, so a changed experiment recomputes exactly what depends on the change.

    prepare -> train (each model and seed once) -> tune (each tuned label once) -> synthesize -> transcribe (each system
    and seed) -> score -> report
            -> external, collect (each row of a system that is not trained) -> transcribe
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ttsbench import registry
from ttsbench.config.schema import Experiment
from ttsbench.config.specs import PrepareSpec, SynthesizeSpec
from ttsbench.config.systems import ANOTHER_RENDERING, SamplingSettings, System, sampling_settings, systems
from ttsbench.engine.job import AnyJob, Job
from ttsbench.engine.layout import PREPARE, wavs_folder
from ttsbench.pipeline import cost_model
from ttsbench.pipeline.evaluation_plan import scoring_jobs
from ttsbench.pipeline.external_plan import external_jobs
from ttsbench.pipeline.fingerprint import corpus_fingerprint
from ttsbench.pipeline.keys import job_key
from ttsbench.pipeline.training_plan import TrainingPlan
from ttsbench.pipeline.tuning_plan import TuningPlan
from ttsbench.types import Role


def make_plan(experiment: Experiment) -> list[AnyJob]:
    """Return all jobs of an experiment, each after the jobs that it needs."""
    prepare = _prepare(experiment)
    training = TrainingPlan(experiment, prepare)
    tuning = TuningPlan(experiment, prepare, training)
    synthesis: list[AnyJob] = [
        job for system in systems(experiment) for job in _synthesize(experiment, system, prepare, training, tuning)
    ]
    clips = [*synthesis, *external_jobs(experiment, prepare)]
    return [prepare, *training.jobs.values(), *tuning.jobs.values(), *clips, *scoring_jobs(experiment, clips)]


def _prepare(experiment: Experiment) -> Job[PrepareSpec]:
    corpus = experiment.corpus
    excluded = {"path"} if corpus.held_out_speakers else {"path", "held_out_speakers"}
    settings = corpus.model_dump(mode="json", exclude=excluded)
    codec = experiment.codec
    codec_key = [registry.plugin_key("codecs", codec.name, codec.options)] if codec else []
    key = job_key("prepare", settings, experiment.mel.model_dump(), corpus_fingerprint(corpus), *codec_key)
    minutes = cost_model.corpus_minutes(corpus)
    return Job("prepare", "prepare", (), key, PREPARE, cost_model.prepare_s(minutes), PrepareSpec(minutes))


def _synthesize(
    experiment: Experiment,
    system: System,
    prepare: Job[PrepareSpec],
    training: TrainingPlan,
    tuning: TuningPlan,
) -> Iterator[Job[SynthesizeSpec]]:
    """Yield one job per training seed, or a single one for a reference row, which has no model."""
    labels: dict[Role, str] = {"acoustic": system.acoustic} if system.acoustic else {}
    if system.prosody_label:
        labels["prosody"] = system.prosody_label
    sampling: dict[Role, SamplingSettings] = {
        role: sampling_settings(experiment, label) for role, label in labels.items()
    }
    tuned = {role: tuning.job(label, role) for role, label in labels.items() if experiment.adapters[label].tuned}
    samples, draws = _sample_counts(experiment, system, labels.values())
    vocoder = registry.plugin_key("vocoders", experiment.vocoder.name, experiment.vocoder.options)
    for seed in experiment.seeds if labels else experiment.seeds[:1]:
        models = {role: training.model(label, role, seed) for role, label in labels.items()}
        source = [job.key for job in models.values()] if models else system.name
        settings = {role: tuned[role].key if role in tuned else sampling[role].key() for role in sampling}
        sources = [job.id for model in models.values() for job in training.with_sources(model)]
        needs = (prepare.id, *sources, *(job.id for job in tuned.values()))
        yield Job(
            f"synthesize {system.name} seed{seed}",
            "synthesize",
            needs,
            job_key("synthesize", prepare.key, source, [settings, samples, draws, seed, vocoder]),
            wavs_folder(system.name, seed),
            cost_model.synthesize_s(experiment, samples, draws, sampling),
            SynthesizeSpec(
                system.name,
                seed,
                samples,
                draws,
                {role: job.folder for role, job in models.items()},
                sampling,
                {role: job.folder for role, job in tuned.items()},
            ),
        )


def _sample_counts(experiment: Experiment, system: System, labels: Collection[str]) -> tuple[int, int]:
    """Return the numbers of clips and of draws per utterance; a deterministic system is sampled once per clip.

    Numbers of the acoustic label come before those of the prosody label and those of the experiment.
    """
    if not labels:
        return 1, experiment.synthesis.draws if system.name == ANOTHER_RENDERING else 1
    configs = [experiment.adapters[label] for label in labels]
    samples = next((config.samples for config in configs if config.samples), experiment.synthesis.samples)
    draws = next((config.draws for config in configs if config.draws), experiment.synthesis.draws)
    stochastic = any(registry.load("adapters", config.adapter).info.stochastic for config in configs)
    return samples, max(samples, draws if stochastic else 1)
