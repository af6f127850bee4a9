"""The examples in docstrings run and give the output that they show.

Only modules with an example are imported, so that optional packages stay unimported.
"""

import doctest
import importlib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("ttsbench", "metrics", "baselines")
REQUIRED = ("ttsbench", "ttsbench.audio", "ttsbench.evaluation.stats", "metrics")  # each documents itself by example


def modules_with_examples():
    files = [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]
    return [module_name(path) for path in files if ">>> " in path.read_text(encoding="utf-8")]


def module_name(path):
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_give_the_output_that_they_show(name):
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert results.attempted and not results.failed


@pytest.mark.parametrize("package", REQUIRED)
def test_package_has_an_example(package):
    assert any(name == package or name.rpartition(".")[0] == package for name in modules_with_examples())
