"""Notes explain row names, starting points and budgets, and speak of displayed titles."""

import pytest
from tinycorpus import tiny_experiment

from ttsbench.engine.store import write_json
from ttsbench.reporting.run_notes import run_notes


def notes_of(folder, systems, titles=None, **values):
    write_json(folder / "prepare" / "notes.json", ["One clip was too long."])
    return run_notes(folder, tiny_experiment(None, table={"titles": titles or {}}, **values), systems)


def test_models_with_their_own_budget_are_named(tmp_path):
    adapters = {
        "l1": {},
        "short": {"adapter": "l1", "steps": 3},
        "small": {"adapter": "l1", "batch_size": 2},
        "both": {"adapter": "l1", "steps": 3, "batch_size": 2},
    }
    systems = ["l1+oracle", "short+oracle", "small+oracle", "both+oracle"]
    assert notes_of(tmp_path, systems, adapters=adapters)[1:] == [
        "Trained with a different budget: short (3 steps), small (batches of 2), both (3 steps, batches of 2).",
        "One clip was too long.",
    ]
    assert len(notes_of(tmp_path, ["l1+oracle"], adapters=adapters)) == 2, "what is not shown is not mentioned"
    titled = notes_of(tmp_path, systems[:2], {name: name.upper() for name in systems}, adapters=adapters)
    assert titled == ["Trained with a different budget: SHORT+ORACLE (3 steps).", "One clip was too long."]


@pytest.mark.parametrize(
    ("systems", "end"),
    [
        (["l1+oracle", "l1+l1"], 'prosody model; "oracle" is the prosody of the recording.'),
        (["l1+l1"], "prosody model."),
        (
            ["sled_text+text"],
            'prosody model; with "text" the acoustic model reads text alone and needs no prosody model.',
        ),
    ],
)
def test_names_of_rows_are_explained(tmp_path, systems, end):
    note, *_ = notes_of(tmp_path, systems, adapters={"l1": {}, "sled_text": {}})
    assert note.startswith("Rows are named acoustic model + ") and note.endswith(end)


def test_starting_points_are_titles_of_objectives(tmp_path):
    notes = notes_of(tmp_path, ["dmd+oracle"], {"dmd+oracle": "Distilled"}, adapters={"dmd": {}, "l1": {}})
    assert notes[0].startswith("Start from other trained models") and "Distilled (" in notes[0]
    assert "dmd" not in notes[0]
