"""Cached models depend on every module that can change their weights: the list is compared with the imports."""

import ast
from functools import cache
from pathlib import Path

import pytest

from ttsbench.stages.model_cache import CODE

REPOSITORY = Path(__file__).parents[2]
CORE = REPOSITORY / "ttsbench"
# Modules of other rooms cannot change weights: they read settings, write files, or compute features, whose version is
# part of the key.
ROOMS = ("nn", "data", "models", "types", "rng", "devices")


def module_path(name):
    """The file of a module of the core, or None."""
    base = REPOSITORY.joinpath(*name.split("."))
    files = [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()]
    return files[0] if files and CORE in files[0].parents else None


@cache
def imports(path):
    """Modules of the core that a module imports, at any depth of its code."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "ttsbench":
            names |= exported({alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {file for name in names if (file := module_path(name)) and file != CORE / "__init__.py"}


def exported(names):
    """The modules from which ``ttsbench`` exports these names."""
    import ttsbench

    return {ttsbench._MODULE_OF[name] for name in names if name in ttsbench._MODULE_OF}


def closure(*starts):
    """Every module of the core that these modules import, directly or through others."""
    visited, waiting = set(), list(starts)
    while waiting:
        path = waiting.pop()
        if path not in visited:
            visited.add(path)
            waiting += imports(path)
    return visited


def room(path):
    return path.relative_to(CORE).with_suffix("").parts[0]


TRAIN = CORE / "stages" / "train.py"
STAGES = {TRAIN, *(CORE / "stages" / f"{name}.py" for name in ("trainer", "training_inputs", "training_budget",
                                                               "moving_average"))}  # fmt: skip
ADAPTERS = sorted((REPOSITORY / "baselines").glob("*.py"))
CHANGES_WEIGHTS = {path for path in closure(TRAIN, *ADAPTERS) if CORE in path.parents and room(path) in ROOMS}
CHANGES_WEIGHTS |= STAGES


def covered_by(entry):
    part = CORE / entry
    return set(part.rglob("*.py")) if part.is_dir() else {part}


def test_every_module_that_can_change_weights_is_part_of_the_key():
    missing = CHANGES_WEIGHTS - set().union(*map(covered_by, CODE))
    assert not {str(path.relative_to(CORE)) for path in missing}


@pytest.mark.parametrize("entry", CODE)
def test_every_entry_of_the_list_can_change_weights(entry):
    assert covered_by(entry) & CHANGES_WEIGHTS


def test_imports_are_followed():
    names = {str(path.relative_to(CORE)) for path in CHANGES_WEIGHTS}
    assert {"nn/backbone.py", "nn/blocks.py", "data/batching.py", "models/speech_model.py", "stages/train.py",
            "stages/training_budget.py"} <= names  # fmt: skip
