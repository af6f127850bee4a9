"""LaTeX output compiles for any text and keeps all of it."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scored_archive import made_up_rows

from ttsbench.config.loading import load_experiment
from ttsbench.config.systems import REFERENCES, systems
from ttsbench.evaluation.estimates import BootstrapSettings
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.evaluation.summary import compare, summary
from ttsbench.reporting import latex as tex
from ttsbench.reporting.claims import Claim, claims_latex
from ttsbench.reporting.claims.effect import Effect
from ttsbench.reporting.claims.judgement import Judgement
from ttsbench.reporting.tables import Table, compare_with_best, latex
from ttsbench.stages.report import for_paper
from ttsbench.types import MetricInfo

NASTY = r"50 % & more_$\input{x}^~#|<b>“é ł ñ ő ı ß” –— a--b 日本 Ω ± 3 → † \ ''"
REPOSITORY = Path(__file__).parents[2]
FOUR = ("energy_score", "mcd", "wer", "js_mel")
SAMPLING = BootstrapSettings(100, 0.95, 0)
DOCUMENT = r"""
\documentclass[10pt,twocolumn]{article}
\usepackage[margin=0.75in]{geometry}
\usepackage{booktabs}\usepackage{array}
\begin{document}
Text before the tables.
\input{tested}
\end{document}
"""


class Mean:
    def __init__(self, name, title, unit="dB", higher=False):
        self.info = MetricInfo(name, title, unit, higher, ("value",), f"{name}|a_b|50%|>3", "none")

    def reduce(self, rows):
        return float(rows[:, 0].mean())


def rows_of(metric, systems, failed=()):
    rng = np.random.default_rng(0)
    lines = [
        (system, "0", "0", f"u{number}", level + 0.1 * rng.standard_normal(), "", "")
        for system, level in systems.items()
        for number in range(12)
    ]
    columns = ["system", "seed", "sample", "utterance", "value", "error", "warning"]
    frame = pd.DataFrame(lines, columns=columns)
    broken = frame["system"].isin(failed) & (frame["utterance"] == "u3")
    frame.loc[broken, ["value", "error"]] = [np.nan, NASTY]
    return MetricRows(metric, frame, metric.info.signature)


def table_of(metrics, systems, titles=None):
    models = [name for name in systems if name != "ground-truth"]
    cells = {(cell.system, cell.metric): cell for cell in summary(metrics, list(systems), SAMPLING)}
    return Table(NASTY, list(systems), ["ground-truth"], metrics, cells, [NASTY], compare(metrics, models, SAMPLING),
                 compare_with_best(metrics, models, SAMPLING), NASTY, titles or {}, "tab:a_b-1.5")  # fmt: skip


SYSTEMS = {"ground-truth": 0.0, "a_1+oracle": 4.0, "b": 4.01, "c%": -6.0, "d": -5.0}


def nasty_table(count=9):
    metrics = [rows_of(Mean(f"m{number}", f"{NASTY[:20]} {number}"), SYSTEMS, ["b"]) for number in range(count)]
    return table_of(metrics, SYSTEMS, {"b": NASTY, "m1": NASTY})


def judgement(statement=NASTY):
    part = {"metric": "mcd", "less": "a", "than": ["b"], "margin": 0.5}
    claim = Claim(statement=statement, paper=NASTY, endpoint=part)
    several = Effect(NASTY, "mcd", np.array([0.9, 1.0, 1.1]), 0.5, 30)
    single = Effect("js_mel: a below b", "js_mel", np.array([0.1]), 0.5, 30)
    return Judgement(claim, "run_1", "my_corpus", "not testable", [several, single], [single], [NASTY], [NASTY], p=0.01)


def compiled(text, folder):
    """Pages and log of a document with this text in it."""
    if shutil.which("pdflatex") is None:
        pytest.skip("needs a TeX engine: Debian's texlive-latex-base and texlive-latex-recommended")
    (folder / "tested.tex").write_text(text, encoding="utf-8")
    (folder / "document.tex").write_text(DOCUMENT, encoding="utf-8")
    for _ in range(2):  # the second time references are known
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"],
            cwd=folder, capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


@pytest.mark.parametrize("table", [nasty_table(), nasty_table(1)], ids=["nine metrics", "one metric"])
def test_tables_compile_and_fit(table, tmp_path):
    log = compiled(latex(table), tmp_path)
    assert "Overfull" not in log
    assert "undefined" not in re.sub(r"Font shape.*undefined", "", log)


@pytest.mark.parametrize("change", [{}, {"layout": "side_by_side", "metrics": FOUR}],
                         ids=["default", "side by side"])  # fmt: skip
def test_the_table_of_the_default_comparison_fits_a_page(tmp_path, change):
    """The paper table of experiments/objectives.yaml, with the titles, intervals and signatures of a real run."""
    experiment = load_experiment(REPOSITORY / "experiments" / "objectives.yaml")
    experiment = experiment.model_copy(update={"table": experiment.table.model_copy(update=change)})
    rows = list(experiment.table.systems)
    assert set(rows) <= {system.name for system in systems(experiment)}
    metrics = [made_up_rows(name, rows, 60) for name in experiment.table.metrics]
    references = [name for name in rows if name in REFERENCES]
    models = [name for name in rows if name not in REFERENCES]
    cells = {(cell.system, cell.metric): cell for cell in summary(metrics, rows, SAMPLING)}
    table = Table(experiment.title, rows, references, metrics, cells, [], compare(metrics, models, SAMPLING),
                  compare_with_best(metrics, models, SAMPLING), "Corpus espeak, 60 test utterances.",
                  experiment.table.titles, "tab:objectives")  # fmt: skip
    text = latex(for_paper(table, experiment))
    assert text.count(r"\begin{table") == 1
    log = compiled(text, tmp_path)
    assert "Overfull" not in log and "Float too large" not in log
    assert "(2 pages" in log


def test_claims_compile_and_fit(tmp_path):
    told = Judgement(Claim(statement="x", paper="y", tested_by=("tests/a_b.py::c",)), "r", "c")
    judged = {f"C_{number}": [judgement(), judgement()] for number in range(20)} | {"C99": [told]}
    text = claims_latex(judged)
    log = compiled(text, tmp_path)
    assert "Overfull" not in log
    assert text.count(r"\begin{table*}") > 3, "evidence is cut into pages"
    assert "unit tested: tests/a\\_b.py::c" in text


def test_no_verdicts_give_no_table(tmp_path):
    assert r"\begin" not in claims_latex({})


def test_escaping_keeps_all_text_as_ascii():
    assert tex.escape("a_b & 50 %") == r"a\_b \& 50 \%"
    assert tex.escape("é ç ő ï ł") == "\\'{e} \\c{c} \\H{o} \\\"{\\i} \\l{}"
    assert tex.escape("日 → Ω") == r"U+65E5 \ensuremath{\rightarrow} \ensuremath{\Omega}"
    assert tex.escape("a--b—c\nd\x07") == r"a-{}-b---c dU+0007"
    assert tex.escape("") == ""
    assert tex.escape(NASTY).isascii()
    assert tex.breaking("a|b>c_d") == r"\texttt{a|\allowbreak{}b>c\_d}"


def test_captions_explain_the_table_and_its_marks():
    metrics = [rows_of(Mean("mcd", "x"), SYSTEMS, ["b"]), rows_of(Mean("wer", "x", "ratio"), SYSTEMS)]
    text = latex(table_of(metrics, SYSTEMS))
    assert r"\shortstack{MCD\\(dB) \ensuremath{\downarrow}}" in text
    assert r"\shortstack{WER\\(\%) \ensuremath{\downarrow}}" in text
    assert r"\label{tab:a_b-1.5}" in text
    assert tex.escape(NASTY) in text.partition(r"\caption{")[2].partition(r"\label")[0]
    lines = text.splitlines()
    rows = {line.partition(" & ")[0]: line for line in lines if line.endswith(r"\\")}
    dagger, level, fewer = (rf"\ensuremath{{\{name}}}" for name in ("dagger", "ddagger", "ast"))
    assert r"\textbf{$-$5.9" in rows[r"c\%"] and dagger in rows[r"c\%"]
    assert fewer in rows["b"].split(" & ")[1] and fewer not in rows["b"].split(" & ")[2]
    assert level not in rows["b"] and dagger not in rows["b"], "b is neither tied nor different"
    assert rf"{fewer} not all clips were measured: MCD of b 11 of 12." in text
    assert rf"{dagger} significant difference from a\_1+oracle." in text
    assert "Signatures: MCD \\texttt{mcd|" in text
    assert r"\textbf{$-$59" in rows[r"c\%"], "error rates stand in per cent"


def test_few_metrics_fit_one_column():
    assert r"\begin{table*}" in latex(nasty_table(4))
    short = table_of([rows_of(Mean("mcd", "x"), {"ground-truth": 0.0, "a": 1.0})], {"ground-truth": 0.0, "a": 1.0})
    assert r"\begin{table}" in latex(short)
