"""Which packages outside ttsbench a run used, and hashes of their code."""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from ttsbench import registry
from ttsbench.config.schema import Experiment
from ttsbench.engine.store import content_hash

OWN_PACKAGE = "ttsbench"


def plugin_packages(experiment: Experiment) -> dict[str, Any]:
    """Return package -> version, plug-ins as "kind/name", and code hash, for all packages other than ttsbench.

    The hash covers every Python file of the top-level module or package, without comments and docstrings.
    """
    plugins: dict[str, list[str]] = defaultdict(list)
    entries: dict[str, EntryPoint] = {}
    for kind, name in sorted(set(_used(experiment))):
        entry = registry.registered(kind).get(name)
        if entry is not None and entry.dist is not None and entry.dist.name != OWN_PACKAGE:
            plugins[entry.dist.name].append(f"{kind}/{name}")
            entries[entry.dist.name] = entry
    return {
        package: {
            "version": entry.dist.version if entry.dist else None,
            "plugins": plugins[package],
            "code": _code_hash(entry.module),
        }
        for package, entry in sorted(entries.items())
    }


def _used(experiment: Experiment) -> Iterator[tuple[registry.Kind, str]]:
    """Kind and name of every plug-in of an experiment, trained sources included."""
    waiting = [(config.adapter, dict(config.options)) for config in experiment.adapters.values()]
    while waiting:
        name, options = waiting.pop()
        yield registry.kind_of(name), name
        waiting += [(source, {}) for source in registry.starts_from(name, options)]
    yield from (("metrics", name) for name in experiment.metrics)
    yield "corpora", experiment.corpus.name
    yield "vocoders", experiment.vocoder.name
    yield "transcribers", experiment.transcriber.name
    if experiment.codec is not None:
        yield "codecs", experiment.codec.name


def _code_hash(module: str) -> str:
    top = importlib.import_module(module.partition(".")[0])
    path = Path(str(top.__file__))
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    return content_hash([registry.bare_source(file.read_text(encoding="utf-8")) for file in files])
