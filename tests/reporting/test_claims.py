"""Claims as data: what they say of a run, and when they say nothing."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ttsbench import ConfigError, TtsbenchError
from ttsbench.cli import main
from ttsbench.evaluation.clip_table import clip_frame, read_clip_rows, write_clip_rows
from ttsbench.evaluation.metric_rows import MetricRows, read_rows
from ttsbench.reporting.claims import (
    Claim,
    ScoredRun,
    claims_frame,
    claims_latex,
    claims_markdown,
    judge,
    read_claims,
    write_run_claims,
)

SHIPPED = Path(__file__).resolve().parents[2] / "experiments" / "claims.yaml"
SEEDS, UTTERANCES = 3, 40


@pytest.fixture
def run(tmp_path):
    """A run of five systems whose MCD is 4, 4, 5, 6 and 7 dB but for some noise."""
    levels = {"a+oracle": 4.0, "b+oracle": 4.0, "c+oracle": 5.0, "d+oracle": 6.0, "e+oracle": 7.0}
    (tmp_path / "scores").mkdir()
    shared = {"d": {"adapter": "l2"}, "c": {"adapter": "l2", "nfe": 1, "temperature": 0.5}}  # one training, the first's
    values = {"name": "planted", "metrics": {"mcd": {}}, "statistics": {"resamples": 200}, "adapters": shared}
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
    return Claim(statement="so", paper="somebody", parts=({"metric": "mcd", **part},))


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
        ({"less": "a+oracle", "than": ["z+oracle"]}, "not evaluated"),
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
    both = Claim(statement="so", paper="somebody", parts=(
        {"metric": "mcd", "less": "a+oracle", "than": ["c+oracle"]},
        {"metric": "wer", "less": "a+oracle", "than": ["c+oracle"]},
    ))  # fmt: skip
    judgement = judge(both, run)
    assert judgement.verdict == "supported" and judgement.missing == ["wer: the run has no wer"]
    text = claims_markdown({"C1": [judgement]})
    assert "| C1 | so | espeak: **supported** |" in text
    assert "- Not evaluated: wer: the run has no wer." in text


def test_runs_on_one_corpus_are_told_apart(run):
    first = judge(claim(less="a+oracle", than=["c+oracle"]), run)
    second = replace(first, run="longer")
    elsewhere = replace(first, corpus="librispeech", run="readers")
    judged = {"C1": [first, second, elsewhere]}
    said = f"espeak ({first.run}): **supported**; espeak (longer): **supported**; librispeech: **supported** |"
    assert said in claims_markdown(judged)
    latex = claims_latex(judged)
    assert r"espeak (longer): \textbf{supported}; librispeech: " in latex and "espeak (longer), $n=" in latex


@pytest.mark.parametrize(("end", "verdict"), [(1.04, "refuted"), (1.2, "inconclusive"), (0.7, "inconclusive")])
def test_models_that_had_not_converged_refute_nothing(run, tmp_path, end, verdict):
    folder = tmp_path / "train" / "d-acoustic-seed0"
    folder.mkdir(parents=True)
    curve = f"step,loss_generator,valid_generator\n25,1,2\n50,1,3\n75,1,1\n100,1,{end}\n"  # which first rises
    (folder / "curve.csv").write_text(curve, encoding="utf-8")
    made = {"adapter": "d", "role": "acoustic", "seed": 0}
    (folder / "model.json").write_text(json.dumps(made), encoding="utf-8")
    cost = {"seconds": 9.0, "steps": 100, "saved_step": 100, "parameters": 10}
    (folder / "cost.json").write_text(json.dumps(cost), encoding="utf-8")
    judgement = judge(claim(less="d+oracle", than=["c+oracle"]), run)
    assert judgement.verdict == verdict
    assert judge(claim(less="c+oracle", than=["a+oracle"]), run).verdict == verdict  # by the training of d
    assert judge(claim(less="e+oracle", than=["a+oracle"]), run).verdict == "refuted"  # neither was trained
    assert judge(claim(more="d+oracle", than=["c+oracle"]), run).verdict == "supported"
    text = claims_markdown({"C1": [judgement]})
    change = (end - 1) / (3 - min(end, 1))  # over the whole fall, from 3 to the least
    assert f"relative to its fall: d (acoustic) {change:+.1%}." in text
    assert ("The verdict is not 'refuted'" in text) == (verdict == "inconclusive")


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
    path.write_text(json.dumps({"C": {"statement": "s", "paper": "p", "parts": [{"metric": "mcd", **part}]}}), "utf-8")
    with pytest.raises(ConfigError, match=message):
        read_claims(path)


TESTED = Claim(statement="s", paper="p", tested_by=("tests/test_x.py::test_y",))
UNRUN = Claim(statement="s", paper="p", not_evaluated="it costs too much")


def test_a_claim_that_no_run_judges_says_why(run):
    judged = {"C1": [judge(TESTED, run)], "C2": [judge(UNRUN, run)]}
    assert [one.verdict for (one,) in judged.values()] == ["not evaluated", "not evaluated"]
    text = claims_markdown(judged)
    assert "| C1 | s | unit tested: tests/test_x.py::test_y |" in text
    assert "| C2 | s | not evaluated: it costs too much |" in text
    frame = claims_frame(judged).set_index("claim")
    assert frame.loc["C1", ["verdict", "sentence"]].tolist() == ["unit tested", "tests/test_x.py::test_y"]
    assert frame.loc["C2", ["verdict", "sentence"]].tolist() == ["not evaluated", "it costs too much"]
    assert frame[["value", "n", "part_verdict"]].isna().all(axis=None)


@pytest.mark.parametrize("more", [{}, {"tested_by": ["a"], "not_evaluated": "b"}, {"parts": [], "not_evaluated": ""}])
def test_a_claim_is_judged_in_exactly_one_way(more):
    with pytest.raises(ValueError, match="a claim takes exactly one"):
        Claim.model_validate({"statement": "s", "paper": "p", **more})


def test_the_table_of_verdicts_has_a_row_for_each_comparison(run):
    claims = {"C1": claim(less="a+oracle", than=["c+oracle", "b+oracle"]), "C2": claim(less="z", than=["a+oracle"])}
    frame = claims_frame({name: [judge(one, run)] for name, one in claims.items()})
    assert ",".join(frame.columns) == (
        "claim,statement,paper,corpus,run,verdict,sentence,value,low,high,p,effect_size,mde,n,seeds,part_verdict"
    )
    assert frame["claim"].tolist() == ["C1", "C1", "C2"]
    assert frame["verdict"].tolist() == ["inconclusive", "inconclusive", "not evaluated"]
    assert frame["part_verdict"].tolist()[:2] == ["supported", "inconclusive"]
    assert frame["value"][0] == pytest.approx(1, abs=0.1)
    assert (frame["n"][0], frame["seeds"][0]) == (UTTERANCES, SEEDS)
    assert frame.to_csv(index=False).splitlines()[3] == "C2,so,somebody,,,not evaluated,,,,,,,,,,"


def test_a_run_is_told_of_the_claims_it_answers(run, tmp_path):
    values = {
        "yes": {"statement": "s", "paper": "p", "parts": [{"metric": "mcd", "less": "a+oracle", "than": ["c+oracle"]}]},
        "no": {"statement": "s", "paper": "p", "parts": [{"metric": "wer", "less": "a+oracle", "than": ["c+oracle"]}]},
        "never": {"statement": "s", "paper": "p", "not_evaluated": "why"},
    }
    (tmp_path / "mine.yaml").write_text(json.dumps(values), encoding="utf-8")
    write_run_claims(tmp_path / "mine.yaml", run, tmp_path / "out" / "claims")
    text = (tmp_path / "out" / "claims.md").read_text(encoding="utf-8")
    assert "| yes | s | espeak: **supported** |" in text and "## no" not in text
    assert "The systems and metrics of this run do not address no, never." in text
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"claims.md", "claims.tex", "claims.csv"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [", "is not a claims file"),
        ("{}", "names no claims file"),
        ("C: {statement: s, paper: p, not_evaluated: w}", "no claim is about"),
    ],
)
def test_claims_that_cannot_be_judged_cost_a_run_nothing(run, tmp_path, content, words):
    """And leave nothing of an earlier report behind."""
    (tmp_path / "mine.yaml").write_text(content, encoding="utf-8")
    (tmp_path / "claims.csv").write_text("old", encoding="utf-8")
    write_run_claims(tmp_path / "mine.yaml", run, tmp_path / "claims")
    assert words in (tmp_path / "claims.md").read_text(encoding="utf-8")
    assert not (tmp_path / "claims.csv").exists() and not (tmp_path / "claims.tex").exists()
    write_run_claims(None, run, tmp_path / "claims")
    assert "names no claims file" in (tmp_path / "claims.md").read_text(encoding="utf-8")


def test_metrics_that_were_read_are_not_read_again(run, tmp_path):
    (tmp_path / "scores" / "mcd.csv").unlink()
    again = ScoredRun(tmp_path, run.metrics)
    assert judge(claim(less="a+oracle", than=["c+oracle"]), again).verdict == "supported"


def test_a_run_of_which_only_the_results_are_kept_says_the_same(run, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    write_clip_rows(clip_frame(list(run.metrics.values()), {}), kept / "rows.parquet")
    change = {"model": "a", "adapter": "a", "role": "acoustic", "valid_change": -0.2}
    pd.DataFrame([change]).to_csv(kept / "training.csv", index=False)
    for name in ("experiment.json", "summary.csv"):
        shutil.copy(tmp_path / name, kept)
    part = claim(less="d+oracle", than=["c+oracle", "a+oracle"])
    said, again = judge(part, run), judge(part, ScoredRun(kept))
    assert [finding.comparison for finding in again.findings] == [finding.comparison for finding in said.findings]
    assert (said.verdict, again.verdict) == ("refuted", "inconclusive"), "training.csv says what did not converge"
    assert again.converged == {"a (acoustic)": -0.2}


def test_failed_rows_and_metrics_without_rows_are_read_again(run, tmp_path):
    found = pd.read_csv(tmp_path / "scores" / "mcd.csv", keep_default_na=False).astype({"distortion_db": object})
    found.loc[0, ["distortion_db", "error"]] = ["", "the clip is silent"]
    found.to_csv(tmp_path / "mcd.csv", index=False)
    metric = run.metrics["mcd"].metric
    for rows in (read_rows(tmp_path / "mcd.csv", metric, "mcd"), MetricRows(metric, found[:0], "mcd")):
        rows.signature = metric.info.signature
        write_clip_rows(clip_frame([rows], {}), tmp_path / "rows.parquet")
        again = read_clip_rows(tmp_path / "rows.parquet", metric)
        pd.testing.assert_frame_equal(again.clips(), rows.clips(), check_dtype=False)
        assert list(again.failures["error"]) == list(rows.failures["error"])


def test_rows_of_another_definition_or_none_are_refused(run, tmp_path):
    shutil.rmtree(tmp_path / "scores")
    with pytest.raises(TtsbenchError, match="has no rows of mcd"):
        ScoredRun(tmp_path)
    rows = run.metrics["mcd"]
    rows.signature = "mcd|of old"
    write_clip_rows(clip_frame([rows], {}), tmp_path / "rows.parquet")
    with pytest.raises(TtsbenchError, match=r"signature mcd\|of old, but the current one is mcd\|world"):
        ScoredRun(tmp_path)


def test_all_claims_of_the_papers_are_shipped_and_the_tests_they_name_exist():
    claims = read_claims(SHIPPED)
    assert list(claims) == [f"C{number}" for number in range(1, 21)]
    named = [name for one in claims.values() for name in one.tested_by]
    assert named
    for name in named:
        path, _, test = name.partition("::")
        assert f"\ndef {test}(" in (SHIPPED.parent.parent / path).read_text(encoding="utf-8"), name


def test_claims_are_listed(capsys):
    assert main(["list", "claims", "--claims", str(SHIPPED)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20 and lines[4].startswith("C5 ") and lines[4].endswith("[by mcd]")
    assert "[unit tested: tests/baselines/test_score_ebm.py::" in lines[11]


def test_what_is_no_file_of_claims_or_no_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="There is no claims file at"):
        read_claims(tmp_path / "none.yaml")
    with pytest.raises(TtsbenchError, match="holds no finished run"):
        ScoredRun(tmp_path)


def test_the_shipped_claims_can_be_read_and_printed(run, tmp_path, capsys):
    assert {"C1", "C2", "C3", "C4"} <= set(read_claims(SHIPPED))
    folder = next(iter(tmp_path.glob("experiment.json"))).parent
    assert main(["claims", str(folder), "--claims", str(SHIPPED), "--output", str(tmp_path / "claims.md")]) == 0
    out = capsys.readouterr().out
    assert "| C1 | L2 prosody over-smooths | not evaluated |" in out
    assert (tmp_path / "claims.md").read_text(encoding="utf-8") in out
    assert (tmp_path / "claims.csv").read_text(encoding="utf-8").startswith("claim,statement,")
    assert r"\begin{table*}" in (tmp_path / "claims.tex").read_text(encoding="utf-8")
