"""Search spaces of tuning: the same number of different settings for every objective, the default first."""

import math
from dataclasses import replace

import pytest

from ttsbench import ConfigError, registry
from ttsbench.config.systems import SamplingSettings
from ttsbench.pipeline.search import trial_settings

TRIALS = 8
SEARCHED = sorted(name for name in registry.registered("adapters") if registry.load("adapters", name).info.search)


def settings_of(adapter):
    return SamplingSettings(adapter, registry.load("adapters", adapter).info.nfe[0], 1.0)


@pytest.mark.parametrize("adapter", SEARCHED)
def test_every_objective_has_the_same_number_of_different_trials(adapter):
    search = registry.load("adapters", adapter).info.search
    trials = trial_settings(settings_of(adapter), adapter, search, TRIALS)
    assert len({repr(trial) for trial in trials}) == TRIALS
    first = trials[0]
    assert (first.nfe, first.temperature) == (settings_of(adapter).nfe, 1.0)
    assert first.options == {
        name: value for name, value in registry.sampling_options(adapter).items() if name in search
    }
    for trial in trials[1:]:
        values = {"nfe": trial.nfe, "temperature": trial.temperature, **trial.options}
        assert all(values[name] in choices for name, choices in search.items())
    assert trials == trial_settings(settings_of(adapter), adapter, search, TRIALS), "not random"


def test_all_stochastic_objectives_with_aligned_output_can_be_tuned():
    infos = {name: registry.load("adapters", name).info for name in registry.registered("adapters")}
    assert not {name for name, info in infos.items() if info.stochastic and not info.free_running} - set(SEARCHED)


def test_settings_of_the_label_are_kept_where_the_search_does_not_vary_them():
    label = replace(settings_of("nce_ebm"), options={"step": 0.5}, nfe=7)
    trials = trial_settings(label, "nce_ebm", {"noise": (0.0, 0.1)}, 3)
    assert trials[0].options == {"noise": 0.03, "step": 0.5}
    assert {trial.options["noise"] for trial in trials[1:]} == {0.0, 0.1}
    assert {(trial.nfe, trial.options["step"]) for trial in trials} == {(7, 0.5)}


def test_a_space_with_fewer_settings_than_trials_is_refused():
    search = {"temperature": (0.5, 1.0)}
    with pytest.raises(ConfigError, match="has 2 different sampling settings, and 3 trials were requested"):
        trial_settings(settings_of("flow"), "flow", search, 3)


def test_spaces_are_large_enough():
    sizes = {name: math.prod(map(len, registry.load("adapters", name).info.search.values())) for name in SEARCHED}
    assert min(sizes.values()) >= TRIALS
