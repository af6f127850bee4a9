"""Tables rank systems on shared utterances only, and their notes explain every number."""

import dataclasses
import math
import re

import pytest
from ratio_rows import (
    REFERENCES,
    ROWS,
    SAMPLING,
    SYSTEMS,
    Ratio,
    frame_rows,
    table_of,
    write,
)
from tinycorpus import tiny_experiment

from ttsbench.evaluation.estimates import Comparison
from ttsbench.evaluation.metric_rows import read_rows
from ttsbench.evaluation.summary import summary
from ttsbench.reporting.latex import escape as tex_escape
from ttsbench.reporting.tables import Table, all_notes, compare_with_best, heading, latex, markdown
from ttsbench.reporting.tables.table import best_models
from ttsbench.stages.report import for_paper
from ttsbench.types import Behaviour, MetricInfo


def test_the_best_is_best_on_the_intersection(rate):
    """Over all it measured b is far better (.17 against .83); where both were measured a is."""
    table = table_of([rate])
    assert table.cells["b_1+oracle", "rate"].value < table.cells["a+oracle", "rate"].value
    assert table.best(rate) == {"a+oracle"}


def test_the_best_of_a_metric_where_higher_is_better(tmp_path):
    found = read_rows(write(tmp_path / "x.csv", ROWS), Ratio(higher=True), "s")
    assert table_of([found]).best(found) == {"b_1+oracle"}


def test_there_is_no_best_model_without_direction_competitor_or_shared_utterances(tmp_path, rate):
    neutral = read_rows(write(tmp_path / "x.csv", ROWS), Ratio(higher=None), "s")
    assert table_of([neutral]).best(neutral) == set()
    assert table_of([rate], SYSTEMS[:3]).best(rate) == set()
    apart = [("a+oracle", "u1", 1.0, 10.0, ""), ("a+oracle", "u2", "", "", "x"), ("b_1+oracle", "u1", "", "", "x"),
             ("b_1+oracle", "u2", 1.0, 10.0, "")]  # fmt: skip
    found = read_rows(write(tmp_path / "y.csv", apart), Ratio(), "s")
    assert table_of([found], SYSTEMS[2:]).best(found) == set()


def test_references_are_never_ranked(rate):
    assert rate.value("copy-synthesis") == 0
    assert not table_of([rate]).best(rate) & set(REFERENCES)


# Markdown and LaTeX


def test_markdown(rate):
    lines = markdown(table_of([rate])).splitlines()
    assert lines[0] == "# A title"
    table = [line for line in lines if line.startswith("|")]
    assert len({len(line) for line in table}) == 1
    cells = {row[0]: row[1] for row in ([part.strip() for part in line.strip("|").split("|")] for line in table)}
    assert cells["system"] == "Rate of rate (%) ↓"
    assert cells["ground-truth"] == ""
    assert cells["a+oracle"].startswith("**")
    assert not cells["b_1+oracle"].startswith("**")
    assert "(2 of 3)" in cells["b_1+oracle"]
    assert "- A note." in lines
    assert "- b_1+oracle: 1 clip not measured under Rate of rate; first reason: the clip is silent" in lines
    assert "- Rate of rate (`rate`): `rate|v1|recogniser`" in lines


def test_latex(rate, tmp_path):
    """tests/reporting/test_latex.py checks the marks of single values."""
    other = read_rows(write(tmp_path / "x.csv", ROWS), Ratio("f_1 & co", higher=True, unit=""), "f|v1")
    lines = latex(table_of([rate, other], title="50 % of everything")).splitlines()
    assert r"\begin{tabular}{lcc}" in lines
    body = [line for line in lines if line.endswith(r"\\")]
    assert len(body) == 1 + len(SYSTEMS)
    for line in body:
        assert line.replace(r"\&", "").count("&") == 2
    assert body[1] == r"ground-truth & -- & -- \\"
    assert body[4].startswith(r"b\_1+oracle & ")
    assert r"\textbf{" in body[3].split(" & ")[1]
    assert r"\textbf{" in body[4].split(" & ")[2]
    assert lines.count(r"\midrule") == 2
    text = "\n".join(lines)
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_missing_utterances_are_noted_once_for_all_metrics_with_the_same_gap(rate, tmp_path):
    """A failed row and an absent row count alike."""
    absent = read_rows(write(tmp_path / "absent.csv", ROWS[:-1]), Ratio("absent"), "s")
    both = [*ROWS[:-6], ("a+oracle", "u1", "", "", "x"), *ROWS[-5:]]
    other = read_rows(write(tmp_path / "other.csv", both), Ratio("other"), "s")
    notes = [note for note in all_notes(table_of([rate, absent, other])) if "are ranked" in note]
    assert notes == [
        "Rate of rate, Rate of absent: models are ranked on 2 of 3 utterances: some lack clips (b_1+oracle: 1). "
        "The difference of two models uses all utterances that both have.",
        "Rate of other: models are ranked on 1 of 3 utterances: some lack clips (a+oracle: 1; b_1+oracle: 1). "
        "The difference of two models uses all utterances that both have.",
    ]
    assert not any("are ranked" in note for note in all_notes(table_of([rate], SYSTEMS[:3])))


