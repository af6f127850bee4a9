"""Claims as data: what they say of a run, and when they say nothing."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from ttsbench import ConfigError, TtsbenchError
from ttsbench.claims import Claim, ScoredRun, claims_markdown, judge, read_claims
from ttsbench.cli import main

SHIPPED = Path(__file__).resolve().parent.parent / "experiments" / "claims.yaml"
SEEDS, UTTERANCES = 3, 40


@pytest.fixture
def run(tmp_path):
    """A run of five systems whose MCD is 4, 4, 5, 6 and 7 dB but for some noise."""
    levels = {"a+oracle": 4.0, "b+oracle": 4.0, "c+oracle": 5.0, "d+oracle": 6.0, "e+oracle": 7.0}
    (tmp_path / "scores").mkdir()
    values = {"name": "planted", "metrics": {"mcd": {}}, "statistics": {"resamples": 200}}
    (tmp_path / "experiment.json").write_text(json.dumps(values), encoding="utf-8")
    (tmp_path / "summary.csv").write_text("", encoding="utf-8")
    rng = np.random.default_rng(0)
    with (tmp_path / "scores" / "mcd.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["system", "seed", "sample", "utterance", "distortion_db", "error", "warning"])
        for system, level in levels.items():
            for seed in range(SEEDS):
                for utterance in range(UTTERANCES):
                    writer.writerow([system, seed, 0, f"u{utterance}", level + 0.2 * rng.standard_normal(), "", ""])
    return ScoredRun(tmp_path)


def claim(**part):
    return Claim(says="so", paper="somebody", parts=({"metric": "mcd", **part},))


@pytest.mark.parametrize(
    ("part", "verdict"),
    [
        ({"less": "a+oracle", "than": ["c+oracle", "d+oracle"]}, "supported"),
        ({"less": "d+oracle", "than": ["c+oracle"]}, "refuted"),
        ({"less": "c+oracle", "than": ["d+oracle", "a+oracle"]}, "refuted"),
        ({"less": "a+oracle", "than": ["b+oracle"]}, "inconclusive"),
        ({"less": "a+oracle", "than": ["b+oracle", "d+oracle"]}, "inconclusive"),
        ({"less": "a+oracle", "than": ["c+oracle"], "margin": 2.0}, "refuted"),
        ({"more": "e+oracle", "than": ["d+oracle"]}, "supported"),
        ({"nearer": "c+oracle", "to": 5.2, "than": ["a+oracle", "e+oracle"]}, "supported"),
        ({"nearer": "a+oracle", "to": 5.2, "than": ["c+oracle"]}, "refuted"),
        ({"rising": ["a+oracle", "c+oracle", "d+oracle", "e+oracle"]}, "supported"),
        ({"rising": ["a+oracle", "b+oracle", "d+oracle"]}, "inconclusive"),
        ({"rising": ["a+oracle", "e+oracle", "d+oracle"]}, "refuted"),
        ({"lowest": ["a+oracle", "c+oracle", "d+oracle"], "within": ["a+oracle"]}, "supported"),
        ({"lowest": ["a+oracle", "c+oracle", "d+oracle"], "within": ["c+oracle", "d+oracle"]}, "refuted"),
        ({"lowest": ["a+oracle", "b+oracle", "d+oracle"], "within": ["a+oracle"]}, "inconclusive"),
        ({"contrast": {"e+oracle": 1, "c+oracle": -1, "d+oracle": -1, "a+oracle": 1}}, "inconclusive"),
        ({"contrast": {"e+oracle": 1, "c+oracle": -1, "d+oracle": 1, "a+oracle": -1}}, "supported"),
        ({"contrast": {"c+oracle": 1, "e+oracle": -0.9}}, "refuted"),
        ({"less": "a+oracle", "than": ["z+oracle"]}, "not run"),
    ],
)
def test_verdicts_on_planted_differences(run, part, verdict):
    judgement = judge(claim(**part), run)
    assert judgement.verdict == verdict
    for finding in judgement.findings:
        one = finding.comparison
        assert one.low <= one.value <= one.high and one.n == UTTERANCES and one.seeds == SEEDS


def test_the_difference_speaks_for_the_claim_where_it_is_positive(run):
    (finding,) = judge(claim(less="a+oracle", than=["d+oracle"]), run).findings
    assert finding.comparison.value == pytest.approx(2.0, abs=0.1)
    assert finding.sentence == "mcd: a+oracle below d+oracle"
    (finding,) = judge(claim(nearer="c+oracle", to=5.0, than=["e+oracle"]), run).findings
    assert finding.comparison.value == pytest.approx(2.0, abs=0.1)
    assert finding.sentence == "mcd: c+oracle nearer to 5 than e+oracle"
    (finding,) = judge(claim(contrast={"c+oracle": 1, "d+oracle": -0.5}), run).findings
    assert finding.comparison.value == pytest.approx(2.0, abs=0.1)
    assert finding.sentence == "mcd: +1 c+oracle -0.5 d+oracle above 0"


def test_a_part_without_its_systems_is_named_and_the_rest_judged(run):
    both = Claim(says="so", paper="somebody", parts=(
        {"metric": "mcd", "less": "a+oracle", "than": ["c+oracle"]},
        {"metric": "wer", "less": "a+oracle", "than": ["c+oracle"]},
    ))  # fmt: skip
    judgement = judge(both, run)
    assert judgement.verdict == "supported" and judgement.missing == ["wer: the run has no wer"]
    text = claims_markdown({"C1": [judgement]})
    assert "| C1 | so | espeak: **supported** |" in text
    assert "- Not judged: wer: the run has no wer." in text


@pytest.mark.parametrize(("end", "verdict"), [(1.04, "refuted"), (1.2, "inconclusive"), (0.7, "inconclusive")])
def test_models_that_had_not_converged_refute_nothing(run, tmp_path, end, verdict):
    folder = tmp_path / "train" / "d-acoustic-seed0"
    folder.mkdir(parents=True)
    curve = f"step,loss_generator,valid_generator\n50,1,3\n75,1,1\n100,1,{end}\n"
    (folder / "curve.csv").write_text(curve, encoding="utf-8")
    made = {"adapter": "d", "role": "acoustic", "seed": 0}
    (folder / "model.json").write_text(json.dumps(made), encoding="utf-8")
    (folder / "cost.json").write_text(json.dumps({"seconds": 9.0, "steps": 100, "parameters": 10}), encoding="utf-8")
    judgement = judge(claim(less="d+oracle", than=["c+oracle"]), run)
    assert judgement.verdict == verdict
    assert judge(claim(more="d+oracle", than=["c+oracle"]), run).verdict == "supported"
    text = claims_markdown({"C1": [judgement]})
    change = (end - 1) / (3 - min(end, 1))  # over the whole fall, from 3 to the least
    assert (
        f"- Validation loss over the last quarter of training, of its whole fall: d (acoustic) {change:+.1%}." in text
    )
    assert ("No refutation" in text) == (verdict == "inconclusive")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"less": "a+b"}, "'than' belongs to less"),
        ({"less": "a+b", "more": "c+d", "than": ["e+f"]}, "one of less, more"),
        ({"nearer": "a+b", "than": ["c+d"]}, "nearer needs 'to'"),
        ({"lowest": ["a+b"], "within": ["c+d"]}, "names systems that 'lowest' does not"),
    ],
)
def test_a_part_that_makes_no_sense_is_refused(tmp_path, part, message):
    path = tmp_path / "claims.yaml"
    path.write_text(json.dumps({"C": {"says": "s", "paper": "p", "parts": [{"metric": "mcd", **part}]}}), "utf-8")
    with pytest.raises(ConfigError, match=message):
        read_claims(path)


def test_what_is_no_file_of_claims_or_no_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="No claims at"):
        read_claims(tmp_path / "none.yaml")
    with pytest.raises(TtsbenchError, match="holds no finished run"):
        ScoredRun(tmp_path)


def test_the_shipped_claims_can_be_read_and_printed(run, tmp_path, capsys):
    assert {"C1", "C2", "C3", "C4"} <= set(read_claims(SHIPPED))
    folder = next(iter(tmp_path.glob("experiment.json"))).parent
    assert main(["claims", str(folder), "--claims", str(SHIPPED), "--output", str(tmp_path / "claims.md")]) == 0
    out = capsys.readouterr().out
    assert "| C1 | L2 prosody over-smooths | not run |" in out
    assert (tmp_path / "claims.md").read_text(encoding="utf-8") in out
