"""Systems that differ in nothing but how they are sampled: by temperature, or by number of function evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from ttsbench.config import AdapterConfig, Experiment
from ttsbench.plan import System, sampling_of, systems

Parameter = Literal["temperature", "nfe"]
LEAST = 3  # settings that make a sweep


@dataclass
class Sweep:
    """A family of systems, by the setting that changes."""

    parameter: Parameter
    family: str
    systems: dict[float, str] = field(default_factory=dict)


def find_sweeps(experiment: Experiment) -> list[Sweep]:
    """Every family of at least three systems whose acoustic or prosody model varies in one sampling parameter alone."""
    found: dict[tuple[Parameter, str], Sweep] = {}
    for system in systems(experiment):
        for varied, fixed in (("acoustic", "prosody"), ("prosody", "acoustic")):
            label = getattr(system, varied)
            if system.acoustic is None or label not in experiment.adapters or system.acoustic == system.prosody:
                continue
            for parameter in ("temperature", "nfe"):
                name = _family(experiment, system, label, varied, getattr(system, fixed), parameter)
                sweep = found.setdefault((parameter, name), Sweep(parameter, name))
                sweep.systems[float(sampling_of(experiment, label)[parameter])] = system.name
    return [sweep for sweep in found.values() if len(sweep.systems) >= LEAST]


def _family(experiment: Experiment, system: System, label: str, varied: str, fixed: str | None, parameter: str) -> str:
    """What stays the same, as a name that tells families apart."""
    config: AdapterConfig = experiment.adapters[label]
    options = "".join(f" {key}={value}" for key, value in config.options.items())
    trained = "" if config.trained_on == "oracle" else f" trained on {config.trained_on}"
    others = {key: value for key, value in sampling_of(experiment, label).items() if key != parameter}
    default = AdapterConfig()
    kept = "" if others.get("temperature", default.temperature) == default.temperature else f" {others}"
    name = f"{config.adapter}{options}{trained}{kept}"
    return f"{name}+{fixed}" if varied == "acoustic" else f"{fixed}+{name}"


def sweep_frame(sweeps: Sequence[Sweep], summary: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``summary.csv`` that belong to a sweep: parameter, family, setting, metric, unit, value, low, high."""
    lines: list[Mapping[str, object]] = []
    for sweep in sweeps:
        for setting, system in sorted(sweep.systems.items()):
            for row in summary[summary["system"] == system].to_dict("records"):
                kept = {name: row[name] for name in ("metric", "unit", "value", "low", "high")}
                lines.append({"parameter": sweep.parameter, "family": sweep.family, "setting": setting, **kept})
    return pd.DataFrame(lines)