def test_significant_differences_from_the_first_model_are_marked(rate):
    found = [Comparison("b_1+oracle", "a+oracle", "rate", -0.1, -0.2, -0.01, 0.01, -1, 0.1, 6, 1, p_holm=0.02)]
    table = table_of([rate], comparisons=found)
    text = markdown(table)
    assert re.search(r"\| b_1\+oracle +\| 0\.17†", text)
    assert text.count("†") == 2, "in the table and in the note"
    assert "- † significant difference from a+oracle." in text
    assert "- A difference is significant if p < 0.05 in a paired permutation test over utterances" in text
    assert "one training seed" in text
    assert r"0.17\rlap{\textsuperscript{\ensuremath{\dagger}" in latex(table)
    several = [dataclasses.replace(found[0], seeds=3)]
    assert "With few training seeds" in markdown(table_of([rate], comparisons=several))
    unsure = [dataclasses.replace(found[0], p_holm=0.05), dataclasses.replace(found[0], p_holm=math.nan),
              dataclasses.replace(found[0], high=0.01)]  # fmt: skip
    assert not any("†" in markdown(table_of([rate], comparisons=[one])) for one in unsure)


def test_ties_with_the_best_are_marked(seeds):
    """a and b have the same error rate, c a higher one: only c differs significantly from the best."""
    models = ["a", "b", "c"]
    (best,) = best_models(seeds, models)
    found = compare_with_best([seeds], models, SAMPLING)
    assert {(one.system, one.baseline) for one in found} == {(name, best) for name in models if name != best}
    level = ({"a", "b"} - {best}).pop()
    cells = {(cell.system, cell.metric): cell for cell in summary([seeds], models, SAMPLING)}
    table = Table("t", models, [], [seeds], cells, [], (), found)
    assert table.tied_with_best == {(level, "rate")}
    text = markdown(table)
    assert len(re.findall(rf"\| {level} +\| [\d.]+‡ \[", text)) == 1
    assert text.count("‡") == 2 and "- ‡ no significant difference from the best model." in text


def test_titles_replace_names(rate):
    cells = {(cell.system, cell.metric): cell for cell in summary([rate], SYSTEMS, SAMPLING)}
    titles = {"b_1+oracle": "B*", "rate": "Errors|"}
    table = Table("t", SYSTEMS, REFERENCES, [rate], cells, [], titles=titles)
    text = markdown(table)
    assert r"| system         | Errors\| (%) ↓" in text
    assert re.search(r"\| B\\\* +\| 0\.17", text)
    assert r"- B\*: 1 clip not measured under Errors\|; first reason: the clip is silent" in text
    assert r"- Errors\| (Rate of rate, `rate`): `rate|v1|recogniser`" in text


@pytest.mark.parametrize(
    ("name", "unit", "higher", "identity", "text"),
    [
        ("wer", "ratio", False, None, "WER (%) ↓"),
        ("ffe_plain", "ratio", False, 0.0, "FFE by time (%) ↓"),
        ("wer", "errors", False, None, "WER (errors) ↓"),
        ("mcd", "dB", False, 0.0, "MCD (dB) ↓"),
        ("gv_ratio", "ratio", None, 1.0, "global variance ratio → 1"),
        ("params", "parameters", None, None, "parameters (M)"),
        ("nfe", "calls", False, None, "NFE ↓"),
        ("mine", "Hz", True, None, "What it is (Hz) ↑"),
        ("mine_plain", "ratio", None, None, "What it is"),
    ],
)
def test_headings(name, unit, higher, identity, text):
    info = MetricInfo(name, "What it is", unit, higher, ("x",), "s", "p", behaviour=Behaviour(identity=identity))
    assert heading(info).text == text
    assert heading(info, "Another").title == "Another"


def test_error_rates_are_shown_in_per_cent(tmp_path):
    class Share(Ratio):
        def __init__(self):
            self.info = MetricInfo("wer", "x", "ratio", False, ("errors", "length"), "s", "p")

    found = read_rows(write(tmp_path / "x.csv", ROWS), Share(), "s")
    assert re.search(r"\| b_1\+oracle +\| 17 \[\d\d, \d\d\] \(2 of 3\)", markdown(table_of([found])))
    assert float(frame_rows([found])[1]["b_1+oracle", "wer"]["value"]) == pytest.approx(1 / 6, rel=1e-5)


