"""Intervals and tests of differences: against scipy, by enumeration, by coverage, and where there is no answer."""

import itertools
import math
import time

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats

from ttsbench.stats import (
    Reduction,
    Scores,
    bootstrap_interval,
    contrast,
    crossing,
    effect_size,
    holm,
    minimum_detectable_effect,
    paired_difference,
    permutation_test,
)


def mean(rows):
    return float(rows[:, 0].mean())


def ratio(rows):
    return float(rows[:, 0].sum() / rows[:, 1].sum())


def ratio_or_nan(rows):
    return ratio(rows) if rows[:, 1].sum() else math.nan


def random(seed=0):
    return np.random.default_rng(seed)


def errors_and_words(rng, utterances=50, rate=0.2):
    length = rng.integers(3, 40, size=utterances)
    return np.stack([rng.binomial(length, rate), length], axis=1).astype(float)


@pytest.fixture
def sample():
    return random().gamma(2.0, size=(60, 1))


def of_sums(rows, weights):
    sums = weights @ rows
    return sums[:, 0] / sums[:, 1]


# Many resamples at once


def test_resamples_at_once_give_what_one_by_one_gives(monkeypatch):
    rng = random()
    rows = errors_and_words(rng, 120)
    utterances, seeds = np.repeat(np.arange(30), 4), np.tile([0, 0, 1, 1], 30)
    keep = rng.random(120) < 0.9  # some pairs lack a draw
    keep[:4] = True
    a = Scores(rows[keep], utterances[keep], seeds[keep])
    b = Scores(errors_and_words(rng, 60, 0.25), np.repeat(np.arange(30), 2), np.tile([0, 1], 30))
    monkeypatch.setattr("ttsbench.stats.scores.CHUNK", 10_000)  # several chunks
    at_once = Reduction(ratio, of_sums)
    for function in (paired_difference, permutation_test):
        assert function(a, b, at_once, random(1)) == pytest.approx(function(a, b, ratio, random(1)), rel=1e-12)
    assert bootstrap_interval(a, at_once, random(1)) == pytest.approx(bootstrap_interval(a, ratio, random(1)))


def test_a_resample_without_rows_has_no_value():
    apart = Scores(np.ones((2, 2)), [0, 1], [0, 1])  # no seed speaks both utterances
    for reduce in (ratio, Reduction(ratio, of_sums)):
        assert np.isnan(bootstrap_interval(apart, reduce, random(1))).all()


# Intervals over utterances


def test_interval_of_a_mean_agrees_with_scipy(sample):
    ours = bootstrap_interval(Scores(sample), mean, random(1), resamples=20_000)
    theirs = scipy.stats.bootstrap(
        (sample[:, 0],), np.mean, n_resamples=20_000, method="percentile", rng=random(2)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.02 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.02 * width)
    narrower = bootstrap_interval(Scores(sample), mean, random(1), resamples=20_000, level=0.5)
    assert ours.low < narrower.low < narrower.high < ours.high


def test_the_generator_decides(sample):
    def interval(seed):
        return bootstrap_interval(Scores(sample), mean, random(seed))

    assert interval(3) == interval(3)
    assert interval(3) != interval(4)


