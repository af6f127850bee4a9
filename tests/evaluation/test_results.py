"""From scored rows to numbers: failures are counted and never numbers."""

import math
from dataclasses import replace

import pytest
from ratio_rows import (
    ROWS,
    SAMPLING,
    SYSTEMS,
    FlooredRatio,
    Ratio,
    frame_rows,
    rows_from_text,
    table_of,
    write,
)

from ttsbench.evaluation.clip_table import clip_frame, read_clip_rows, write_clip_rows
from ttsbench.evaluation.estimates import Comparison, corrected
from ttsbench.evaluation.metric_rows import NOT_APPLICABLE, read_rows
from ttsbench.evaluation.summary import DIFFERENCE_COLUMNS, SUMMARY_COLUMNS, compare, difference_frame
from ttsbench.reporting.tables import all_notes, best_models

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
    """A single seed makes half of all errors; an interval over utterances alone would be about .02 wide."""
    lines = [f"a,{seed},0,u{number},{errors + number % 2},10," for seed, errors in enumerate((1, 1, 4))
             for number in range(40)]  # fmt: skip
    found = rows_from_text(tmp_path / "x.csv", "\n".join(["system,seed,sample,utterance,errors,length,error", *lines]))
    cell = found.cell("a", SAMPLING)
    assert cell.value == pytest.approx(0.25)
    assert cell.low <= 0.16
    assert cell.high >= 0.34


def test_what_never_varies_needs_no_test(tmp_path):
    lines = [f"{system},0,0,u{number},{value},1," for system, value in (("a", 100), ("b", 250)) for number in range(5)]
    found = rows_from_text(tmp_path / "x.csv", "\n".join(["system,seed,sample,utterance,errors,length,error", *lines]))
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


def test_a_floor_is_written_where_there_is_one(rate, floored):
    _, rows = frame_rows([rate, floored])
    assert rows["a+oracle", "rate"]["floor"] == ""
    assert float(rows["a+oracle", "js"]["floor"]) == pytest.approx(33 / 3 / 10)
    assert float(rows["b_1+oracle", "js"]["floor"]) == pytest.approx(0.25)
    assert rows["ground-truth", "js"]["floor"] == ""


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
    found = rows_from_text(tmp_path / "x.csv", WARNED)
    assert (found.cell("a", SAMPLING).n, found.cell("a", SAMPLING).n_failed) == (2, 1)
    assert found.utterances("a") == {"u1", "u2"}
    assert found.warnings["system"].tolist() == ["a", "a"]
    again = rows_from_text(tmp_path / "y.csv", WARNED, Ratio("other"))
    notes = all_notes(table_of([found, again], ["a", "b"]))
    both = "under Rate of rate, Rate of other; first reason"
    assert f"a: 2 clips measured with a warning {both}: 8000 Hz, upsampled to 16000" in notes
    assert f"a: 1 clip not measured {both}: it is silent" in notes


def test_files_without_warnings_are_read(rate):
    assert not len(rate.warnings)


def test_draws_without_a_value_do_not_exclude_their_utterance(tmp_path):
    """Operations are counted on first draws only: with several draws a system is compared all the same."""
    head = "system,seed,sample,utterance,errors,length,error"
    lines = [f"{system},0,{draw},{utterance},{'1,10,' if draw == 0 else ',,' + NOT_APPLICABLE}"
             for system in ("a", "b") for draw in (0, 1) for utterance in ("u1", "u2")]  # fmt: skip
    rows = rows_from_text(tmp_path / "x.csv", "\n".join([head, *lines]))
    assert rows.utterances("a") == {"u1", "u2"}
    assert rows.difference("a", "b", SAMPLING).n == 2
    assert not any("models are ranked on" in note for note in all_notes(table_of([rows], ["a", "b"])))


def test_systems_to_which_a_metric_does_not_apply_are_not_ranked(tmp_path):
    head = "system,seed,sample,utterance,errors,length,error"
    numbers = {"a": "1,10,", "b": "2,10,", "c": ",," + NOT_APPLICABLE}
    lines = [f"{system},0,0,{utterance},{cell}" for system, cell in numbers.items() for utterance in ("u1", "u2")]
    rows = rows_from_text(tmp_path / "x.csv", "\n".join([head, *lines]))
    assert rows.applicable_systems(["a", "b", "c"]) == ["a", "b"]
    assert best_models(rows, ["a", "b", "c"]) == {"a"}
    assert not any("models are ranked on" in note for note in all_notes(table_of([rows], ["a", "b", "c"])))


def test_distances_to_one_recording_carry_a_note_beside_proper_scores(tmp_path):
    mcd, crps = (read_rows(write(tmp_path / f"{name}.csv", ROWS), Ratio(name), "s") for name in ("mcd", "crps"))
    assert not any("distance to one recording" in note for note in all_notes(table_of([mcd])))
    assert any(note.startswith("MCD is a distance to one recording") for note in all_notes(table_of([mcd, crps])))


TIMED = """system,seed,sample,utterance,errors,length,error,warning,machine
a,0,0,u1,1,10,,,cpu of one
a,0,0,u2,2,10,,,cpu of one
b,0,0,u1,3,10,,,{machine}
b,0,0,u2,5,10,,,{machine}
"""


@pytest.mark.parametrize(("machine", "compared"), [("cpu of one", True), ("cpu of two", False), ("", True)])
def test_times_of_different_machines_are_neither_ranked_nor_tested(tmp_path, machine, compared):
    metric = Ratio()
    metric.info = replace(metric.info, timed=True)
    (tmp_path / "rtf.csv").write_text(TIMED.format(machine=machine), encoding="utf-8")
    rows = read_rows(tmp_path / "rtf.csv", metric, metric.info.signature)
    difference, contrast = rows.difference("b", "a", SAMPLING), rows.contrast({"b": 1, "a": -1}, SAMPLING)
    assert math.isnan(difference.value) is math.isnan(contrast.value) is not compared
    assert best_models(rows, ["a", "b"]) == ({"a"} if compared else set())
    assert rows.value("b") == pytest.approx(0.4), "the value itself is shown"
    write_clip_rows(clip_frame([rows], {}), tmp_path / "rows.parquet")
    assert read_clip_rows(tmp_path / "rows.parquet", metric).on_one_machine(["a", "b"]) is compared
