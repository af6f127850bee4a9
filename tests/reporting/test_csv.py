"""Cells of CSV files are never formulas of a spreadsheet, and numbers stay numbers."""

import csv

import numpy as np
import pandas as pd
import pytest

from ttsbench.engine.csv_cells import original_cell, safe_cell
from ttsbench.reporting.csv import write_csv

FORMULAS = ["=cmd|' /C calc'!A0", "+1+cmd|' /C calc'!A0", "-1+cmd|'/C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "=1", "-a"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formula_gets_an_apostrophe(text):
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", [*FORMULAS, *(f"'{text}" for text in FORMULAS), "'-5", "''", "'tis", "-5", "clip-1", ""]
)
def test_readers_of_rows_restore_the_text(text):
    assert original_cell(safe_cell(text)) == text


@pytest.mark.parametrize("value", ["clip-1", "", "-0.5", "+3", "-0.5 [-1.2, 0.3]", "1=2", "a@b", -0.5, None, True])
def test_other_cells_are_unchanged(value):
    assert safe_cell(value) is value


def test_file_names_and_comments_are_neutralised_and_numbers_are_not(tmp_path):
    frame = pd.DataFrame(
        {"utterance": ["=HYPERLINK(1)", "b"], "value": [-1.5, np.nan], "n": [-2, 3], "=x": ["@a", None]}
    )
    write_csv(frame, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["utterance", "value", "n", "'=x"], ["'=HYPERLINK(1)", "-1.5", "-2", "'@a"], ["b", "", "3", ""]
    ]  # fmt: skip
    assert list(frame.columns) == ["utterance", "value", "n", "=x"], "the frame itself is unchanged"
