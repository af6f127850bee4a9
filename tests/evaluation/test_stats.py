"""Intervals: against scipy, by enumeration, by coverage, and where there is no answer."""

import itertools
import math

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
from known_scores import errors_and_words, mean, random, ratio, ratio_or_nan

from ttsbench.evaluation.stats import (
    Reduction,
    Scores,
    bootstrap_interval,
    crossing,
    paired_difference,
    permutation_test,
)


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
    monkeypatch.setattr("ttsbench.evaluation.stats.scores.CHUNK", 10_000)  # several chunks
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


@pytest.mark.parametrize(("utterances", "limit"), [(5, 0.13), (8, 0.09), (12, 0.08), (19, 0.08)])
def test_intervals_of_few_utterances_are_widened(utterances, limit):
    """Percentile intervals leave out the mean of normal values in .16, .12, .09 and .07 of cases."""
    rng, outside = random(), 0
    for _ in range(600):
        low, high = bootstrap_interval(Scores(rng.normal(size=(utterances, 1))), fast_mean(), rng, 300)
        outside += not low <= 0 <= high
    assert outside / 600 <= limit


def test_intervals_of_twenty_utterances_are_percentiles():
    sample = random().normal(size=(20, 1))
    resamples = sample[random(5).integers(0, 20, (1000, 20)), 0].mean(axis=1)
    interval = bootstrap_interval(Scores(sample), mean, random(5))
    assert interval == pytest.approx(tuple(np.quantile(resamples, [0.025, 0.975])))


def fast_mean():
    """The mean of the first column, with its weighted form."""
    return Reduction(mean, lambda rows, weights: weights @ rows[:, 0] / weights.sum(axis=1))
