"""Jobs for the rows of systems that the run does not train (``external`` in an experiment).

A folder is collected like those of ``ttsbench score``: each file is hashed on its own. A command or a function is run
and timed on the test sentences. A checkpoint of another run on the same corpus is sampled like a model of this run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ttsbench import registry
from ttsbench.config.schema import Experiment, ExternalConfig
from ttsbench.config.specs import ClipsSpec, CollectSpec, ExternalSpec, PrepareSpec, SynthesizeSpec
from ttsbench.config.systems import SamplingSettings
from ttsbench.engine.job import Job
from ttsbench.engine.layout import PREPARE, wavs_folder
from ttsbench.engine.sentinels import KEY
from ttsbench.engine.store import file_hash, read_json
from ttsbench.errors import ConfigError
from ttsbench.pipeline import cost_model
from ttsbench.pipeline.keys import job_key
from ttsbench.stages.collect import find_clips


def external_jobs(experiment: Experiment, prepare: Job[PrepareSpec]) -> Iterator[Job[ClipsSpec]]:
    """Yield the job that makes or collects the clips of each external system."""
    for name, config in experiment.external.items():
        if config.folder is not None:
            yield _collected(name, config.folder, prepare)
        elif config.checkpoint is not None:
            yield _sampled(experiment, name, config.checkpoint, prepare)
        else:
            yield _made(experiment, name, config, prepare)


def check_external(experiment: Experiment) -> None:
    """Raise ``ConfigError`` for a folder without audio, a missing checkpoint and a function that cannot be imported."""
    for name, config in experiment.external.items():
        if config.folder is not None:
            find_clips(config.folder, config.folder)
        elif config.checkpoint is not None and not (config.checkpoint / "model.json").exists():
            raise ConfigError(
                f"external.{name}.checkpoint: {config.checkpoint} holds no model.json; give the folder of a trained "
                "model, such as runs/objectives/train/l1-acoustic-seed0."
            )
        elif config.function and not callable(registry.load_reference(config.function)):
            raise ConfigError(f"external.{name}.function: '{config.function}' is not callable; give module:function.")


def _collected(name: str, folder: Path, prepare: Job[PrepareSpec]) -> Job[ClipsSpec]:
    clips = find_clips(folder, folder)
    files = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in clips.values()]
    spec = CollectSpec(name, 0, 1, (str(folder.resolve()),))
    key = job_key("collect", vars(spec), files, prepare.key)
    return Job(f"collect {name}", "collect", (prepare.id,), key, wavs_folder(name, None), 0.005 * len(files), spec)


def _made(experiment: Experiment, name: str, config: ExternalConfig, prepare: Job[PrepareSpec]) -> Job[ClipsSpec]:
    seed = experiment.seeds[0]
    spec = ExternalSpec(name, seed, 1, config.command, config.function, config.timeout_s)
    key = job_key("external", vars(spec), prepare.key)
    cost_s = cost_model.EXTERNAL_S * experiment.corpus.test
    return Job(f"external {name}", "external", (prepare.id,), key, wavs_folder(name, seed), cost_s, spec)


def _sampled(experiment: Experiment, name: str, checkpoint: Path, prepare: Job[PrepareSpec]) -> Job[ClipsSpec]:
    """Return the job that samples a trained model; raises ``ConfigError`` if its corpus was prepared differently.

    Phone and speaker numbers and the normalisation of a model belong to the corpus that it was trained on.
    """
    key_file = checkpoint.resolve().parents[1] / PREPARE / KEY
    if not key_file.exists() or key_file.read_text(encoding="utf-8") != prepare.key:
        raise ConfigError(
            f"external.{name}.checkpoint: {checkpoint} was trained on another corpus, another split or another mel "
            "than this experiment has; use the corpus and mel sections of its run."
        )
    model = read_json(checkpoint / "model.json")
    if model["role"] != "acoustic":
        raise ConfigError(f"external.{name}.checkpoint: {checkpoint} is a {model['role']} model; give an acoustic one.")
    info = registry.load("adapters", model["adapter"]).info
    samples = experiment.synthesis.samples
    draws = max(samples, experiment.synthesis.draws if info.stochastic else 1)
    sampling = SamplingSettings(name, info.nfe[0], 1.0)
    spec = SynthesizeSpec(name, model["seed"], samples, draws, {"acoustic": str(checkpoint.resolve())},
                          {"acoustic": sampling})  # fmt: skip
    vocoder = registry.plugin_key("vocoders", experiment.vocoder.name, experiment.vocoder.options)
    weights = file_hash(checkpoint / "weights.safetensors")
    key = job_key("synthesize", prepare.key, weights, [sampling.key(), samples, draws, vocoder])
    cost_s = cost_model.synthesize_s(experiment, samples, draws, {})
    return Job(f"synthesize {name}", "synthesize", (prepare.id,), key, wavs_folder(name, spec.seed), cost_s, spec)