def test_no_interval_where_there_is_no_spread_to_see(sample):
    assert all(map(math.isnan, bootstrap_interval(Scores(sample[:1]), mean, random())))
    assert all(map(math.isnan, bootstrap_interval(Scores(sample[:5], ["a"] * 5), mean, random())))
    assert all(map(math.isnan, bootstrap_interval(Scores(sample[:5], ["a"] * 5, range(5)), mean, random())))
    undefined = Scores(np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert all(map(math.isnan, bootstrap_interval(undefined, ratio_or_nan, random())))
    difference = paired_difference(Scores(sample[:1]), Scores(sample[1:2]), mean, random())
    assert difference.value == pytest.approx(float(sample[0, 0] - sample[1, 0]))
    assert all(map(math.isnan, difference[1:]))


def test_renderings_of_one_utterance_are_drawn_together(sample):
    """Repeating every row three times adds no evidence: with utterances named the interval is the very same."""
    labels = np.array([f"utt-{i:03d}" for i in range(len(sample))])
    once = bootstrap_interval(Scores(sample, labels), mean, random(5))
    thrice = bootstrap_interval(Scores(np.repeat(sample, 3, axis=0), np.repeat(labels, 3)), mean, random(5))
    assert thrice == pytest.approx(once)
    naive = bootstrap_interval(Scores(np.repeat(sample, 3, axis=0)), mean, random(5))
    assert naive.high - naive.low < 0.7 * (once.high - once.low)


def seen_by(scores, resamples=300):
    """The multisets of the first column that a bootstrap looks at."""
    seen = []
    bootstrap_interval(scores, lambda drawn: seen.append(tuple(sorted(drawn[:, 0]))) or 0.0, random(), resamples)
    return seen


def test_utterances_with_different_numbers_of_rows_by_hand():
    scores = Scores(np.array([[1.0], [2.0], [30.0]]), ["a", "a", "b"])
    assert set(seen_by(scores)) == {(1.0, 1.0, 2.0, 2.0), (1.0, 2.0, 30.0), (30.0, 30.0)}


def test_order_of_rows_does_not_matter_where_utterances_are_named(sample):
    labels, order = np.arange(60) // 2, random(1).permutation(60)
    there = bootstrap_interval(Scores(sample, labels), mean, random())
    assert bootstrap_interval(Scores(sample[order], labels[order]), mean, random()) == pytest.approx(there)


def test_a_ratio_of_sums_covers_the_truth_about_as_often_as_it_says():
    """Error counts of utterances of very different length: 95 % intervals, 300 corpora of 50."""
    rng = random()
    hits = 0
    for corpus in range(300):
        rows = errors_and_words(rng)
        low, high = bootstrap_interval(Scores(rows), ratio, random(corpus), resamples=300)
        hits += low <= 0.2 <= high
    assert 0.90 <= hits / 300 <= 0.985


# Intervals over training seeds and utterances


def crossed(values):
    """Scores of a table of values (seeds, utterances)."""
    seeds, utterances = np.indices(np.shape(values)).reshape(2, -1)
    return Scores(np.reshape(values, (-1, 1)), utterances, seeds)


def test_a_drawn_pair_counts_as_often_as_both_were_drawn():
    """All 2^2 x 2^2 draws of two seeds and two utterances, enumerated, in the frequencies that they should have."""
    values = np.array([[1.0, 20.0], [300.0, 4000.0]])
    seen = seen_by(crossed(values), resamples=8000)
    expected: dict[tuple[float, ...], float] = {}
    for seeds in itertools.product(range(2), repeat=2):
        for utterances in itertools.product(range(2), repeat=2):
            drawn = tuple(sorted(values[s, u] for s in seeds for u in utterances))
            expected[drawn] = expected.get(drawn, 0) + 1 / 16
    assert set(seen) == set(expected)
    for drawn, share in expected.items():
        assert seen.count(drawn) / len(seen) == pytest.approx(share, abs=0.02)


def test_pairs_without_rows_add_nothing():
    scores = Scores(np.array([[1.0], [20.0], [300.0]]), ["a", "b", "a"], [0, 0, 1])
    seen = set(seen_by(scores))
    assert (1.0, 20.0, 300.0) in seen
    assert (20.0,) * 4 in seen
    assert math.isnan(bootstrap_interval(scores, mean, random()).low), "seed 1 alone never spoke b: nothing was drawn"


def test_the_parts_of_the_variance_are_those_of_owen():
    """2007, s. 3: what each random effect adds to the variance of a mean, one effect at a time, 3 seeds x 40."""
    rng, (seeds, utterances) = random(), (3, 40)
    effects = {"seed": (seeds, 1), "utterance": (1, utterances), "pair": (seeds, utterances)}
    factors = {"seed": 2 / 3, "utterance": 39 / 40, "pair": (2 - 1 / 3) * (2 - 1 / 40) - 1}
    for effect, shape in effects.items():
        found = []
        for _ in range(400):
            scores = crossed(np.broadcast_to(rng.normal(size=shape), (seeds, utterances)))
            found.append(paired_difference(scores, crossed(np.zeros((seeds, utterances))), mean, rng, 60).error ** 2)
        assert np.mean(found) == pytest.approx(factors[effect] / np.prod(shape), rel=0.12), effect


def test_one_seed_is_the_plain_bootstrap(sample):
    """Against a loop that draws utterances and knows of no seeds."""
    scores = Scores(sample, seeds=["7"] * 60)
    plain = [mean(sample[picks]) for picks in random(9).integers(0, 60, (500, 60))]
    assert bootstrap_interval(scores, mean, random(9), 500) == pytest.approx(np.quantile(plain, [0.025, 0.975]))


def test_two_systems_share_drawn_seeds_where_they_have_the_same():
    """A seed that is good in both systems cancels; with seeds of their own it does not."""
    values = np.array([[0.0] * 5, [10.0] * 5, [50.0] * 5])
    a, b = crossed(values + 1), crossed(values)
    assert paired_difference(a, b, mean, random()) == pytest.approx((1.0, 1.0, 1.0, 0.0))
    others = Scores(b.rows, b.utterances, np.asarray(b.seeds) + 3)
    assert paired_difference(a, others, mean, random()).error > 10
    fewer = crossed(values[:1])
    assert paired_difference(a, fewer, mean, random()).error > 10


def test_labels_must_be_of_the_rows(sample):
    with pytest.raises(ValueError, match="utterances have shape"):
        bootstrap_interval(Scores(sample[:3], ["a"]), mean, random())
    with pytest.raises(ValueError, match="seeds have shape"):
        bootstrap_interval(Scores(sample[:3], seeds=[1]), mean, random())
    with pytest.raises(ValueError, match="rows have shape"):
        bootstrap_interval(Scores(sample[:, 0]), mean, random())
    assert crossing(crossed(np.zeros((2, 3)))).table.shape == (2, 3, 1)


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
    with pytest.raises(ValueError, match=r"2 are on one only, such as b"):
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


# Metrics that finite samples push up


def divergence(rows):
    """Jensen-Shannon divergence in bits of two histograms side by side."""
    left, right = np.split(rows.sum(axis=0), 2)
    return float(scipy.spatial.distance.jensenshannon(left, right, base=2) ** 2)


def histograms(rng, weights, utterances=40, frames=25):
    """Counts of two systems, one spread evenly and one by weights (bins,), (utterances, 2 * bins)."""
    flat = np.full(len(weights), 1 / len(weights))
    return np.hstack([rng.multinomial(frames, p, size=utterances) for p in (flat, weights)]).astype(float)


def test_a_centred_interval_holds_its_value():
    """Two samples of one distribution: the plain percentile interval lies above the value, the centred about it."""
    rng, above, about = random(), 0, 0
    for corpus in range(20):
        rows = histograms(rng, np.full(64, 1 / 64))
        value = divergence(rows)
        plain = bootstrap_interval(Scores(rows), divergence, random(corpus), 100)
        centred = bootstrap_interval(Scores(rows), divergence, random(corpus), 100, centred=True)
        above += plain.low > value
        about += centred.low < value < centred.high
        assert centred.high - centred.low == pytest.approx(plain.high - plain.low)
    assert (above, about) == (20, 20)


def test_centred_intervals_cover_what_such_samples_give_on_average():
    rng, weights, hits = random(), np.array([2, 1, 1, 1, 1, 1, 0.6, 0.4]) / 8, 0
    truth = np.mean([divergence(histograms(rng, weights)) for _ in range(1000)])
    for _ in range(100):
        low, high = bootstrap_interval(Scores(histograms(rng, weights)), divergence, rng, 150, centred=True)
        hits += low <= truth <= high
    assert hits >= 88


def test_a_centred_difference_keeps_its_value_and_its_width(sample):
    a, b = Scores(sample), Scores(sample[::-1] * 2)

    def skewed(rows):
        return float(np.exp(rows[:, 0]).mean())

    plain, centred = (paired_difference(a, b, skewed, random(), centred=centred) for centred in (False, True))
    assert centred.value == plain.value
    assert centred.high - centred.low == pytest.approx(plain.high - plain.low)
    assert centred.low != plain.low


# Speed


def test_a_comparison_takes_a_fraction_of_a_second():
    """60 utterances x 3 seeds of a ratio of sums, 1,000 resamples and 1,000 permutations."""
    rng, labels = random(), [f"utt-{i:03d}" for i in range(60)]
    seeds, utterances = np.repeat([0, 1, 2], 60), np.tile(labels, 3)
    a, b = (Scores(errors_and_words(rng, 180), utterances, seeds) for _ in range(2))
    start = time.process_time()
    paired_difference(a, b, ratio, rng)
    permutation_test(a, b, ratio, rng)
    assert time.process_time() - start < 0.5, "0.05 s on an idle core"