def test_floors_of_models_are_in_the_notes(rate, floored):
    notes = all_notes(table_of([rate, floored]))
    swapped = "Rate of js: after clips and recordings are swapped at random it is"
    (note,) = [note for note in notes if "swapped" in note]
    assert note.startswith(f"{swapped} 0.2 to 1.1, which is the value to expect of a system that does not differ")
    assert note.endswith("It rises with the difference: do not subtract it.")
    single = all_notes(table_of([floored], ["ground-truth", "b_1+oracle"]))
    assert any(note.startswith(f"{swapped} 0.25,") for note in single)


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (8, [8]), (9, [4, 5]), (20, [6, 7, 7]), (24, [8, 8, 8])])
def test_many_metrics_make_several_blocks(tmp_path, count, sizes):
    path = write(tmp_path / "x.csv", ROWS)
    metrics = [read_rows(path, Ratio(f"m{number}"), "s") for number in range(count)]
    table = table_of(metrics)
    lines = markdown(table).splitlines()
    heads = [line for line in lines if line.startswith("| system")]
    assert [line.count("|") - 2 for line in heads] == sizes
    assert [name for line in heads for name in re.findall(r"\bm\d+", line)] == [f"m{number}" for number in range(count)]
    for system in SYSTEMS:
        assert sum(line.startswith(f"| {system} ") for line in lines) == len(sizes)
    text = latex(table)
    heads = [line for line in text.splitlines() if line.startswith("System & ")]
    assert [name for line in heads for name in re.findall(r"\bm\d+", line)] == [f"m{number}" for number in range(count)]
    assert text.count(r"\end{tabular}") == text.count(r"\caption{") == len(heads)
    for system in SYSTEMS:
        assert text.count(f"\n{tex_escape(system)} & ") == len(heads)


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([5], "No difference can be significant: on 5 utterances the smallest possible corrected p is 0.0625."),
        ([1], "No difference can be significant: on 1 utterance the smallest possible corrected p is 1."),
        ([5, 5], "No difference can be significant: on 5 utterances the smallest possible corrected p is 0.125."),
        ([6], ""),
        ([6, 6], "No difference can be significant: on 6 utterances the smallest possible corrected p is 0.0625."),
        (
            [6, 12],
            "Some differences cannot be: on 6 utterances the smallest possible corrected p is 0.0625.",
        ),
        ([12, 12], ""),
    ],
)
def test_a_table_of_few_utterances_says_that_nothing_can_be_significant(rate, counts, text):
    comparisons = [
        Comparison(name, "a+oracle", "rate", -0.1, -0.2, -0.01, 0.0625, -1, 0.1, n, 1, p_holm=0.0625)
        for name, n in zip(("b_1+oracle", "c"), counts, strict=False)
    ]
    notes = [note for note in all_notes(table_of([rate], comparisons=comparisons)) if "smallest possible" in note]
    assert notes == ([text] if text else [])


def test_no_model_ties_with_the_best_on_five_utterances(rate):
    found = Comparison("b_1+oracle", "a+oracle", "rate", -0.1, -0.2, 0.1, 0.0625, -1, 0.1, 5, 1, p_holm=0.0625)
    cells = {(cell.system, cell.metric): cell for cell in summary([rate], SYSTEMS, SAMPLING)}
    for n, tied in ((5, set()), (6, {("b_1+oracle", "rate")})):
        table = Table("t", SYSTEMS, REFERENCES, [rate], cells, [], (), [dataclasses.replace(found, n=n)])
        assert table.tied_with_best == tied


def test_intervals_and_signatures_can_be_left_out(rate):
    table = dataclasses.replace(table_of([rate]), intervals=False, signatures=False)
    assert "[" not in markdown(table) and "Signatures" not in markdown(table)
    assert "scriptsize [" not in latex(table) and "Signatures" not in latex(table)
    assert "Signatures" in markdown(table_of([rate])) and "scriptsize [" in latex(table_of([rate]))


def test_values_that_are_given_are_neither_shown_nor_ranked(tmp_path):
    class Given(Ratio):
        def __init__(self):
            self.info = dataclasses.replace(Ratio("given").info, behaviour=Behaviour(identity=0.0))

    lines = [("a+oracle", 0.0), ("b+oracle", 0.0), ("a+b", 2.0), ("b+b", 3.0)]
    rows = [(name, f"u{number}", value, 10.0, "") for name, value in lines for number in range(3)]
    found = read_rows(write(tmp_path / "x.csv", rows), Given(), "s")
    systems = [name for name, _ in lines]
    cells = {(cell.system, cell.metric): cell for cell in summary([found], systems, SAMPLING)}
    table = Table("t", systems, [], [found], cells, [])
    assert table.best(found) == {"a+b"}
    assert [math.isnan(cell.value) for cell in table.column(found)] == [True, True, False, False]
    assert "Rate of given: not shown for systems with the recording's prosody, where it is given." in all_notes(table)
    assert {item.system for item in compare_with_best([found], systems, SAMPLING)} == {"b+b"}


def experiment_of(**table):
    return tiny_experiment(None, table=table)


def test_options_of_an_experiment_apply_to_the_table_for_a_paper(rate):
    found = [Comparison("b_1+oracle", "a+oracle", "rate", -0.1, -0.2, -0.01, 0.01, -1, 0.1, 6, 1, p_holm=0.02)]
    table = table_of([rate], comparisons=found)
    assert for_paper(table, experiment_of()) == table and "†" in markdown(table)
    plain = for_paper(table, experiment_of(intervals=False, significance=False, signatures="file"))
    assert "†" not in markdown(plain) and "[" not in markdown(plain) and "Signatures" not in markdown(plain)
