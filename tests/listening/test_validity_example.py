"""The worked example of ``ttsbench validity``: degradations whose order is known, from wavs to the table."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest
from speechlike import speechlike

from ttsbench.types import Clip

EXAMPLE = Path(__file__).parents[2] / "examples" / "metric_validity.py"


@pytest.fixture
def example(monkeypatch):
    spec = importlib.util.spec_from_file_location("metric_validity", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    clips = [Clip(f"u{number}", speechlike(1.1, 110.0 + 40 * number, 16_000), 16_000) for number in range(2)]
    monkeypatch.setattr(module, "espeak_recordings", lambda: clips)
    return module


@pytest.mark.slow
def test_the_example_ranks_metrics_by_agreement_with_known_grades(example, tmp_path, capsys):
    options = ("--jobs", "1", "--set", "statistics.resamples=100")
    assert example.run(tmp_path, "mcd,f0_correlation", *options) == 0
    assert "# Agreement of metrics with listeners" in capsys.readouterr().out
    listeners = pd.read_csv(tmp_path / "listeners.csv")
    assert listeners.groupby("system")["mos"].first().value_counts().to_dict() == {4: 4, 3: 4, 2: 4}
    found = pd.read_csv(tmp_path / "run" / "validity" / "validity.csv").set_index(["metric", "level"])
    assert found.loc[("mcd", "system"), "n"] == 12
    assert found.loc[("mcd", "clip"), "value"] > 0.3, "MCD notices three of the four kinds of damage"
    assert found.loc[("mcd", "clip"), "value"] > found.loc[("f0_correlation", "clip"), "value"]
