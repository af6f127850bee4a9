"""Rows of all metrics, clip by clip, in one file."""

import math

import pandas as pd
import pytest
from ratio_rows import Ratio, write

from ttsbench.evaluation.clip_table import COLUMNS, clip_frame, write_clip_rows
from ttsbench.evaluation.metric_rows import read_rows


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
