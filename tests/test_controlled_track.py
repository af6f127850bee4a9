"""The controlled track keeps its word: what differs between two rows is the objective."""

from importlib.metadata import entry_points

import pytest

from ttsbench.config import ModelSize
from ttsbench.model import SpeechModel

OWN = sorted(entry.name for entry in entry_points(group="ttsbench.adapters") if entry.value.startswith("baselines."))
SHAPES = {"acoustic": 80, "prosody": 2}


@pytest.mark.parametrize("dim", [128, 192])
@pytest.mark.parametrize("role", SHAPES)
def test_parameters_at_sampling_time_are_within_five_percent(role, dim):
    shape = {"n_phones": 50, "n_speakers": 3, "channels": SHAPES[role]}
    counts = {name: SpeechModel(name, {}, role, ModelSize(dim=dim), shape).parameter_count() for name in OWN}
    assert max(counts.values()) <= 1.05 * min(counts.values()), counts
