"""Training seeds as units: t tests against scipy, equivalence, and how often planted trainings get each decision."""

import math

import numpy as np
import pytest
import scipy.stats
from known_scores import mean, ratio

from ttsbench.evaluation.stats import (
    Scores,
    decide,
    difference_of_means,
    difference_power,
    equivalence_p,
    equivalence_power,
    seed_difference,
    seed_values,
    seeds_needed,
    seeds_needed_for_equivalence,
    variance_components,
)

UTTERANCES = 40
LIMIT = {400: 32}  # more rejections in 400 comparisons at level .05 have probability .005 (binomial)


def trainings(rng, effect=0.0, seeds=5, between=1.0, first_seed=0):
    """A system with several trainings; the difficulty of utterances is shared by all systems of one generator."""
    difficulty = np.random.default_rng(99).normal(0, 3, UTTERANCES)
    values = effect + between * rng.normal(size=(seeds, 1)) + difficulty + rng.normal(size=(seeds, UTTERANCES))
    labels, utterances = np.indices((seeds, UTTERANCES)).reshape(2, -1)
    return Scores(values.reshape(-1, 1), utterances, labels + first_seed)


# Differences


def test_seed_values_reduce_each_training():
    scores = Scores(np.array([[1.0, 2.0], [3.0, 2.0], [5.0, 10.0]]), ["u", "v", "u"], [0, 0, 1])
    values, seeds = seed_values(scores, ratio)
    assert values.tolist() == [1.0, 0.5] and seeds.tolist() == [0, 1]


def test_same_seeds_are_a_paired_t_test():
    rng = np.random.default_rng(0)
    a, b = trainings(rng, 0.8), trainings(rng)
    found = seed_difference(a, b, mean)
    theirs = scipy.stats.ttest_rel(seed_values(a, mean)[0], seed_values(b, mean)[0])
    interval = theirs.confidence_interval()
    assert (found.p, found.df) == (pytest.approx(theirs.pvalue), 4)
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_other_seeds_are_the_test_of_welch():
    rng = np.random.default_rng(1)
    a, b = trainings(rng, 0.8, seeds=5), trainings(rng, seeds=3, between=3.0, first_seed=5)
    found = seed_difference(a, b, mean)
    theirs = scipy.stats.ttest_ind(seed_values(a, mean)[0], seed_values(b, mean)[0], equal_var=False)
    interval = theirs.confidence_interval()
    assert (found.p, found.df) == (pytest.approx(theirs.pvalue), pytest.approx(theirs.df))
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert found.seeds == 3


def test_one_seed_says_nothing_of_others():
    found = difference_of_means(np.array([1.0]))
    assert found.value == 1.0
    assert all(map(math.isnan, (found.low, found.high, found.p)))
    assert decide(found, 0.1) == "undecided"


@pytest.mark.parametrize("paired", [True, False])
def test_trainings_of_one_objective_seldom_differ(paired):
    rng = np.random.default_rng(2)
    pairs = [(trainings(rng), trainings(rng, first_seed=0 if paired else 5)) for _ in range(400)]
    assert sum(seed_difference(a, b, mean).p < 0.05 for a, b in pairs) <= LIMIT[400]


# Equivalence and decisions


def test_equivalence_is_two_one_sided_tests():
    d = np.array([0.1, -0.2, 0.3, 0.05, -0.1])
    found = difference_of_means(d)
    above = scipy.stats.ttest_1samp(d, -0.5, alternative="greater").pvalue
    below = scipy.stats.ttest_1samp(d, 0.5, alternative="less").pvalue
    assert equivalence_p(found, 0.5) == pytest.approx(max(above, below))
    with pytest.raises(ValueError, match="must be positive"):
        equivalence_p(found, 0.0)


def test_equivalence_agrees_with_the_interval_of_90_percent():
    rng = np.random.default_rng(3)
    for _ in range(200):
        found = difference_of_means(rng.normal(0.2, 0.3, 5), level=0.9)
        within = found.low > -0.5 and found.high < 0.5
        assert (equivalence_p(found, 0.5) < 0.05) == within


