"""From scored rows to tables: failures are counted and never numbers, and nobody is ranked on unequal sets."""

import csv
import io
import math

import numpy as np
import pytest

from ttsbench.results import SUMMARY_COLUMNS, Sampling, read_rows, summary, summary_frame
from ttsbench.score import NOT_APPLICABLE, measure
from ttsbench.tables import Table, latex, markdown
from ttsbench.types import Clip, Cost, MetricInfo

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


def write(path, rows):
    """Rows of (system, utterance, errors, length, error)."""
    lines = ["system,seed,sample,utterance,errors,length,error"]
    for system, utterance, errors, length, error in rows:
        lines.append(f"{system},0,0,{utterance},{errors},{length},{error}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


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


def table_of(metrics, systems=SYSTEMS, title="A title"):
    cells = summary(metrics, systems, SAMPLING)
    return Table(title, systems, REFERENCES, metrics, {(cell.system, cell.metric): cell for cell in cells}, ["A note."])


def frame_rows(metrics, systems=SYSTEMS):
    text = summary_frame(summary(metrics, systems, SAMPLING), metrics).to_csv(index=False, lineterminator="\n")
    return text, {(row["system"], row["metric"]): row for row in csv.DictReader(io.StringIO(text))}


# summary.csv


def test_the_columns_are_exactly_these(rate):
    text, _ = frame_rows([rate])
    assert text.splitlines()[0] == "system,metric,value,low,high,n,n_failed,unit,higher_is_better,signature"
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
    assert found.rows("a+oracle")[1].tolist() == [id_]


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
    value, low, high, n = rate.difference("b_1+oracle", "a+oracle", SAMPLING)
    assert n == 2
    assert value == pytest.approx(5 / 30 - 3 / 30)
    assert low <= value <= high
    nothing = rate.difference("ground-truth", "a+oracle", SAMPLING)
    assert nothing[3] == 0
    assert all(math.isnan(number) for number in nothing[:3])


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
    assert cells["system"] == "rate (%) ↓"
    assert cells["ground-truth"] == ""
    assert cells["a+oracle"].startswith("**")
    assert not cells["b_1+oracle"].startswith("**")
    assert "(2 of 3)" in cells["b_1+oracle"]
    assert "- A note." in lines
    assert "- b_1+oracle, rate: 1 failed, the first because: the clip is silent" in lines
    assert "- Rate of rate: `rate|v1|recogniser`" in lines


def test_latex(rate, tmp_path):
    other = read_rows(write(tmp_path / "x.csv", ROWS), Ratio("f_1 & co", higher=True, unit=""), "f|v1")
    text = latex(table_of([rate, other], title="50 % of everything"))
    lines = text.splitlines()
    assert lines[0] == "% 50 % of everything"
    assert r"\begin{tabular}{lrr}" in lines
    assert [line for line in lines if line.startswith("\\")][-1] == r"\end{tabular}"
    body = [line for line in lines if line.endswith(r"\\")]
    assert len(body) == 1 + len(SYSTEMS)
    assert body[0] == r"System & Rate of rate (\%) $\downarrow$ & Rate of f\_1 \& co $\uparrow$ \\"
    for line in body:
        assert line.replace(r"\&", "").count("&") == 2
    assert body[1] == r"ground-truth & -- & -- \\"
    assert body[4].startswith(r"b\_1+oracle & ")
    assert r"\textbf{" in body[3].split(" & ")[1]
    assert r"\textbf{" in body[4].split(" & ")[2]
    assert lines.count(r"\midrule") == 2
    assert lines[lines.index(body[2]) + 1] == r"\midrule"
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


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
    assert measure(metric, clip_of(), clip_of(), False) == {"error": "the clip has no transcript"}
    assert "values" in measure(metric, clip_of(transcript=""), clip_of(), False)
