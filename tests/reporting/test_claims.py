"""Claims as data: what they say of a run, and when they say nothing."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted_claims import UTTERANCES, claim, planted_run

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
LEVELS = {"a+oracle": 4.0, "b+oracle": 4.0, "c+oracle": 5.0, "d+oracle": 6.0, "e+oracle": 7.0}


@pytest.fixture
def run(tmp_path):
    """A run of five systems whose MCD is 4, 4, 5, 6 and 7 dB but for some noise."""
    return planted_run(
        tmp_path, LEVELS, between=0.03, adapters={"d": {"adapter": "l2"}, "c": {"adapter": "l2", "nfe": 1}}
    )


def test_runs_on_one_corpus_are_told_apart(run):
    first = judge(claim(less="a+oracle", than=["c+oracle"]), run)
    second = replace(first, run="longer")
    elsewhere = replace(first, corpus="librispeech", run="readers")
    judged = {"C1": [first, second, elsewhere]}
    said = f"espeak ({first.run}): **supported**; espeak (longer): **supported**; librispeech: **supported** |"
    assert said in claims_markdown(judged)
    latex = claims_latex(judged)
    assert r"espeak (longer): \textbf{supported}; librispeech: " in latex and "espeak (longer), $n=" in latex


def test_labels_that_share_a_training_share_its_convergence(run, tmp_path):
    folder = tmp_path / "train" / "d-acoustic-seed0"
    folder.mkdir(parents=True)
    (folder / "curve.csv").write_text("step,loss_generator,valid_generator\n50,1,3\n75,1,2\n100,1,1\n", "utf-8")
    (folder / "model.json").write_text(json.dumps({"adapter": "d", "role": "acoustic", "seed": 0}), encoding="utf-8")
    cost = {"seconds": 9.0, "steps": 100, "saved_step": 100, "parameters": 10, "keep": "best"}
    (folder / "cost.json").write_text(json.dumps(cost), encoding="utf-8")
    assert run.unconverged({"d+oracle"}) == ["d (acoustic)"]
    assert run.unconverged({"c+oracle"}) == ["d (acoustic)"], "c is d with another number of evaluations"
    assert run.unconverged({"e+oracle"}) == []
    judgement = judge(claim(less="c+oracle", than=["d+oracle"]), run)
    assert "had not converged: d (acoustic)." in claims_markdown({"C1": [judgement]})


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"less": "a+b"}, "'than' belongs to less"),
        ({"less": "a+b", "more": "c+d", "than": ["e+f"]}, "one of less, more"),
        ({"nearer": "a+b", "than": ["c+d"]}, "nearer needs 'to'"),
        ({"lowest": {"a": 0, "b": 1, "c": 2}}, "lowest needs 'within'"),
        ({"rising": {"a": 0, "b": 1}}, "at least three systems"),
        ({"less": "a+b", "than": ["c+d"], "margin": 0}, "greater than 0"),
    ],
)
def test_a_part_that_makes_no_sense_is_refused(tmp_path, part, message):
    path = tmp_path / "claims.yaml"
    path.write_text(
        json.dumps({"C": {"statement": "s", "paper": "p", "endpoint": {"metric": "mcd", "margin": 1, **part}}}), "utf-8"
    )
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


@pytest.mark.parametrize(
    "more", [{}, {"tested_by": ["a"], "not_evaluated": "b"}, {"endpoint": None, "not_evaluated": ""}]
)
def test_a_claim_is_judged_in_exactly_one_way(more):
    with pytest.raises(ValueError, match="a claim takes exactly one"):
        Claim.model_validate({"statement": "s", "paper": "p", **more})


def test_the_table_of_verdicts_has_a_row_for_each_comparison(run):
    claims = {"C1": claim(less="a+oracle", than=["c+oracle", "b+oracle"]), "C2": claim(less="z", than=["a+oracle"])}
    frame = claims_frame({name: [judge(one, run)] for name, one in claims.items()})
    assert ",".join(frame.columns) == (
        "claim,statement,paper,corpus,run,verdict,sentence,value,low,high,p,effect_size,mde,n,seeds,part_verdict,role,"
        "margin,p_claim,reason"
    )
    assert frame["claim"].tolist() == ["C1", "C1", "C2"]
    assert frame["verdict"].tolist() == ["equivalent", "equivalent", "not evaluated"]
    assert frame["part_verdict"].tolist()[:2] == ["supported", "equivalent"]
    assert frame["role"].tolist()[:2] == ["endpoint", "endpoint"]
    assert frame["value"][0] == pytest.approx(1, abs=0.1)
    assert (frame["n"][0], frame["seeds"][0], frame["margin"][0]) == (UTTERANCES, 5, 0.2)
    assert frame.to_csv(index=False).splitlines()[3] == "C2,so,somebody,,,not evaluated,,,,,,,,,,,,,,"


def test_a_run_is_told_of_the_claims_it_answers(run, tmp_path):
    def part(metric):
        return {"metric": metric, "less": "a+oracle", "than": ["c+oracle"], "margin": 0.2}

    values = {
        "yes": {"statement": "s", "paper": "p", "endpoint": part("mcd")},
        "no": {"statement": "s", "paper": "p", "endpoint": part("wer")},
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
    trained = {"model": "a", "adapter": "a", "role": "acoustic", "steps": 100, "valid_change": -0.2}
    pd.DataFrame([trained]).to_csv(kept / "training.csv", index=False)
    for name in ("experiment.json", "summary.csv"):
        shutil.copy(tmp_path / name, kept)
    part = claim(less="d+oracle", than=["c+oracle", "a+oracle"])
    said, again = judge(part, run), judge(part, ScoredRun(kept))
    for ours, theirs in zip(again.findings, said.findings, strict=True):
        np.testing.assert_allclose(ours.per_seed, theirs.per_seed, rtol=1e-5)
    assert (said.verdict, again.verdict) == ("refuted", "not converged"), "training.csv says what did not converge"
    assert list(again.unconverged) == ["a (acoustic)"]


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