@pytest.mark.parametrize(("effect", "decision"), [(0.0, "equivalent"), (2.0, "greater"), (-3.0, "less")])
def test_planted_effects_get_the_decision_they_should(effect, decision):
    """In margins, with deviations between trainings of two fifths of one: at least four times of five."""
    rng = np.random.default_rng(4)
    found = [decide(difference_of_means(rng.normal(effect, 0.4, 5)), 1.0) for _ in range(300)]
    assert found.count(decision) >= 0.8 * len(found)


def test_wrong_equivalence_is_as_rare_as_the_level():
    """A true difference of one margin is called equivalent one time in twenty."""
    rng = np.random.default_rng(5)
    found = [decide(difference_of_means(rng.normal(1.0, 0.2, 5)), 1.0) for _ in range(400)]
    assert found.count("equivalent") <= LIMIT[400]


# Power


@pytest.mark.parametrize(("effect", "seeds"), [(0.5, 5), (1.0, 5), (1.5, 5), (1.0, 12)])
def test_power_is_the_rate_of_detections(effect, seeds):
    rng = np.random.default_rng(6)
    p = [difference_of_means(rng.normal(effect, 1.0, seeds)).p for _ in range(1500)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(difference_power(effect, 1.0, seeds), abs=0.035)


@pytest.mark.parametrize(("margin", "effect", "seeds"), [(1.5, 0.0, 5), (2.0, 0.5, 5), (1.0, 0.0, 12)])
def test_power_of_equivalence_is_the_rate_of_equivalences(margin, effect, seeds):
    rng = np.random.default_rng(7)
    p = [equivalence_p(difference_of_means(rng.normal(effect, 1.0, seeds)), margin) for _ in range(1500)]
    expected = equivalence_power(margin, 1.0, seeds, effect)
    assert np.mean(np.array(p) < 0.05) == pytest.approx(expected, abs=0.035)


def test_needed_seeds_reach_the_power():
    assert seeds_needed(1.0, 1.0) == 10  # Cohen 1988, d_z = 1 at .8
    for needed, power in (
        (seeds_needed(0.4, 1.0), lambda seeds: difference_power(0.4, 1.0, seeds)),
        (seeds_needed_for_equivalence(0.6, 1.0), lambda seeds: equivalence_power(0.6, 1.0, seeds)),
    ):
        assert power(needed) >= 0.8 > power(needed - 1)
    assert seeds_needed(0.001, 1.0) is None


def test_variance_components_are_recovered():
    rng = np.random.default_rng(8)
    estimates = []
    for _ in range(200):
        d = (0.5 * rng.normal(size=(6, 1, 1)) + 2.0 * rng.normal(size=(1, 30, 1)) + 1.0 * rng.normal(size=(6, 30, 1))
             + 1.5 * rng.normal(size=(6, 30, 4)))  # fmt: skip
        found = variance_components(d)
        estimates.append((found.seeds, found.utterances, found.pairs, found.draws))
    assert np.mean(estimates, axis=0) == pytest.approx([0.25, 4.0, 1.0, 2.25], rel=0.1)


def test_components_predict_a_larger_run():
    rng = np.random.default_rng(9)

    def run(utterances, draws):
        return (0.5 * rng.normal(size=(2000, 1, 1)) + rng.normal(size=(2000, utterances, 1))
                + 2 * rng.normal(size=(2000, utterances, draws)))  # fmt: skip

    predicted = variance_components(run(10, 2)).seed_deviation(40, 4)
    assert run(40, 4).mean(axis=(1, 2)).std(ddof=1) == pytest.approx(predicted, rel=0.15)


def test_components_need_two_seeds():
    with pytest.raises(ValueError, match="at least 2 seeds"):
        variance_components(np.zeros((1, 5, 1)))
