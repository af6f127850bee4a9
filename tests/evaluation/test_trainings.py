"""The training table: the change of the validation loss in the last quarter, and which trainings converged."""

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
        ({80: 2.0, 100: 1.0}, math.nan),  # not validated before the last quarter
        ({25: 1.0, 75: 2.0, 100: 3.0}, math.nan),  # never fell
        ({}, math.nan),
    ],
)
def test_the_last_quarter_of_a_fall(tmp_path, validated, change):
    assert _table_of(tmp_path, validated, {})["valid_change"][0] == pytest.approx(change, nan_ok=True)


@pytest.mark.parametrize(
    ("validated", "cost", "converged"),
    [
        ({25: 3.0, 75: 1.0, 100: 0.95}, {"keep": "best"}, True),  # 2 % of the fall
        ({25: 3.0, 75: 1.0, 100: 0.8}, {"keep": "best"}, False),
        ({25: 3.0, 75: 1.0, 100: 2.5}, {"keep": "best"}, True),  # it rises, but the checkpoint at 75 is saved
        ({25: 3.0, 75: 1.0, 100: 2.5}, {"keep": "last"}, False),
        ({25: 3.0, 60: 1.0, 80: 0.99, 100: 0.5}, {"keep": "best", "decay_from": 80, "plateau": False}, True),
        ({25: 3.0, 60: 1.0, 80: 0.5, 100: 0.49}, {"keep": "best", "decay_from": 80, "plateau": False}, False),
        ({25: 3.0, 80: 1.0, 100: 0.5}, {"keep": "best", "decay_from": 80, "plateau": True}, True),
        ({}, {"keep": "best"}, False),
    ],
)
def test_convergence_is_that_of_the_saved_checkpoint(tmp_path, validated, cost, converged):
    assert _table_of(tmp_path, validated, cost)["converged"][0] == converged


def _table_of(run, validated, cost):
    """The training table of a run with one model."""
    folder = run / "train" / "a-acoustic-seed0"
    folder.mkdir(parents=True)
    rows = "".join(f"{step},1,{value}\n" for step, value in validated.items())
    (folder / "curve.csv").write_text(f"step,loss_generator,valid_generator\n{rows}", encoding="utf-8")
    (folder / "model.json").write_text(json.dumps({"adapter": "a", "role": "acoustic", "seed": 0}), encoding="utf-8")
    costs = {"seconds": 9.0, "steps": 100, "parameters": 10, **cost}
    (folder / "cost.json").write_text(json.dumps(costs), encoding="utf-8")
    return training_table(run)
