"""From scored rows to tables: failures are counted and never numbers, and nobody is ranked on unequal sets."""

import csv
import dataclasses
import io
import math
import re

import numpy as np
import pandas as pd
import pytest

from ttsbench.clip_rows import COLUMNS, clip_frame, write_clip_rows
from ttsbench.latex import escape as tex_escape
from ttsbench.results import (
    DIFFERENCE_COLUMNS,
    SUMMARY_COLUMNS,
    Comparison,
    Sampling,
    compare,
    corrected,
    difference_frame,
    read_rows,
    summary,
    summary_frame,
)
from ttsbench.score import NOT_APPLICABLE, measure
from ttsbench.tables import Table, all_notes, heading, latex, markdown, rivals
from ttsbench.tables.table import best_models
from ttsbench.types import Behaviour, Clip, Cost, MetricInfo

SAMPLING = Sampling(200, 0.95, 0)
REFERENCES = ("ground-truth", "copy-synthesis")
SYSTEMS = [*REFERENCES, "a+oracle", "b_1+oracle"]


class Ratio:
    """Errors over length."""

    def __init__(self, name="rate", higher=False, unit="%", needs=frozenset({"reference"})):
        self.info = MetricInfo(name, f"Rate of {name}", unit, higher, ("errors", "length"), f"{name}|v1", "none", needs)

    def measure(self, clip, reference):
        return float(len(clip.samples)), 10.0

    def reduce(self, rows):
        errors, length = rows.sum(axis=0)
        return float(errors / length) if length else math.nan


class FlooredRatio(Ratio):
    """The same, pretending that chance alone gives a tenth of the first column's mean."""

    def floor(self, rows, rng):
        return float(rows[:, 0].mean() / 10)


