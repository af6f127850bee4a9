"""A plug-in from outside: one file in its own package, two entry points, nothing imported but ``ttsbench``'s names.

The package is installed as an installer would leave it, module and metadata in a folder of the path, without pip: the
environment of the tests need not have one, nor a network.
"""

import csv
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ttsbench.pipeline.commands import read_experiment

REPOSITORY = Path(__file__).parents[2]
PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "ttsbench-mine"
version = "0.1.0"
dependencies = ["ttsbench"]

[project.entry-points."ttsbench.adapters"]
mine = "ttsbench_mine:Mine"

[project.entry-points."ttsbench.metrics"]
my_metric = "ttsbench_mine:LogEnergyDifference"

[tool.setuptools]
py-modules = ["ttsbench_mine"]
"""
MODULE = '''\
"""L2 regression with learnt constant noise, and the difference of log-energies."""

import numpy as np
import torch
from torch import nn

from ttsbench import AdapterInfo, MeasurementError, MetricInfo, masked_mean


class Gaussian(nn.Module):
    """A mean from the backbone and one standard deviation per channel."""

    def __init__(self, context):
        super().__init__()
        self.mean = context.backbone(0, context.channels)
        self.log_std = nn.Parameter(torch.zeros(context.channels))

    def forward(self, cond):
        return self.mean(None, cond.sequence, cond.mask), self.log_std


class Mine:
    """-log N(y; f(c), sigma^2), sigma the same at every step."""

    info = AdapterInfo(name="mine", title="Gaussian", paper="none, an example", stochastic=True)

    def __init__(self, context):
        self.channels = context.channels
        self.network = Gaussian(context)

    def networks(self):
        return {"generator": self.network}

    def losses(self, batch, step, rng):
        mean, log_std = self.network(batch.cond)
        loss = 0.5 * ((batch.target - mean) * torch.exp(-log_std)) ** 2 + log_std
        return {"generator": masked_mean(loss, batch.mask)}

    def sample(self, cond, nfe, rng, temperature=1.0):
        mean, log_std = self.network(cond)
        return mean + temperature * torch.exp(log_std) * rng.normal(cond.mask, self.channels)


class LogEnergyDifference:
    """|ln energy - ln energy of the reference|, averaged over utterances."""

    info = MetricInfo(
        name="my_metric",
        title="Log-energy difference",
        unit="ln",
        higher_is_better=False,
        columns=("difference",),
        signature="my_metric|mean:utterances|v1",
        paper="none, an example",
    )

    def measure(self, clip, reference):
        a, b = (energy(one) for one in (clip, reference))
        return (abs(float(np.log(a / b))),)

    def reduce(self, rows):
        return float(rows[:, 0].mean())


def energy(clip):
    value = float(np.mean(np.square(clip.samples, dtype=np.float64))) if len(clip.samples) else 0.0
    if not np.isfinite(value) or value < 1e-12:
        raise MeasurementError(f"clip {clip.id!r} has no energy to take a logarithm of; listen to it")
    return value
'''
COMMANDS = """\
import sys
from ttsbench.cli import main
sys.exit(max([main(["check", "mine"]), main(["check", "my_metric"]), main(["list", "adapters"])]))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Install ``ttsbench-mine`` in a new folder; return the environment in which a process finds it."""
    folder = tmp_path_factory.mktemp("third-party")
    install(PYPROJECT, folder / "site")
    path = os.pathsep.join([str(folder / "site"), str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    return {
        **os.environ,
        "PYTHONPATH": path.rstrip(os.pathsep),
        "TTSBENCH_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }


def install(pyproject, site):
    """Write module and metadata as an installer does."""
    tables = tomllib.loads(pyproject)
    project = tables["project"]
    name = project["name"].replace("-", "_")
    metadata = site / f"{name}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    (site / f"{tables['tool']['setuptools']['py-modules'][0]}.py").write_text(MODULE)
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (metadata / "METADATA").write_text(head)
    groups = project["entry-points"].items()
    lines = [f"[{group}]\n" + "\n".join(f"{key} = {value}" for key, value in some.items()) for group, some in groups]
    (metadata / "entry_points.txt").write_text("\n\n".join(lines) + "\n")


def ttsbench(environment, cwd, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "ttsbench.cli", *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_names_of_the_package_are_all_a_plugin_imports():
    lines = [line for line in MODULE.splitlines() if "ttsbench" in line and "import" in line]
    assert lines == ["from ttsbench import AdapterInfo, MeasurementError, MetricInfo, masked_mean"]


@pytest.mark.slow
def test_plugin_of_another_package_is_listed_checked_and_compared(environment, tmp_path):
    checked = subprocess.run(
        [sys.executable, "-c", COMMANDS], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "FAIL" not in checked.stdout and "mine                 Gaussian" in checked.stdout
    assert "[ttsbench-mine]" in checked.stdout

    smoke = REPOSITORY / "experiments" / "smoke.yaml"
    whole = read_experiment(smoke)  # of which little is enough here
    others = [f"adapters.{name}=null" for name in whole.adapters if name != "l1"]
    others += [f"metrics.{name}=null" for name in whole.metrics if name not in ("mcd", "nfe")]
    plugged = ("--set", "adapters.mine={}", "metrics.my_metric={}", *others)
    compared = ttsbench(environment, tmp_path, "compare", str(smoke), *plugged, "--output", "out", "--quiet")
    assert compared.returncode == 0, compared.stdout + compared.stderr
    rows = summary(tmp_path / "out")
    beside = {"ground-truth", "copy-synthesis", "l1+oracle", "l1+l1"}
    assert {system for system, _ in rows} >= {*beside, "mine+oracle", "mine+mine"}
    assert float(rows["mine+oracle", "my_metric"]["value"]) > float(rows["ground-truth", "my_metric"]["value"]) == 0
    assert float(rows["mine+oracle", "nfe"]["value"]) == 1
    assert rows["l1+oracle", "my_metric"]["unit"] == "ln"


def summary(folder):
    (path,) = folder.rglob("summary.csv")
    with path.open(newline="", encoding="utf-8") as file:
        return {(row["system"], row["metric"]): row for row in csv.DictReader(file)}
