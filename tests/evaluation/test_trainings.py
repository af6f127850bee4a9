"""What is told of trainings: where the validation loss went in the last quarter."""

import json
import math

import pytest

from ttsbench.evaluation.training_summary import training_table


@pytest.mark.parametrize(
    ("validated", "change"),
    [
        ({25: 3.0, 75: 1.0, 100: 0.8}, -0.2 / 2.2),
        ({40: 2.0, 80: 1.0, 100: 0.9}, (0.9 - 1.125) / 1.1),  # 1.125 at 75, between the two
        ({40: 2.0, 100: 1.0}, -25 / 60),
        ({80: 2.0, 100: 1.0}, math.nan),  # nobody knows where it was
        ({25: 1.0, 75: 2.0, 100: 3.0}, math.nan),  # never fell
        ({}, math.nan),
    ],
)
def test_the_last_quarter_of_a_fall(tmp_path, validated, change):
    folder = tmp_path / "train" / "a-acoustic-seed0"
    folder.mkdir(parents=True)
    rows = "".join(f"{step},1,{value}\n" for step, value in validated.items())
    (folder / "curve.csv").write_text(f"step,loss_generator,valid_generator\n{rows}", encoding="utf-8")
    (folder / "model.json").write_text(json.dumps({"adapter": "a", "role": "acoustic", "seed": 0}), encoding="utf-8")
    (folder / "cost.json").write_text(json.dumps({"seconds": 9.0, "steps": 100, "parameters": 10}), encoding="utf-8")
    assert training_table(tmp_path)["valid_change"][0] == pytest.approx(change, nan_ok=True)
