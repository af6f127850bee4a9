"""Paired differences, contrasts and their tests: against scipy, by enumeration, and by how often they reject."""

import itertools
import math

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
from known_scores import errors_and_words, mean, random, ratio, ratio_or_nan

from ttsbench.evaluation.stats import (
    Scores,
    bootstrap_interval,
    contrast,
    effect_size,
    holm,
    minimum_detectable_effect,
    paired_difference,
    permutation_test,
)


@pytest.fixture
def sample():
    return random().gamma(2.0, size=(60, 1))


# Paired differences


def test_pairs_see_what_intervals_of_each_do_not():
    rng = random()
    difficulty = rng.normal(size=(40, 1)) * 5
    a, b = Scores(difficulty + 0.5), Scores(difficulty + rng.normal(size=(40, 1)) * 0.1)
    difference = paired_difference(a, b, mean, random())
    assert 0.4 < difference.low < 0.5 < difference.high
    assert difference.value == pytest.approx(mean(a.rows) - mean(b.rows))
    alone = bootstrap_interval(a, mean, random())
    assert alone.low < mean(b.rows) < alone.high
    swapped = paired_difference(b, a, mean, random())
    assert swapped == pytest.approx((-difference.value, -difference.high, -difference.low, difference.error))


def test_the_error_of_a_mean_is_the_textbook_one(sample):
    found = paired_difference(Scores(sample), Scores(sample[::-1] * 2), mean, random(), resamples=20_000)
    each = (sample - sample[::-1] * 2)[:, 0]
    assert found.error == pytest.approx(each.std() / math.sqrt(60), rel=0.02)


def test_pairs_may_have_different_numbers_of_renderings(sample):
    names = [f"utt-{i}" for i in range(60)]
    a, b = Scores(np.repeat(sample, 3, axis=0), np.repeat(names, 3)), Scores(sample[::-1] - 1.0, names[::-1])
    assert paired_difference(a, b, mean, random()) == pytest.approx((1.0, 1.0, 1.0, 0.0))


@pytest.mark.parametrize("compare", [paired_difference, permutation_test])
def test_unequal_sets_are_not_compared(sample, compare):
    with pytest.raises(ValueError, match=r"2 are on one side only, for example b"):
        compare(Scores(sample[:2], ["a", "b"]), Scores(sample[:2], ["a", "c"]), mean, random())
    with pytest.raises(ValueError, match="same utterances"):
        compare(Scores(sample[:3]), Scores(sample[:2]), mean, random())


# Contrasts


def test_a_contrast_of_two_is_their_difference(sample):
    a, b = Scores(sample), Scores(sample[::-1] * 2)
    assert contrast((a, b), (1, -1), mean, random())[:4] == pytest.approx(paired_difference(a, b, mean, random()))


def test_a_contrast_of_four_sees_one_change_against_another():
    rng = random()
    difficulty = rng.normal(size=(50, 1)) * 5
    before, after = Scores(difficulty), Scores(difficulty + 1 + 0.1 * rng.normal(size=(50, 1)))
    worse = Scores(difficulty + 1.2 + 0.1 * rng.normal(size=(50, 1)))
    found = contrast((worse, before, after, before), (1, -1, -1, 1), mean, random())
    assert found.value == pytest.approx(0.2, abs=0.05)
    assert found.low > 0
    assert found.p == pytest.approx(2 / 1001)


def test_a_contrast_rejects_as_often_as_it_says():
    rng, found = random(), []
    for _ in range(200):
        systems = [Scores(rng.normal(size=(40, 1))) for _ in range(3)]
        found.append(contrast(systems, (1, -0.5, -0.5), mean, rng, resamples=200).p < 0.05)
    assert 0.02 <= np.mean(found) <= 0.11


# Permutation tests


@pytest.mark.parametrize("utterances", [2, 5, 11, 12])
def test_all_swaps_give_the_p_of_scipy(sample, utterances):
    a, b = sample[:utterances], sample[-utterances:] * 1.3
    theirs = scipy.stats.permutation_test(
        (a[:, 0], b[:, 0]), lambda x, y: x.mean() - y.mean(), permutation_type="samples", n_resamples=np.inf
    )
    assert permutation_test(Scores(a), Scores(b), mean, random()) == pytest.approx(theirs.pvalue, abs=1e-15)
    assert permutation_test(Scores(a), Scores(a), mean, random()) == 1


def test_random_swaps_come_near_the_p_of_scipy(sample):
    a, b = sample[:30], sample[30:] * 1.25
    theirs = scipy.stats.permutation_test(
        (a[:, 0], b[:, 0]),
        lambda x, y: x.mean() - y.mean(),
        permutation_type="samples",
        n_resamples=20_000,
        rng=random(1),
    )
    assert 0.02 < theirs.pvalue < 0.6
    assert permutation_test(Scores(a), Scores(b), mean, random(), 20_000) == pytest.approx(theirs.pvalue, abs=0.015)


