"""Agreement of metrics with listeners: correlations, intervals, corrections, and the files they are read from."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from ttsbench import ConfigError, TtsbenchError
from ttsbench.cli import main
from ttsbench.evaluation.estimates import BootstrapSettings
from ttsbench.listening.validity import correlation, read_listeners, validity_frame, write_validity
from ttsbench.listening.validity.agreement import oriented
from ttsbench.listening.validity.figure import draw_validity
from ttsbench.reporting.claims import ScoredRun, claims_markdown, signature_notes
from ttsbench.types import Behaviour, MetricInfo

SETTINGS = BootstrapSettings(300, 0.95, 0)
SYSTEMS, UTTERANCES = 8, 20


def ones(count):
    return np.zeros(count, dtype=np.int64)


def test_one_block_is_spearmans_correlation():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(40), rng.integers(0, 5, 40).astype(float)
    found = correlation(x, y, ones(40), np.arange(40), SETTINGS)
    expected = spearmanr(x, y)
    assert found.value == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue, abs=0.05)
    assert found.low < found.value < found.high and found.n == 40


def test_differences_between_blocks_are_no_agreement():
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(30), 4)
    difficulty = 10.0 * block
    x, y = difficulty + rng.standard_normal(120), difficulty + rng.standard_normal(120)
    assert spearmanr(x, y).statistic > 0.99
    found = correlation(x, y, block, block, SETTINGS)
    assert abs(found.value) < 0.2 and found.p > 0.05


def test_independent_scores_are_significant_at_the_level():
    rng = np.random.default_rng(1)
    settings = BootstrapSettings(99, 0.95, 0)
    p = [correlation(*rng.standard_normal((2, 12)), ones(12), np.arange(12), settings).p for _ in range(100)]
    assert np.mean(np.array(p) <= 0.05) <= 0.12


def test_five_systems_try_all_permutations():
    found = correlation(np.arange(5.0), np.arange(5.0), ones(5), np.arange(5), SETTINGS)
    assert found.value == pytest.approx(1) and found.p == pytest.approx(2 / 120)


@pytest.mark.parametrize("x", [[1.0, 1, 1, 1, 1], [1.0, 2, 3]])
def test_constant_or_few_values_have_no_correlation(x):
    found = correlation(np.array(x), np.arange(float(len(x))), ones(len(x)), np.arange(len(x)), SETTINGS)
    assert np.isnan([found.value, found.low, found.high, found.p]).all() and found.n == len(x)


def test_positive_values_are_agreement():
    def info(higher, identity=None):
        return MetricInfo("m", "m", "", higher, ("x",), "s", "p", behaviour=Behaviour(identity=identity))

    assert oriented(3.0, info(True)) == 3 and oriented(3.0, info(False)) == -3
    assert oriented(0.5, info(None, 1.0)) == oriented(1.5, info(None, 1.0)) == -0.5


@pytest.fixture
def run(tmp_path):
    """MCD follows the listeners, WER is noise; a system is as good as its number."""
    rng = np.random.default_rng(0)
    (tmp_path / "scores").mkdir()
    values = {"name": "rated", "metrics": {"mcd": {}, "wer": {}}, "adapters": {}}
    (tmp_path / "experiment.json").write_text(json.dumps(values), encoding="utf-8")
    (tmp_path / "summary.csv").write_text("", encoding="utf-8")
    mcd = ["system,seed,sample,utterance,distortion_db,error,warning"]
    wer = ["system,seed,sample,utterance,errors,words,substitutions,deletions,insertions,error,warning"]
    ratings = ["Utterance,System,MOS"]
    for system in range(SYSTEMS):
        for number in range(UTTERANCES):
            mcd.append(f"s{system},0,0,u{number},{8 - 0.5 * system + number + rng.normal(0, 0.1)},,")
            wer.append(f"s{system},0,0,u{number},{rng.binomial(10, 0.2)},10,0,0,0,,")
            ratings.append(f"u{number},s{system},{1 + 0.5 * system + rng.normal(0, 0.1)}")
    for name, lines in (("scores/mcd.csv", mcd), ("scores/wer.csv", wer), ("listeners.csv", ratings)):
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_a_metric_that_follows_listeners_is_told_from_noise(run):
    frame = validity_frame([ScoredRun(run)], read_listeners([run / "listeners.csv"], [run]), SETTINGS)
    rows = frame.set_index(["metric", "level"])
    assert rows.loc[("mcd", "system"), "value"] == pytest.approx(1) and rows.loc[("mcd", "clip"), "value"] > 0.9
    assert rows.loc[("mcd", "system"), "n"] == SYSTEMS and rows.loc[("mcd", "clip"), "n"] == SYSTEMS * UTTERANCES
    assert abs(rows.loc[("wer", "clip"), "value"]) < 0.3
    assert (rows["p_holm"] >= rows["p"]).all()
    assert rows.loc[("mcd", "clip"), "p_holm"] == pytest.approx(2 * rows.loc[("mcd", "clip"), "p"])


def test_the_command_writes_table_and_figure(run, capsys):
    assert main(["validity", str(run), "--listeners", str(run / "listeners.csv"), "--resamples", "50"]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[2].startswith("| metric | by system |")
    lines = text.splitlines()
    assert next(number for number, line in enumerate(lines) if line.startswith("| MCD | 1.00")) == 4
    assert {path.name for path in (run / "validity").iterdir()} == {
        "validity.md", "validity.csv", "validity.png", "validity.pdf"
    }  # fmt: skip
    figure = draw_validity(pd.read_csv(run / "validity" / "validity.csv"), width=3.3)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["MCD", "WER"]


def test_scores_of_systems_alone_and_imported_tests_are_read(run):
    folder = run / "listening" / "mos" / "results"
    folder.mkdir(parents=True)
    (folder / "ratings.csv").write_text("listener,utterance,system,rating,value\na,u1,s1,2,50\n", encoding="utf-8")
    assert read_listeners([], [run])["score"].tolist() == [50]
    assert read_listeners([folder.parent], [run])["score"].tolist() == [50]
    table = run / "published.csv"
    table.write_text("\n".join(["system,mos", *(f"s{number},{number}" for number in range(5))]), encoding="utf-8")
    frame = validity_frame([ScoredRun(run)], read_listeners([table], [run]), SETTINGS)
    assert set(frame["level"]) == {"system"} and set(frame["n"]) == {5}
    assert write_validity(frame, run / "out").count("\n| ") == 3


def test_runs_are_blocks(run):
    listeners = read_listeners([run / "listeners.csv"], [run])
    frame = validity_frame([ScoredRun(run), ScoredRun(run)], listeners, SETTINGS).set_index(["metric", "level"])
    assert frame.loc[("mcd", "system"), "n"] == 2 * SYSTEMS


def test_different_signatures_are_named(run, tmp_path, capsys):
    """The recognisers of two runs have different vocabularies, which summary.csv says."""
    other = tmp_path / "other"
    other.mkdir()
    for name in ("experiment.json", "scores", "summary.csv"):
        (shutil.copytree if (run / name).is_dir() else shutil.copy)(run / name, other / name)
    for folder, words in ((run, 9), (other, 800)):
        (folder / "summary.csv").write_text(f"system,metric,signature\ns1,wer,wer|words:{words}\n", encoding="utf-8")
    runs = [ScoredRun(folder) for folder in (run, other)]
    (note,) = signature_notes(runs)
    assert note.startswith("wer: values of different runs are not comparable")
    assert "wer|words:9 (rated); wer|words:800 (rated)" in note
    assert not signature_notes(runs[:1] * 2)
    frame = validity_frame(runs, read_listeners([run / "listeners.csv"], [run]), SETTINGS)
    assert set(frame.loc[frame["metric"] == "wer", "signature"]) == {"wer|words:9; wer|words:800"}
    main(["validity", str(run), str(other), "--listeners", str(run / "listeners.csv"), "--resamples", "50"])
    assert "values of different runs are not comparable" in capsys.readouterr().out
    assert "not comparable" in claims_markdown({}, remarks=[note])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("system,opinion\na,1\n", "needs the columns system and one of mos"),
        ("system,mos\na,1\nb,good\n", "line 3 of .* holds 'good'"),
        ("", "is not a CSV file"),
    ],
)
def test_unusable_files_are_refused(run, text, message):
    path = run / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_listeners([path], [run])


def test_runs_without_rated_systems_are_refused(run):
    with pytest.raises(ConfigError, match="holds no imported listening test"):
        read_listeners([], [run])
    other = pd.DataFrame({"run": "", "system": ["x"], "utterance": "", "score": 1.0})
    with pytest.raises(TtsbenchError, match=r"rated no system of the given runs; they rated x\."):
        validity_frame([ScoredRun(run)], other, SETTINGS)