def write(path, rows, seed=0):
    """Rows of (system, utterance, errors, length, error)."""
    lines = ["system,seed,sample,utterance,errors,length,error"]
    for system, utterance, errors, length, error in rows:
        lines.append(f"{system},{seed},0,{utterance},{errors},{length},{error}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def found_in(path, text, metric=None):
    """Rows as they stand in a file."""
    path.write_text(text, encoding="utf-8")
    return read_rows(path, metric or Ratio(), "s")


ROWS = [
    *(("ground-truth", u, "", "", NOT_APPLICABLE) for u in ("u1", "u2", "u3")),
    *(("copy-synthesis", u, 0.0, 10.0, "") for u in ("u1", "u2", "u3")),
    ("a+oracle", "u1", 1.0, 10.0, ""), ("a+oracle", "u2", 2.0, 20.0, ""), ("a+oracle", "u3", 30.0, 10.0, ""),
    ("b_1+oracle", "u1", 2.0, 10.0, ""), ("b_1+oracle", "u2", 3.0, 20.0, ""),
    ("b_1+oracle", "u3", "", "", "the clip is silent"),
]  # fmt: skip


@pytest.fixture
def rate(tmp_path):
    return read_rows(write(tmp_path / "rate.csv", ROWS), Ratio(), "rate|v1|recogniser")


def table_of(metrics, systems=SYSTEMS, title="A title", comparisons=()):
    cells = {(cell.system, cell.metric): cell for cell in summary(metrics, systems, SAMPLING)}
    return Table(title, systems, REFERENCES, metrics, cells, ["A note."], comparisons)


def frame_rows(metrics, systems=SYSTEMS):
    text = summary_frame(summary(metrics, systems, SAMPLING), metrics).to_csv(index=False, lineterminator="\n")
    return text, {(row["system"], row["metric"]): row for row in csv.DictReader(io.StringIO(text))}


# summary.csv


def test_the_columns_are_exactly_these(rate):
    text, _ = frame_rows([rate])
    assert text.splitlines()[0] == "system,metric,value,low,high,n,n_failed,unit,higher_is_better,signature,floor"
    assert ",".join(SUMMARY_COLUMNS) == text.splitlines()[0]
    assert [line.split(",")[0] for line in text.splitlines()[1:]] == SYSTEMS


def test_values_are_of_the_rows_that_have_them(rate):
    _, rows = frame_rows([rate])
    a, b = rows["a+oracle", "rate"], rows["b_1+oracle", "rate"]
    assert float(a["value"]) == pytest.approx(33 / 40)
    assert float(b["value"]) == pytest.approx(5 / 30, rel=1e-5)
    assert float(a["low"]) < float(a["value"]) < float(a["high"])
    assert (a["n"], a["n_failed"]) == ("3", "0")
    assert (b["n"], b["n_failed"]) == ("2", "1")
    assert a["signature"] == "rate|v1|recogniser"
    assert (a["unit"], a["higher_is_better"]) == ("%", "false")


def test_what_does_not_apply_is_empty_and_no_failure(rate):
    _, rows = frame_rows([rate])
    row = rows["ground-truth", "rate"]
    assert [row[name] for name in ("value", "low", "high", "n", "n_failed")] == ["", "", "", "0", "0"]


def test_a_system_that_failed_everywhere_is_empty_and_counted(tmp_path):
    rows = [("a+oracle", u, "", "", "it is silent") for u in ("u1", "u2")]
    _, found = frame_rows([read_rows(write(tmp_path / "x.csv", rows), Ratio(), "s")], ["a+oracle"])
    row = found["a+oracle", "rate"]
    assert [row[name] for name in ("value", "low", "high", "n", "n_failed")] == ["", "", "", "0", "2"]


def test_one_utterance_has_no_interval(tmp_path):
    found = read_rows(write(tmp_path / "x.csv", [("a+oracle", "u1", 1.0, 10.0, "")]), Ratio(), "s")
    _, rows = frame_rows([found], ["a+oracle"])
    row = rows["a+oracle", "rate"]
    assert (row["value"], row["low"], row["high"], row["n"]) == ("0.1", "", "", "1")


def test_an_undefined_value_is_empty_and_no_number(tmp_path):
    found = read_rows(write(tmp_path / "x.csv", [("a+oracle", u, 0.0, 0.0, "") for u in ("u1", "u2")]), Ratio(), "s")
    text, rows = frame_rows([found], ["a+oracle"])
    assert rows["a+oracle", "rate"]["value"] == ""
    assert "nan" not in text.lower()


@pytest.mark.parametrize(("higher", "word"), [(True, "true"), (False, "false"), (None, "")])
def test_the_direction_is_written(tmp_path, higher, word):
    found = read_rows(write(tmp_path / "x.csv", ROWS), Ratio(higher=higher), "s")
    assert frame_rows([found])[1]["a+oracle", "rate"]["higher_is_better"] == word


@pytest.mark.parametrize("id_", ["NA", "nan", "null", "001", "None", "1e5"])
def test_ids_that_look_like_something_else_stay_text(tmp_path, id_):
    found = read_rows(write(tmp_path / "x.csv", [("a+oracle", id_, 1.0, 10.0, "")]), Ratio(), "s")
    assert found.utterances("a+oracle") == {id_}
    assert found.scores("a+oracle").utterances.tolist() == [id_]


def test_intervals_are_the_same_twice(rate, tmp_path):
    again = read_rows(write(tmp_path / "again.csv", ROWS), Ratio(), "rate|v1|recogniser")
    assert frame_rows([rate])[0] == frame_rows([again])[0]


# Draws of one utterance


def test_draws_are_rows_and_a_failed_draw_takes_its_utterance_from_comparisons(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("system,seed,sample,utterance,errors,length,error\n"
                    "a,0,0,u1,1.0,10.0,\na,0,1,u1,3.0,10.0,\na,0,0,u2,1.0,10.0,\na,0,1,u2,,,silent\n",
                    encoding="utf-8")  # fmt: skip
    found = read_rows(path, Ratio(), "s")
    cell = found.cell("a", SAMPLING)
    assert (cell.n, cell.n_failed) == (3, 1)
    assert cell.value == pytest.approx(5 / 30)
    assert found.utterances("a") == {"u1"}


# Comparing


def test_differences_are_paired_on_common_utterances(rate):
    found = rate.difference("b_1+oracle", "a+oracle", SAMPLING)
    assert (found.system, found.baseline, found.metric) == ("b_1+oracle", "a+oracle", "rate")
    assert (found.n, found.seeds) == (2, 1)
    assert found.value == pytest.approx(5 / 30 - 3 / 30)
    assert found.low <= found.value <= found.high
    assert found.p == 0.5, "of the four swaps of two utterances two give a difference as large"
    nothing = rate.difference("ground-truth", "a+oracle", SAMPLING)
    assert nothing.n == 0
    numbers = (nothing.value, nothing.low, nothing.high, nothing.p, nothing.effect_size, nothing.mde)
    assert all(map(math.isnan, numbers))


def many(rng, system, rate, utterances=30, seeds=3):
    """Lines of a file: errors among ten words each."""
    return [f"{system},{seed},0,u{number},{rng.binomial(10, rate)},10,"
            for seed in range(seeds) for number in range(utterances)]  # fmt: skip


@pytest.fixture
def seeds(tmp_path):
    rng = np.random.default_rng(0)
    lines = [line for system, rate in (("a", 0.2), ("b", 0.2), ("c", 0.4)) for line in many(rng, system, rate)]
    return found_in(tmp_path / "seeds.csv", "\n".join(["system,seed,sample,utterance,errors,length,error", *lines]))


def test_a_difference_says_how_sure_and_how_large_it_is(seeds):
    worse = seeds.difference("c", "a", SAMPLING)
    assert (worse.n, worse.seeds) == (30, 3)
    assert 0 < worse.low < 0.2 < worse.high
    assert worse.p == 1 / 201, "no swap of thirty utterances comes near it"
    error = worse.mde / 2.8016
    assert worse.effect_size == pytest.approx(worse.value / error / math.sqrt(30), rel=1e-4)
    alike = seeds.difference("b", "a", SAMPLING)
    assert alike.low < 0 < alike.high
    assert alike.p > 0.05
    assert abs(alike.value) < alike.mde


def test_seeds_that_differ_widen_the_interval(tmp_path):
    """One seed makes half of all errors: over utterances alone the interval would be about .02 wide."""
    lines = [f"a,{seed},0,u{number},{errors + number % 2},10," for seed, errors in enumerate((1, 1, 4))
             for number in range(40)]  # fmt: skip
    found = found_in(tmp_path / "x.csv", "\n".join(["system,seed,sample,utterance,errors,length,error", *lines]))
    cell = found.cell("a", SAMPLING)
    assert cell.value == pytest.approx(0.25)
    assert cell.low <= 0.16
    assert cell.high >= 0.34


def test_what_never_varies_needs_no_test(tmp_path):
    lines = [f"{system},0,0,u{number},{value},1," for system, value in (("a", 100), ("b", 250)) for number in range(5)]
    found = found_in(tmp_path / "x.csv", "\n".join(["system,seed,sample,utterance,errors,length,error", *lines]))
    difference = found.difference("b", "a", SAMPLING)
    assert (difference.value, difference.low, difference.high) == (150, 150, 150)
    assert all(map(math.isnan, (difference.p, difference.effect_size, difference.mde)))
    assert math.isnan(compare([found], ["a", "b"], SAMPLING)[0].p_holm)


def comparison(system, metric, p):
    return Comparison(system, "a", metric, 1.0, 0.5, 1.5, p, 0.4, 0.9, 30, 1)


def test_a_family_is_one_metric():
    """.01, .02 and .04 of one metric by hand: 3 x .01, 2 x .02, and .04; the other metric's alone as it is."""
    ours = [comparison("b", "wer", 0.02), comparison("b", "mcd", 0.03), comparison("c", "wer", 0.01),
            comparison("d", "wer", 0.04), comparison("e", "wer", math.nan)]  # fmt: skip
    found = corrected(ours)
    assert [one.system for one in found] == ["b", "b", "c", "d", "e"]
    assert [one.p_holm for one in found[:4]] == pytest.approx([0.04, 0.03, 0.03, 0.04])
    assert math.isnan(found[4].p_holm)
    assert all(math.isnan(one.p_holm) for one in ours)


def test_every_model_is_compared_with_the_first(rate, seeds):
    found = compare([seeds], ["a", "b", "c"], SAMPLING)
    assert [(one.system, one.baseline) for one in found] == [("b", "a"), ("c", "a")]
    assert found[1].p_holm == pytest.approx(2 * found[1].p)
    assert compare([seeds], ["a"], SAMPLING) == compare([seeds], [], SAMPLING) == []


def test_the_file_of_differences(rate, seeds):
    frame = difference_frame(compare([seeds], ["a", "c"], SAMPLING), [seeds])
    assert ",".join(frame.columns) == ",".join(DIFFERENCE_COLUMNS)
    assert ",".join(frame.columns) == (
        "system,baseline,metric,difference,low,high,p,p_holm,effect_size,mde,n,seeds,unit"
    )
    line = frame.iloc[0]
    assert (line["system"], line["baseline"], line["n"], line["seeds"], line["unit"]) == ("c", "a", 30, 3, "%")
    assert float(line["p"]) == pytest.approx(1 / 201, rel=1e-4)
    empty = difference_frame(compare([rate], ["a+oracle", "ground-truth"], SAMPLING), [rate]).iloc[0]
    assert [empty[name] for name in ("difference", "low", "high", "p", "p_holm", "effect_size", "mde")] == [""] * 7


# Floors


@pytest.fixture
def floored(tmp_path):
    return read_rows(write(tmp_path / "js.csv", ROWS), FlooredRatio("js"), "js|v1")


def test_a_floor_is_written_where_there_is_one(rate, floored):
    _, rows = frame_rows([rate, floored])
    assert rows["a+oracle", "rate"]["floor"] == ""
    assert float(rows["a+oracle", "js"]["floor"]) == pytest.approx(33 / 3 / 10)
    assert float(rows["b_1+oracle", "js"]["floor"]) == pytest.approx(0.25)
    assert rows["ground-truth", "js"]["floor"] == ""


def test_floors_of_models_are_in_the_notes(rate, floored):
    notes = all_notes(table_of([rate, floored]))
    assert "Rate of js: two samples of one distribution this size would show 0.2 to 1.1." in notes
    assert not any("rate: two samples" in note for note in notes)
    assert "Rate of js: two samples of one distribution this size would show 0.25." in all_notes(
        table_of([floored], ["ground-truth", "b_1+oracle"])
    )


def test_intervals_of_a_metric_with_a_floor_are_centred(tmp_path):
    """Resampling moves the mean of a square root of sums down; the centred interval is moved back up by that much."""
    lines = [("a", f"u{number}", float(number % 7 == 0), 1.0, "") for number in range(30)]

    class Root(Ratio):
        def reduce(self, rows):
            return float(rows[:, 0].mean() ** 0.2)

    class FlooredRoot(Root):
        floor = FlooredRatio.floor

    path = write(tmp_path / "x.csv", lines)
    plain, centred = (read_rows(path, metric(), "s").cell("a", SAMPLING) for metric in (Root, FlooredRoot))
    assert centred.low > plain.low
    assert centred.high - centred.low == pytest.approx(plain.high - plain.low)


# Warnings


WARNED = """system,seed,sample,utterance,errors,length,error,warning
a,0,0,u1,1.0,10.0,,"8000 Hz, upsampled to 16000"
a,0,0,u2,1.0,10.0,,"11025 Hz, upsampled to 16000"
a,0,0,u3,,,it is silent,
b,0,0,u1,1.0,10.0,,
b,0,0,u2,1.0,10.0,,
b,0,0,u3,1.0,10.0,,
"""


def test_a_warning_is_counted_and_takes_nothing_away(tmp_path):
    found = found_in(tmp_path / "x.csv", WARNED)
    assert (found.cell("a", SAMPLING).n, found.cell("a", SAMPLING).n_failed) == (2, 1)
    assert found.utterances("a") == {"u1", "u2"}
    assert found.warnings["system"].tolist() == ["a", "a"]
    again = found_in(tmp_path / "y.csv", WARNED, Ratio("other"))
    notes = all_notes(table_of([found, again], ["a", "b"]))
    assert (
        "a: 2 to be read with care under Rate of rate, Rate of other, the first because: 8000 Hz, upsampled to 16000"
        in notes
    )
    assert "a: 1 failed under Rate of rate, Rate of other, the first because: it is silent" in notes


def test_files_without_warnings_are_read(rate):
    assert not len(rate.warnings)


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
    found = rivals([seeds], models, SAMPLING)
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


# Rows of all metrics, clip by clip


def test_rows_of_all_metrics_go_to_one_file(rate, floored, tmp_path):
    path = tmp_path / "rows.parquet"
    write_clip_rows(clip_frame([rate, floored], {"u1": "ann", "u2": "ben"}), path)
    frame = pd.read_parquet(path)
    assert list(frame.columns) == list(COLUMNS)
    assert len(frame) == 2 * 9, "what does not apply is no row"
    rows = {(row.system, row.utterance): row for row in frame[frame["metric"] == "rate"].itertuples()}
    assert rows["a+oracle", "u3"].value == pytest.approx(3.0) and rows["a+oracle", "u3"].speaker == ""
    assert rows["a+oracle", "u2"].statistics.tolist() == [2.0, 20.0] and rows["a+oracle", "u2"].speaker == "ben"
    failed = rows["b_1+oracle", "u3"]
    assert math.isnan(failed.value) and not len(failed.statistics) and failed.error == "the clip is silent"
    assert frame.attrs["metrics"]["rate"] == {
        "title": "Rate of rate",
        "unit": "%",
        "higher_is_better": False,
        "statistics": ["errors", "length"],
        "signature": "rate|v1|recogniser",
    }


def test_a_clip_that_has_no_value_alone_keeps_its_statistics(tmp_path):
    found = read_rows(write(tmp_path / "x.csv", [("a", "u1", 0.0, 0.0, ""), ("a", "u2", 1.0, 2.0, "")]), Ratio(), "s")
    clips = found.clips()
    assert math.isnan(clips["value"][0]) and clips["value"][1] == 0.5
    assert clips["statistics"][0].tolist() == [0.0, 0.0]


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


# One cell: no fault becomes a number


def clip_of(samples=8, cost=None, transcript=None):
    return Clip("u1", np.full(samples, 0.1, np.float32), 16000, "text", "s", transcript, cost)


@pytest.mark.parametrize("values", [(1.0,), (1.0, 2.0, 3.0), (math.nan, 1.0), (math.inf, 1.0)])
def test_odd_answers_are_failures(monkeypatch, values):
    metric = Ratio()
    monkeypatch.setattr(metric, "measure", lambda clip, reference: values, raising=False)
    found = measure(metric, clip_of(), clip_of(), False)
    assert "values" not in found
    assert "rate gave" in found["error"]


def test_a_crash_is_a_failure_with_its_reason(monkeypatch):
    metric = Ratio()
    monkeypatch.setattr(metric, "measure", lambda clip, reference: 1 / 0, raising=False)
    assert measure(metric, clip_of(), clip_of(), False) == {"error": "ZeroDivisionError: division by zero"}


def test_cost_does_not_apply_to_recordings_and_is_missed_elsewhere():
    metric = Ratio(needs=frozenset({"cost"}))
    assert measure(metric, clip_of(), clip_of(), True) == {"error": NOT_APPLICABLE}
    assert measure(metric, clip_of(), clip_of(), False) == {"error": "what making the clip took was not recorded"}
    cost = Cost(1.0, 1.0, 1.0, 1, 1)
    assert measure(metric, clip_of(cost=cost), clip_of(), False) == {"values": [8.0, 10.0]}


def test_a_missing_transcript_is_a_failure_and_an_empty_one_is_not():
    metric = Ratio(needs=frozenset({"transcript"}))
    assert measure(metric, clip_of(), clip_of(), False)["error"].startswith("the clip has no transcript")
    assert "values" in measure(metric, clip_of(transcript=""), clip_of(), False)
