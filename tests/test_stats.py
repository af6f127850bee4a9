"""Intervals: against scipy, by coverage, and in the cases that have none."""

import math
import time

import numpy as np
import pytest
import scipy.stats

from ttsbench.stats import bootstrap_interval, paired_difference


def mean(rows):
    return float(rows[:, 0].mean())


def ratio(rows):
    return float(rows[:, 0].sum() / rows[:, 1].sum())


@pytest.fixture
def sample():
    return np.random.default_rng(0).gamma(2.0, size=(60, 1))


def test_interval_of_a_mean_agrees_with_scipy(sample):
    ours = bootstrap_interval(sample, mean, seed=1, resamples=20_000)
    theirs = scipy.stats.bootstrap(
        (sample[:, 0],), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.02 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.02 * width)
    narrower = bootstrap_interval(sample, mean, seed=1, resamples=20_000, level=0.5)
    assert ours.low < narrower.low < narrower.high < ours.high


def test_the_seed_decides(sample):
    assert bootstrap_interval(sample, mean, seed=3) == bootstrap_interval(sample, mean, seed=3)
    assert bootstrap_interval(sample, mean, seed=3) == bootstrap_interval(sample, mean, np.random.default_rng(3))
    assert bootstrap_interval(sample, mean, seed=3) != bootstrap_interval(sample, mean, seed=4)


def test_no_interval_where_there_is_no_spread_to_see(sample):
    assert all(map(math.isnan, bootstrap_interval(sample[:1], mean, seed=0)))
    assert all(map(math.isnan, bootstrap_interval(sample[:5], mean, seed=0, groups=["a"] * 5)))
    assert all(map(math.isnan, bootstrap_interval(np.array([[0.0, 0.0], [1.0, 1.0]]), ratio_or_nan, seed=0)))
    difference = paired_difference(sample[:1], sample[1:2], mean, seed=0)
    assert difference.value == pytest.approx(float(sample[0, 0] - sample[1, 0]))
    assert math.isnan(difference.low) and math.isnan(difference.high)


def ratio_or_nan(rows):
    return ratio(rows) if rows[:, 1].sum() else math.nan


def test_renderings_of_one_utterance_are_drawn_together(sample):
    """Repeating every row three times adds no evidence: with groups the interval is the very same."""
    labels = np.array([f"utt-{i:03d}" for i in range(len(sample))])
    once = bootstrap_interval(sample, mean, seed=5, groups=labels)
    thrice = bootstrap_interval(np.repeat(sample, 3, axis=0), mean, seed=5, groups=np.repeat(labels, 3))
    assert thrice == pytest.approx(once)
    naive = bootstrap_interval(np.repeat(sample, 3, axis=0), mean, seed=5)
    assert naive.high - naive.low < 0.7 * (once.high - once.low)


def test_groups_of_different_sizes_by_hand():
    rows, groups = np.array([[1.0], [2.0], [30.0]]), ["a", "a", "b"]
    seen = set()
    bootstrap_interval(rows, lambda drawn: seen.add(tuple(sorted(drawn[:, 0]))) or 0.0, seed=0, groups=groups)
    assert seen == {(1.0, 1.0, 2.0, 2.0), (1.0, 2.0, 30.0), (30.0, 30.0)}


def test_order_of_rows_does_not_matter_where_utterances_are_named(sample):
    labels, order = np.arange(60) // 2, np.random.default_rng(1).permutation(60)
    there = bootstrap_interval(sample, mean, seed=0, groups=labels)
    assert bootstrap_interval(sample[order], mean, seed=0, groups=labels[order]) == pytest.approx(there)


def test_pairs_see_what_intervals_of_each_do_not():
    rng = np.random.default_rng(0)
    difficulty = rng.normal(size=(40, 1)) * 5
    a, b = difficulty + 0.5, difficulty + rng.normal(size=(40, 1)) * 0.1
    difference = paired_difference(a, b, mean, seed=0)
    assert difference.low < 0.5 < difference.high
    assert difference.low > 0.4
    assert difference.value == pytest.approx(mean(a) - mean(b))
    alone = bootstrap_interval(a, mean, seed=0)
    assert alone.low < mean(b) < alone.high
    swapped = paired_difference(b, a, mean, seed=0)
    assert swapped == pytest.approx((-difference.value, -difference.high, -difference.low))


def test_pairs_may_have_different_numbers_of_renderings(sample):
    names = [f"utt-{i}" for i in range(60)]
    difference = paired_difference(
        np.repeat(sample, 3, axis=0), sample[::-1] - 1.0, mean, 0, np.repeat(names, 3), names[::-1]
    )
    assert difference == pytest.approx((1.0, 1.0, 1.0))


def test_unequal_sets_are_not_compared(sample):
    with pytest.raises(ValueError, match=r"2 are on one only, such as b"):
        paired_difference(sample[:2], sample[:2], mean, 0, ["a", "b"], ["a", "c"])
    with pytest.raises(ValueError, match="same utterances"):
        paired_difference(sample[:3], sample[:2], mean, 0)
    with pytest.raises(ValueError, match="groups have shape"):
        bootstrap_interval(sample[:3], mean, 0, groups=["a"])
    with pytest.raises(ValueError, match="rows have shape"):
        bootstrap_interval(sample[:, 0], mean, 0)


def test_a_ratio_of_sums_covers_the_truth_about_as_often_as_it_says():
    """Error counts of utterances of very different length: 95 % intervals, 300 corpora of 50."""
    rng = np.random.default_rng(0)
    hits = 0
    for corpus in range(300):
        length = rng.integers(3, 40, size=50)
        rows = np.stack([rng.binomial(length, 0.2), length], axis=1).astype(float)
        low, high = bootstrap_interval(rows, ratio, seed=corpus, resamples=300)
        hits += low <= 0.2 <= high
    assert 0.90 <= hits / 300 <= 0.985


def test_a_table_of_ten_systems_and_ten_metrics_takes_seconds(sample):
    start = time.process_time()
    for cell in range(20):
        bootstrap_interval(np.repeat(sample[:50], 2, axis=1), ratio, seed=cell)
    assert time.process_time() - start < 1.0, "a fifth of the table in a fifth of five seconds"
