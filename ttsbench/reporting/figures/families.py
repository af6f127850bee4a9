"""Find sweeps: systems that differ only in one sampling parameter, such as temperature or function evaluations."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

from ttsbench import registry
from ttsbench.config.schema import ORACLE, AdapterConfig, Experiment
from ttsbench.config.systems import sampling_settings, systems

LEAST = 3  # settings of a sweep


@dataclass
class Sweep:
    """Systems by the value of the parameter that varies; ``label`` is the model of one of them."""

    parameter: str
    family: str
    label: str
    systems: dict[float, str] = field(default_factory=dict)


def find_sweeps(experiment: Experiment) -> list[Sweep]:
    """Return every family of at least three systems whose acoustic or prosody model varies in one parameter alone."""
    sweeps: dict[tuple[str, str], Sweep] = {}
    for system in systems(experiment):
        if system.acoustic is None or system.prosody is None or system.acoustic == system.prosody:
            continue
        for label in (name for name in (system.acoustic, system.prosody) if name in experiment.adapters):
            for parameter, setting in _numbers(experiment, label).items():
                model = _fixed_part(experiment, label, parameter)
                acoustic = model if label == system.acoustic else system.acoustic
                family = f"{acoustic}+{model if label == system.prosody else system.prosody}"
                sweep = sweeps.setdefault((parameter, family), Sweep(parameter, family, label))
                sweep.systems[setting] = system.name
    return [sweep for sweep in sweeps.values() if len(sweep.systems) >= LEAST]


def students(experiment: Experiment, sweep: Sweep) -> dict[str, float]:
    """Return the distilled systems of a sweep's teacher with their function evaluations, on the same prosody."""
    teacher = experiment.adapters[sweep.label].adapter
    sources = {system.prosody for system in systems(experiment) if system.name in sweep.systems.values()}
    settings = {}
    for system in systems(experiment):
        label = system.acoustic or ""
        if label not in experiment.adapters or system.prosody not in sources or refined(experiment, label):
            continue
        config = experiment.adapters[label]
        if config.adapter != teacher and teacher in registry.starts_from(config.adapter, config.options):
            settings[system.name] = float(sampling_settings(experiment, label).nfe)
    return settings


def _settings(experiment: Experiment, label: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the sampling settings of a label, and the defaults of its adapter."""
    adapter = experiment.adapters[label].adapter
    own, sampling = registry.sampling_options(adapter), sampling_settings(experiment, label)
    default = {"temperature": AdapterConfig().temperature, "nfe": registry.load("adapters", adapter).info.nfe[0], **own}
    return {**own, **sampling.options, "nfe": sampling.nfe, "temperature": sampling.temperature}, default


def _numbers(experiment: Experiment, label: str) -> dict[str, float]:
    settings, _ = _settings(experiment, label)
    numbers = {name: value for name, value in settings.items() if isinstance(value, int | float)}
    return {name: float(value) for name, value in numbers.items() if not isinstance(value, bool)}


def _fixed_part(experiment: Experiment, label: str, parameter: str) -> str:
    """Return a name for everything but ``parameter`` in the model of a label."""
    config: AdapterConfig = experiment.adapters[label]
    settings, default = _settings(experiment, label)
    sampling = {name: value for name, value in settings.items() if value != default[name]}
    options = {**config.options, **{name: value for name, value in sampling.items() if name != parameter}}
    source = [f"trained on {config.trained_on}"] if config.trained_on != ORACLE else []
    return " ".join([config.adapter, *(f"{name}={value}" for name, value in options.items()), *source])


def refined(experiment: Experiment, label: str) -> str:
    """Return the adapter whose draw a label's sampling refines; empty for none.

    Refining adapters (``interfaces.RefiningAdapter``) name it by the option ``initial``.
    """
    config = experiment.adapters[label]
    initial = inspect.signature(registry.load("adapters", config.adapter)).parameters.get("initial")
    return "" if initial is None else str(config.options.get("initial", initial.default))
