"""What is said beside the numbers of a run."""

import pytest
from tinycorpus import tiny_experiment

from ttsbench.engine.store import write_json
from ttsbench.reporting.run_notes import remarks


def test_whose_budget_is_not_that_of_the_rest_is_said(tmp_path):
    write_json(tmp_path / "prepare" / "notes.json", ["One clip was too long."])
    adapters = {
        "l1": {},
        "short": {"adapter": "l1", "steps": 3},
        "small": {"adapter": "l1", "batch_size": 2},
        "both": {"adapter": "l1", "steps": 3, "batch_size": 2},
    }
    said = remarks(tmp_path, tiny_experiment(None, adapters=adapters))
    assert said[1:] == [
        "Have a budget of their own: short (3 steps), small (2 in a batch), both (3 steps of 2 in a batch).",
        "One clip was too long.",
    ]
    assert len(remarks(tmp_path, tiny_experiment(None, adapters={"l1": {}}))) == 2


@pytest.mark.parametrize(
    ("label", "sources", "end"),
    [
        ("l1", ["oracle", "same"], "b the prosody's; oracle is the recording's."),
        ("l1", ["same"], "b the prosody's."),
        ("sled_text", ["oracle"], "b the prosody's; text is nobody's: a speaks from text alone."),
    ],
)
def test_the_names_of_rows_are_explained(tmp_path, label, sources, end):
    write_json(tmp_path / "prepare" / "notes.json", [])
    (said,) = remarks(tmp_path, tiny_experiment(None, adapters={label: {}}, prosody=sources))
    assert said.endswith(end)
