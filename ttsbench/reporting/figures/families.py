"""Systems that differ in nothing but how they are sampled: temperature, calls, or what else their ``sample`` takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ttsbench import registry
from ttsbench.config.schema import ORACLE, AdapterConfig, Experiment
from ttsbench.config.systems import sampling_settings, systems
from ttsbench.interfaces import RefiningAdapter
from ttsbench.models.speech_model import SpeechModel

LEAST = 3  # settings that make a sweep


@dataclass
class Sweep:
    """A family of systems, by the setting that changes."""

    parameter: str
    family: str
    label: str  # one of those whose setting changes
    systems: dict[float, str] = field(default_factory=dict)


def find_sweeps(experiment: Experiment) -> list[Sweep]:
    """Every family of at least three systems whose acoustic or prosody model varies in one sampling parameter alone."""
    found: dict[tuple[str, str], Sweep] = {}
    for system in systems(experiment):
        if system.acoustic is None or system.prosody is None or system.acoustic == system.prosody:
            continue
        for label in (one for one in (system.acoustic, system.prosody) if one in experiment.adapters):
            for parameter, setting in _numbers(experiment, label).items():
                model = _but_for(experiment, label, parameter)
                acoustic = model if label == system.acoustic else system.acoustic
                family = f"{acoustic}+{model if label == system.prosody else system.prosody}"
                sweep = found.setdefault((parameter, family), Sweep(parameter, family, label))
                sweep.systems[setting] = system.name
    return [sweep for sweep in found.values() if len(sweep.systems) >= LEAST]


def _settings(experiment: Experiment, label: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """How a label is sampled, and how its adapter is where nothing is said."""
    adapter = experiment.adapters[label].adapter
    own, sampling = registry.sampling_options(adapter), sampling_settings(experiment, label)
    default = {"temperature": AdapterConfig().temperature, "nfe": registry.load("adapters", adapter).info.nfe[0], **own}
    return {**own, **sampling.options, "nfe": sampling.nfe, "temperature": sampling.temperature}, default


def _numbers(experiment: Experiment, label: str) -> dict[str, float]:
    settings, _ = _settings(experiment, label)
    numbers = {name: value for name, value in settings.items() if isinstance(value, int | float)}
    return {name: float(value) for name, value in numbers.items() if not isinstance(value, bool)}


def _but_for(experiment: Experiment, label: str, parameter: str) -> str:
    """What stays the same of a label's model where the parameter varies: a name that tells families apart."""
    config: AdapterConfig = experiment.adapters[label]
    settings, default = _settings(experiment, label)
    sampling = {name: value for name, value in settings.items() if value != default[name]}
    told = {**config.options, **{name: value for name, value in sampling.items() if name != parameter}}
    trained = [f"trained on {config.trained_on}"] if config.trained_on != ORACLE else []
    return " ".join([config.adapter, *(f"{name}={value}" for name, value in told.items()), *trained])


def refined(experiment: Experiment, label: str) -> str:
    """The adapter whose draw a label's sampling begins with, as an adapter knows once it is built; empty for none."""
    shape = {"n_phones": 1, "n_speakers": 1, "channels": experiment.mel.n_mels}

    def built(adapter: str, options: Mapping[str, Any]) -> SpeechModel:
        sources = {name: built(name, {}) for name in registry.starts_from(adapter, options)}
        return SpeechModel(adapter, options, "acoustic", experiment.model, shape, sources)

    config = experiment.adapters[label]
    adapter = built(config.adapter, config.options).adapter
    return adapter.refines if isinstance(adapter, RefiningAdapter) else ""
