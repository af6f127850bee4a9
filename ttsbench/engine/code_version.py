"""The version of the code that computes: a run must not mix results of two versions.

Workers on other machines compare theirs with that of the run, and refuse to work if they differ.
"""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ttsbench import registry
from ttsbench.engine.store import content_hash, file_hash

LIBRARIES = ("torch", "torchaudio", "numpy", "scipy", "numba", "librosa", "soxr", "pyworld")  # they decide about digits


@cache
def code_version() -> Mapping[str, str]:
    """Return the versions of Python and of numerical libraries, and a hash of each package that registers plug-ins."""
    packages = {
        entry.module.partition(".")[0] for kind in registry.KINDS for entry in registry.registered(kind).values()
    }
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: _library(name) for name in LIBRARIES},
        **{name: _package_hash(name) for name in sorted(packages | {"ttsbench"})},
    }


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Return in words what differs between two versions; empty if nothing does."""
    names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return ", ".join(f"{name} ({theirs.get(name, 'absent')} instead of {ours.get(name, 'absent')})" for name in names)


def _library(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _package_hash(name: str) -> str:
    """Return the hash of a package's modules, whatever folder it is installed in."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return "absent"
    if spec.submodule_search_locations is None:
        return file_hash(Path(spec.origin))
    root = Path(spec.origin).parent
    return content_hash({str(path.relative_to(root)): file_hash(path) for path in sorted(root.rglob("*.py"))})
