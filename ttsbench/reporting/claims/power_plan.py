"""Training seeds, utterances and draws that decide a claim, computed from the variances of a finished run.

``ttsbench/evaluation/stats/power.py`` has the formulas. The effect to be found is the margin of the claim, or another
one that the user gives. A run that finds an effect of that size with 80 % power, and shows equal systems to be
equivalent within it with 80 % power, decides the claim either way; its number of seeds is the larger of the two.

More utterances or draws only help where they are most of the variance. Their part is known for differences of two
systems under metrics that are means over utterances; for others the table says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ttsbench.evaluation.stats import (
    VarianceComponents,
    seeds_needed,
    seeds_needed_for_equivalence,
    variance_components,
)
from ttsbench.evaluation.stats.power import MOST_SEEDS
from ttsbench.reporting.claims.effect import Effect
from ttsbench.reporting.claims.scored_run import ScoredRun

TOLERANCE = 1e-6
FACTORS = ((2, 1), (4, 1), (1, 4))  # of utterances and draws


def seeds_to_decide(effect: float, deviation: float, power: float = 0.8) -> int | None:
    """Return the number of seeds that decides either way about an effect; None above 1,000.

    >>> seeds_to_decide(effect=1.0, deviation=0.5)
    5
    """
    both = (seeds_needed(effect, deviation, power), seeds_needed_for_equivalence(effect, deviation, power))
    return None if None in both else max(number for number in both if number is not None)


def needs(findings: Sequence[Effect], least: int) -> str:
    """Return a sentence on the training seeds that would decide a claim, at the utterances and draws of the run."""
    if any(math.isnan(effect.deviation) for effect in findings):
        return f"a longer run needs at least {least} seeds; a single seed shows no variance to say how many"
    numbers = [seeds_to_decide(effect.margin, effect.deviation) for effect in findings]
    hardest = max(findings, key=lambda effect: effect.deviation / effect.margin)
    size = f"the margin of {hardest.margin:g}, with a deviation of {hardest.deviation:.3g} between trainings"
    if any(number is None for number in numbers):
        return f"a longer run needs more than {MOST_SEEDS} seeds for {size}"
    return f"a longer run needs {max(least, *(number or 0 for number in numbers))} seeds for {size}"


def power_table(
    findings: Mapping[str, Sequence[Effect]], run: ScoredRun, effect: float | None = None, power: float = 0.8
) -> list[str]:
    """Return Markdown lines: for every comparison the seeds that decide it, now and with more utterances or draws.

    ``effect`` is the size to be found, by default the margin of each claim.
    """
    changes = [_change(*factors) for factors in FACTORS]
    lines = [
        f"| claim | comparison | effect | deviation | seeds now | seeds needed | {' | '.join(changes)} |",
        f"|---|---|---:|---:|---:|---:|{'---:|' * len(changes)}",
    ]
    for name, measured in findings.items():
        for each in measured:
            size = effect or each.margin
            found = components(each, run)
            further = [_with_more(found, size, each.n, factors, power) for factors in FACTORS]
            now = "" if math.isnan(each.deviation) else _seeds(seeds_to_decide(size, each.deviation, power))
            lines.append(
                f"| {name} | {each.sentence} | {size:g} | {each.deviation:.3g} | {each.seeds} | {now} "
                f"| {' | '.join(further)} |"
            )
    return lines


def components(effect: Effect, run: ScoredRun) -> tuple[VarianceComponents, int] | None:
    """Return the variance components of a difference and its draws; None if the metric is no mean over utterances."""
    if effect.pair is None or effect.seeds < 2:
        return None
    rows = run.metrics[effect.metric]
    common = run.common_utterances(effect.metric, effect.pair)
    clips = rows.clips()
    clips = clips[clips["system"].isin(effect.pair) & clips["utterance"].isin(common)]
    table = clips.pivot_table(index=["seed", "utterance", "sample"], columns="system", values="value").dropna()
    if table.shape[1] < 2:
        return None
    difference = (table[effect.pair[0]] - table[effect.pair[1]]).unstack(["utterance", "sample"]).dropna(axis=1)
    draws = difference.columns.get_level_values("sample").nunique()
    utterances = difference.columns.get_level_values("utterance").nunique()
    if difference.shape[1] != draws * utterances or min(len(difference), utterances) < 2:
        return None
    cube = difference.sort_index(axis=1).to_numpy().reshape(len(difference), utterances, draws)
    means = np.abs(cube.mean(axis=(1, 2)))
    if len(means) != effect.seeds or not np.allclose(means, np.abs(effect.per_seed), rtol=TOLERANCE, atol=TOLERANCE):
        return None
    return variance_components(cube), draws


def _with_more(
    found: tuple[VarianceComponents, int] | None, size: float, n: int, factors: tuple[int, int], power: float
) -> str:
    if found is None or (factors[1] > 1 and found[0].draws == 0):
        return ""
    parts, draws = found
    return _seeds(seeds_to_decide(size, parts.seed_deviation(n * factors[0], draws * factors[1]), power))


def _change(utterances: int, draws: int) -> str:
    return f"with {utterances} x utterances" if utterances > 1 else f"with {draws} x draws"


def _seeds(number: int | None) -> str:
    return f"more than {MOST_SEEDS}" if number is None else str(number)
