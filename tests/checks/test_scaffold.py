"""``ttsbench new adapter`` writes a package that passes its checks and tests; ``examples/my_objective`` is one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ttsbench.checks.scaffold import write_adapter_package
from ttsbench.cli import main
from ttsbench.config.loading import load_experiment
from ttsbench.errors import ConfigError

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "examples" / "my_objective"
GENERATED = {"__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", "runs"}
EGG_INFO = "from setuptools import setup; setup()"
CHECK_AND_TEST = """
import sys
import pytest
from ttsbench.cli import main

statuses = [main(["check", name]) for name in ("my_objective", "my_objective_level")]
statuses.append(pytest.main(["-q", "-p", "no:cacheprovider", "-k", "amplitude"]))
sys.exit(max(map(int, statuses)))
"""


def contents(folder):
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    written = [path for path in paths if not any(part in GENERATED or ".egg-info" in part for part in path.parts)]
    return {path.as_posix(): (folder / path).read_text(encoding="utf-8") for path in written}


def test_example_is_what_the_command_writes(tmp_path):
    assert main(["new", "adapter", "my_objective", "--output", str(tmp_path / "new")]) == 0
    assert contents(tmp_path / "new") == contents(EXAMPLE)


def test_installed_example_passes_its_checks_and_tests(tmp_path):
    package = shutil.copytree(EXAMPLE, tmp_path / "my_objective", ignore=shutil.ignore_patterns(*GENERATED))
    search_path = os.pathsep.join([str(package), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    environment = {**os.environ, "PYTHONPATH": search_path, "TTSBENCH_CACHE": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", EGG_INFO, "-q", "egg_info"], cwd=package, check=True)  # metadata, no network
    result = subprocess.run(
        [sys.executable, "-c", CHECK_AND_TEST],
        cwd=package, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert "FAIL" not in result.stdout and "1 passed" in result.stdout


def test_example_uses_no_internal_module():
    text = "".join(text for path, text in contents(EXAMPLE).items() if path.startswith("ttsbench_"))
    imports = {line for line in text.splitlines() if line.startswith("from ttsbench")}
    assert {line.split()[1] for line in imports} == {"ttsbench", "ttsbench.reductions"}


@pytest.mark.parametrize(
    ("name", "message"),
    [("l1", "registered already"), ("My-Objective", "lower-case letters"), ("2fast", "lower-case letters")],
)
def test_unusable_name_is_refused(tmp_path, name, message):
    with pytest.raises(ConfigError, match=message):
        write_adapter_package(name, tmp_path / "new")


def test_existing_folder_is_never_overwritten(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        write_adapter_package("fresh", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_experiment_of_the_example_is_valid():
    text = (EXAMPLE / "experiment.yaml").read_text(encoding="utf-8")
    assert "  my_objective: {}" in text and "  my_objective_level: {}" in text
    overrides = ["adapters.my_objective=null", "metrics.my_objective_level=null"]  # not installed in this process
    assert set(load_experiment(EXAMPLE / "experiment.yaml", overrides).adapters) == {"l2", "diffusion"}
