"""Sampling settings that a ``tune`` job has chosen, and the sentences that report them under a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ttsbench.config.systems import SamplingSettings
from ttsbench.engine.store import read_json

TUNED = "tuned.json"


def tuned_settings(folder: Path) -> SamplingSettings:
    """Return the settings that the tune job of ``folder`` has chosen."""
    settings: dict[str, Any] = read_json(folder / TUNED)["settings"]
    return SamplingSettings(**settings)


def describe_settings(folder: Path) -> str:
    """Return the chosen settings as text, each with the default in brackets if it differs."""
    result = read_json(folder / TUNED)
    chosen, default = (_flat(settings) for settings in (result["settings"], result["trials"][0]["settings"]))
    parts = []
    for name, value in chosen.items():
        changed = value != default.get(name)
        parts.append(f"{name} {value:g}" + (f" (default {default[name]:g})" if changed and name in default else ""))
    return ", ".join(parts)


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    return {"temperature": settings["temperature"], "nfe": settings["nfe"], **settings["options"]}
