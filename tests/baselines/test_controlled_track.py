"""The controlled track keeps its word: what differs between two rows is the objective."""

from importlib.metadata import entry_points

import pytest

from ttsbench import registry
from ttsbench.config.schema import ModelSize
from ttsbench.models.speech_model import SpeechModel

OWN = sorted(entry.name for entry in entry_points(group="ttsbench.adapters") if entry.value.startswith("baselines."))
SHAPES = {"acoustic": 80, "prosody": 2}


@pytest.mark.parametrize("dim", [128, 192])
@pytest.mark.parametrize("role", SHAPES)
def test_parameters_at_sampling_time_are_within_five_percent(role, dim):
    shape = {"n_phones": 50, "n_speakers": 3, "channels": SHAPES[role]}

    def built(name):
        sources = {source: built(source) for source in registry.starts_from(name, {})}
        return SpeechModel(name, {}, role, ModelSize(dim=dim), shape, sources)

    own = [name for name in OWN if role == "acoustic" or not registry.load("adapters", name).info.free_running]
    # Of the model itself: what refines a hypothesis runs the model that made it as well, and the table counts both.
    counts = {name: sum(one.numel() for one in built(name).saved_modules().parameters()) for name in own}
    assert max(counts.values()) <= 1.05 * min(counts.values()), counts