def test_a_ratio_of_sums_by_enumeration():
    """All 2^8 swaps written out, of systems with two and three rows of every utterance."""
    rng, names = random(3), list("abcdefgh")
    a, b = errors_and_words(rng, 16, 0.15), errors_and_words(rng, 24, 0.4)
    blocks_a, blocks_b = a.reshape(8, 2, 2), b.reshape(8, 3, 2)
    found = []
    for swap in itertools.product([False, True], repeat=8):
        left = np.concatenate([y if s else x for s, x, y in zip(swap, blocks_a, blocks_b, strict=True)])
        right = np.concatenate([x if s else y for s, x, y in zip(swap, blocks_a, blocks_b, strict=True)])
        found.append(abs(ratio(left) - ratio(right)))
    expected = np.mean(np.array(found) >= found[0] - 1e-12)
    assert 0 < expected < 0.5
    scores = Scores(a, np.repeat(names, 2)), Scores(b, np.repeat(names, 3))
    assert permutation_test(*scores, ratio, random()) == expected


def test_seeds_and_draws_of_an_utterance_change_sides_together(sample):
    """Rows repeated over seeds and draws add no evidence: p is that of single rows."""
    labels = np.arange(60)
    a, b = sample, sample[::-1] * 1.1
    once = permutation_test(Scores(a, labels), Scores(b, labels), mean, random())
    seeds = np.tile([0, 0, 1, 1], 60)
    four_a = Scores(np.repeat(a, 4, axis=0), np.repeat(labels, 4), seeds)
    four_b = Scores(np.repeat(b, 4, axis=0), np.repeat(labels, 4), seeds)
    assert permutation_test(four_a, four_b, mean, random()) == once
    assert permutation_test(Scores(four_a.rows), Scores(four_b.rows), mean, random()) < once


def test_p_is_never_nought_and_unknown_where_a_swap_is(sample):
    assert permutation_test(Scores(sample), Scores(sample + 100), mean, random(), 200) == 1 / 201
    assert permutation_test(Scores(sample[:1]), Scores(sample[:1] + 9), mean, random()) == 1
    a, b = np.array([[1.0, 0.0], [1.0, 2.0]]), np.array([[1.0, 1.0], [1.0, 0.0]])
    assert math.isnan(permutation_test(Scores(a), Scores(b), ratio_or_nan, random()))


# Many comparisons


def test_holm_by_hand():
    """4 x .005, 3 x .01, 2 x .03, and .04 raised to what came before it."""
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.9])).tolist() == [1.0, 1.0]
    assert holm(np.array([0.02])).tolist() == [0.02]
    assert holm(np.array([])).tolist() == []


def test_what_is_unknown_counts_for_nothing_in_a_family():
    adjusted = holm(np.array([0.01, math.nan, 0.02]))
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.02])
    assert math.isnan(adjusted[1])


def test_holm_rejects_what_its_steps_reject():
    """Holm 1979 as he words it: go on while the next smallest p is at most level / what is left."""
    rng = random()
    for _ in range(200):
        p = rng.beta(0.4, 2, size=rng.integers(1, 9)).round(3)
        for level in (0.01, 0.05, 0.2):
            rejected, left = set(), len(p)
            for index in sorted(range(len(p)), key=lambda index: p[index]):
                if p[index] > level / left + 1e-15:
                    break
                rejected.add(index)
                left -= 1
            assert set(np.flatnonzero(holm(p) <= level + 1e-12)) == rejected


# Sizes of effects


def test_the_effect_size_of_a_mean_is_cohens_d_z(sample):
    each = (sample * 1.2 - sample[::-1])[:, 0]
    found = paired_difference(Scores(sample * 1.2), Scores(sample[::-1]), mean, random(), resamples=20_000)
    assert effect_size(found.value, found.error, 60) == pytest.approx(each.mean() / each.std(ddof=1), rel=0.025)
    assert math.isnan(effect_size(1.0, 0.0, 60))
    assert math.isnan(effect_size(1.0, math.nan, 60))


def test_a_shift_as_large_as_the_minimum_detectable_effect_is_found_four_times_of_five():
    """400 experiments of 50 pairs, each shifted by what a pilot of its own size called detectable."""
    rng, found = random(), 0
    for _ in range(400):
        pilot, noise = (rng.gamma(4.0, size=(50, 1)) - 4.0 for _ in range(2))
        nothing = Scores(np.zeros((50, 1)))
        mde = minimum_detectable_effect(paired_difference(Scores(pilot), nothing, mean, rng, 200).error, level=0.95)
        found += permutation_test(Scores(noise + mde), nothing, mean, rng, 200) < 0.05
    assert 0.74 <= found / 400 <= 0.86


def test_the_minimum_detectable_effect_by_hand():
    """(1.960 + 0.842) standard errors at the usual level and power, as in Bloom 1995."""
    assert minimum_detectable_effect(2.0, 0.95) == pytest.approx(2 * 2.8016, abs=1e-3)
    assert minimum_detectable_effect(2.0, 0.99, power=0.9) == pytest.approx(2 * (2.5758 + 1.2816), abs=1e-3)
