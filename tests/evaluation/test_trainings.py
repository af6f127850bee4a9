"""The training table: change of the validation loss in the last quarter, convergence and divergence."""

import json
import math
from types import SimpleNamespace

import pytest

from ttsbench.evaluation.training_summary import divergence_notes, training_lines, training_table
from ttsbench.pipeline.commands import _print_divergence


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
    write_training(run, validated, **cost)
    return training_table(run)


def write_training(run, validated, label="a", seed=0, **cost):
    """Write a training whose loss falls from 2 to 1."""
    folder = run / "train" / f"{label}-acoustic-seed{seed}"
    folder.mkdir(parents=True)
    rows = "".join(f"{step},{1 + (step == min(validated))},{value}\n" for step, value in validated.items())
    (folder / "curve.csv").write_text(f"step,loss_generator,valid_generator\n{rows}", encoding="utf-8")
    (folder / "model.json").write_text(json.dumps({"adapter": label, "role": "acoustic", "seed": seed}))
    costs = {"seconds": 9.0, "steps": 100, "saved_step": 100, "parameters": 10, **cost}
    (folder / "cost.json").write_text(json.dumps(costs), encoding="utf-8")


@pytest.mark.parametrize(
    ("validated", "diverged"),
    [
        ({25: 1.0, 50: 0.8, 75: 0.9, 100: 1.2}, True),  # progress undone
        ({25: 1.0, 75: 2.0, 100: 3.0}, True),  # never fell
        ({25: 1.0, 50: 0.8, 75: 0.9, 100: 0.95}, False),  # overfitted, but better than at the start
        ({25: 1.0, 50: 0.99, 75: 1.0, 100: 1.01}, False),  # a twentieth of the range of the training loss is noise
        ({25: 3.0, 75: 1.0, 100: 0.8}, False),
        ({100: 0.8}, False),
        ({}, False),
    ],
)
def test_a_validation_loss_above_its_start_is_a_divergence(tmp_path, validated, diverged):
    assert bool(_table_of(tmp_path, validated, {})["diverged"][0]) is diverged


def test_a_diverged_training_is_flagged_in_table_notes_and_on_the_terminal(tmp_path, capfd):
    write_training(tmp_path, {25: 1.0, 50: 0.8, 100: 1.5}, saved_step=50)
    write_training(tmp_path, {25: 1.0, 50: 0.8, 100: 0.7}, seed=1)
    write_training(tmp_path, {25: 1.0, 50: 0.8, 100: 0.7}, label="b")
    table = training_table(tmp_path)
    flagged = [line for line in training_lines(table) if "(diverged)" in line]
    assert len(flagged) == 1 and flagged[0].startswith("| a | acoustic | 2 |")
    (note,) = divergence_notes(table, {"a": "Model A", "b": "Model B"})
    assert "validation loss of Model A (acoustic model) diverged in 1 of 2 trainings" in note
    assert "weights are those of step 50 of 100" in note
    assert divergence_notes(table, {"b": "Model B"}) == []
    _print_divergence(SimpleNamespace(folder=tmp_path))
    assert "validation loss of a (acoustic model) diverged" in " ".join("".join(capfd.readouterr()).split())


def test_archives_of_earlier_versions_have_no_divergence_and_converged_by_their_last_change(tmp_path):
    rows = "a,a,acoustic,0,4,-0.1\na,a,acoustic,1,4,-0.01\na,a,acoustic,2,4,\n"
    (tmp_path / "training.csv").write_text(f"model,adapter,role,seed,parameters,valid_change\n{rows}")
    table = training_table(tmp_path)
    assert table["converged"].tolist() == [False, True, False] and not table["diverged"].any()
    assert training_lines(table)[-1].endswith("| 1 of 3 |")
