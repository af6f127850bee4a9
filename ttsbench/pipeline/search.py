"""The settings that are tried when the sampling of a system is tuned.

The search space is declared by the adapter: ``AdapterInfo.search`` maps ``temperature``, ``nfe`` and options of
``sample`` to the values that each may take. The first trial has the settings of the label. The others are drawn without
replacement from all combinations, by a generator whose seed is the name of the adapter, so that every experiment tries
the same settings. All systems have the same number of trials, whatever the size of their search space: a comparison of
tuned systems is fair only at equal effort (G. E. Dahl et al., "Benchmarking neural network training algorithms", 2023,
https://arxiv.org/abs/2306.07179; I. Gulrajani and D. Lopez-Paz, "In search of lost domain generalization", 2021,
https://arxiv.org/abs/2007.01434).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from ttsbench import registry
from ttsbench.config.systems import SamplingSettings
from ttsbench.errors import ConfigError

FIELDS = ("temperature", "nfe")  # settings of every adapter; other names are options of its `sample`


def trial_settings(
    label: SamplingSettings, adapter: str, search: Mapping[str, Sequence[Any]], trials: int
) -> list[SamplingSettings]:
    """Return ``trials`` different settings, those of the label first; raises ``ConfigError`` if the space is too small.

    Options that the label leaves out are written out with the default of ``sample``.
    """
    own = registry.sampling_options(adapter)
    default = replace(label, options={**{name: own[name] for name in search if name in own}, **label.options})
    combinations = [dict(zip(search, values, strict=True)) for values in product(*search.values())]
    others = [settings for choice in combinations if (settings := with_choice(default, choice)) != default]
    if len(others) < trials - 1:
        raise ConfigError(
            f"tuning.trials: '{adapter}' has {len(others) + 1} different sampling settings, and {trials} trials were "
            "requested. Lower tuning.trials, or remove `tuned` from its label."
        )
    rng = np.random.default_rng(list(adapter.encode()))
    chosen = rng.choice(len(others), size=trials - 1, replace=False)
    return [default, *(others[index] for index in chosen)]


def with_choice(settings: SamplingSettings, choice: Mapping[str, Any]) -> SamplingSettings:
    """Return the settings with the values of one point of the search space."""
    options = {name: value for name, value in choice.items() if name not in FIELDS}
    own = {name: value for name, value in choice.items() if name in FIELDS}
    return replace(settings, **own, options={**settings.options, **options})
