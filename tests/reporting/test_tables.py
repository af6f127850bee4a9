"""Tables as they are read: nobody is ranked on unequal sets, and what a number rests on is said."""

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

from ttsbench.evaluation.metric_rows import Comparison, read_rows, summary
from ttsbench.reporting.latex import escape as tex_escape
from ttsbench.reporting.tables import Table, all_notes, compare_with_best, heading, latex, markdown
from ttsbench.reporting.tables.table import best_models
from ttsbench.types import Behaviour, MetricInfo


def test_the_best_is_best_on_the_intersection(rate):
    """Over all it measured b is far better (.17 against .83); where both were measured a is."""
    table = table_of([rate])
    assert table.cells["b_1+oracle", "rate"].value < table.cells["a+oracle", "rate"].value
    assert table.best(rate) == {"a+oracle"}


def test_the_best_of_a_metric_that_wants_more(tmp_path):
    found = read_rows(write(tmp_path / "x.csv", ROWS), Ratio(higher=True), "s")
    assert table_of([found]).best(found) == {"b_1+oracle"}


def test_nobody_is_best_without_direction_or_rival_or_common_ground(tmp_path, rate):
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
    assert "- b_1+oracle: 1 failed under Rate of rate, the first because: the clip is silent" in lines
    assert "- Rate of rate (`rate`): `rate|v1|recogniser`" in lines


def test_latex(rate, tmp_path):
    """What it says of a value stands in tests/test_latex.py."""
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


def test_unequal_sets_are_said_once_for_all_metrics_they_concern(rate, tmp_path):
    """Whether a row says that it failed or is not there at all."""
    absent = read_rows(write(tmp_path / "absent.csv", ROWS[:-1]), Ratio("absent"), "s")
    both = [*ROWS[:-6], ("a+oracle", "u1", "", "", "x"), *ROWS[-5:]]
    other = read_rows(write(tmp_path / "other.csv", both), Ratio("other"), "s")
    notes = [note for note in all_notes(table_of([rate, absent, other])) if "left out" in note]
    assert notes == [
        "Rate of rate, Rate of absent: 1 of 3 utterances are left out (1 of b_1+oracle) where models are ranked; "
        "the difference of two is on what both have.",
        "Rate of other: 2 of 3 utterances are left out (1 of a+oracle; 1 of b_1+oracle) where models are ranked; "
        "the difference of two is on what both have.",
    ]
    assert not any("left out" in note for note in all_notes(table_of([rate], SYSTEMS[:3])))


def test_what_differs_from_the_first_model_is_marked(rate):
    found = [Comparison("b_1+oracle", "a+oracle", "rate", -0.1, -0.2, -0.01, 0.01, -1, 0.1, 3, 1, p_holm=0.02)]
    table = table_of([rate], comparisons=found)
    text = markdown(table)
    assert re.search(r"\| b_1\+oracle +\| 0\.17†", text)
    assert text.count("†") == 2, "in the table and in the note"
    assert "- † differs from a+oracle." in text
    assert "- Two models are told apart where p < 0.05 in a paired permutation test over utterances" in text
    assert "With one training seed" in text
    assert r"0.17\rlap{\textsuperscript{\ensuremath{\dagger}" in latex(table)
    several = [dataclasses.replace(found[0], seeds=3)]
    assert "With few training seeds" in markdown(table_of([rate], comparisons=several))
    unsure = [dataclasses.replace(found[0], p_holm=0.05), dataclasses.replace(found[0], p_holm=math.nan),
              dataclasses.replace(found[0], high=0.01)]  # fmt: skip
    assert not any("†" in markdown(table_of([rate], comparisons=[one])) for one in unsure)


def test_who_is_not_told_apart_from_the_best_is_marked(seeds):
    """Errors of two in ten words (a, b) and of four (c): c alone is told apart, whichever of the others is best."""
    models = ["a", "b", "c"]
    (best,) = best_models(seeds, models)
    found = compare_with_best([seeds], models, SAMPLING)
    assert {(one.system, one.baseline) for one in found} == {(name, best) for name in models if name != best}
    level = ({"a", "b"} - {best}).pop()
    cells = {(cell.system, cell.metric): cell for cell in summary([seeds], models, SAMPLING)}
    table = Table("t", models, [], [seeds], cells, [], (), found)
    assert table.level_with_best == {(level, "rate")}
    text = markdown(table)
    assert len(re.findall(rf"\| {level} +\| [\d.]+‡ \[", text)) == 1
    assert text.count("‡") == 2 and "- ‡ not told apart from the best." in text


def test_titles_are_what_readers_see(rate):
    cells = {(cell.system, cell.metric): cell for cell in summary([rate], SYSTEMS, SAMPLING)}
    titles = {"b_1+oracle": "B*", "rate": "Errors|"}
    table = Table("t", SYSTEMS, REFERENCES, [rate], cells, [], titles=titles)
    text = markdown(table)
    assert r"| system         | Errors\| (%) ↓" in text
    assert re.search(r"\| B\\\* +\| 0\.17", text)
    assert r"- B\*: 1 failed under Errors\|, the first because: the clip is silent" in text
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


def test_a_heading_says_what_its_numbers_are_multiplied_by(tmp_path):
    class Share(Ratio):
        def __init__(self):
            self.info = MetricInfo("wer", "x", "ratio", False, ("errors", "length"), "s", "p")

    found = read_rows(write(tmp_path / "x.csv", ROWS), Share(), "s")
    assert re.search(r"\| b_1\+oracle +\| 17 \[\d\d, \d\d\] \(2 of 3\)", markdown(table_of([found])))
    assert float(frame_rows([found])[1]["b_1+oracle", "wer"]["value"]) == pytest.approx(1 / 6, rel=1e-5)


def test_floors_of_models_are_in_the_notes(rate, floored):
    notes = all_notes(table_of([rate, floored]))
    assert "Rate of js: two samples of one distribution this size would show 0.2 to 1.1." in notes
    assert not any("rate: two samples" in note for note in notes)
    assert "Rate of js: two samples of one distribution this size would show 0.25." in all_notes(
        table_of([floored], ["ground-truth", "b_1+oracle"])
    )


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
