"""Plug-ins whose package is optional are refused before any work, with the command that installs it."""

import re
import tomllib
from pathlib import Path

import pytest

from ttsbench import ConfigError, registry
from ttsbench.backends import packages
from ttsbench.backends.hub import missing
from ttsbench.backends.packages import EXTRAS, require_package
from ttsbench.config.schema import MelConfig

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def without_extras(monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda name: None)


@pytest.mark.parametrize("package", EXTRAS)
def test_missing_package_is_reported_with_its_extra(without_extras, package):
    with pytest.raises(
        ConfigError, match=re.escape(f"The package {package} is not installed; run 'pip install ttsbench[")
    ):
        require_package(package, "mcd")


@pytest.mark.parametrize("name", ["mcd_pymcd_plain", "mcd_espnet", "mcd_versa_dtw", "speaker_similarity_ecapa"])
def test_metric_needs_its_package(without_extras, name):
    assert "is not installed" in missing(registry.load("metrics", name)())


def test_vocoder_needs_speechbrain(without_extras):
    assert "speechbrain is not installed" in missing(registry.load("vocoders", "hifigan")(MelConfig()))


def test_extras_are_those_of_the_project_and_all_of_them_are_locked():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {
        re.split(r"[<>=~]", requirement)[0].replace("-", "_"): extra
        for extra, requirements in project["optional-dependencies"].items()
        if extra != "dev"
        for requirement in requirements
    }
    assert extras == EXTRAS
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    locked = {line.split("==")[0].replace("-", "_") for line in lock.splitlines()}
    assert locked >= EXTRAS.keys()
