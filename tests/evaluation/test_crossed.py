"""Means over listeners and utterances: against analysis of variance, by coverage, and where there is no answer."""

import math

import numpy as np
import pytest
import scipy.stats

from ttsbench.evaluation.stats import Scores, bootstrap_interval, crossed_estimate

LEVEL = 0.95


def ratings(rng, listeners, utterances, systems, parts, crossed):
    """Simulated ratings of true mean 0: values, systems, listeners, utterances.

    ``parts``: standard deviations of listener, utterance, listener by system, utterance by system, single rating.
    ``crossed``: everybody hears everything; else an utterance once, under one system (a Latin square).
    """
    who, what, which = (axis.ravel() for axis in np.indices((listeners, utterances, systems)))
    if not crossed:
        kept = which == (who + what) % systems
        who, what, which = who[kept], what[kept], which[kept]
    shapes = [listeners, utterances, (listeners, systems), (utterances, systems), len(who)]
    drawn = [rng.normal(0, part, shape) for part, shape in zip(parts, shapes, strict=True)]
    listener, utterance, taste, realised, noise = drawn
    values = listener[who] + utterance[what] + taste[who, which] + realised[what, which] + noise
    return values, which, who, what


def iid(values):
    """The interval that takes every rating to be independent."""
    half = scipy.stats.t.ppf(0.5 + LEVEL / 2, len(values) - 1) * scipy.stats.sem(values)
    return values.mean() - half, values.mean() + half


DESIGNS = {
    "mos": (18, 36, 6, (0.5, 0.2, 0.2, 0.3, 0.7), False),
    "mushra": (16, 10, 4, (10.0, 5.0, 4.0, 5.0, 10.0), True),
}


@pytest.mark.parametrize("design", DESIGNS)
def test_intervals_cover_about_as_often_as_they_say_and_independence_does_not(design):
    rng, tests = np.random.default_rng(0), 400
    held = dict.fromkeys(("mean", "difference", "iid"), 0)
    wider = 0
    for _ in range(tests):
        values, systems, listeners, utterances = ratings(rng, *DESIGNS[design])
        mean = crossed_estimate(values, systems, {0: 1.0}, listeners, utterances)
        difference = crossed_estimate(values, systems, {0: 1.0, 1: -1.0}, listeners, utterances)
        low, high = iid(values[systems == 0])
        held["mean"] += mean.low <= 0 <= mean.high
        held["difference"] += difference.low <= 0 <= difference.high
        held["iid"] += low <= 0 <= high
        wider += mean.high - mean.low > high - low
    assert 0.92 <= held["mean"] / tests <= 0.98
    assert 0.92 <= held["difference"] / tests <= 0.98
    assert held["iid"] / tests < 0.88
    assert wider / tests > 0.97


def test_p_of_systems_that_are_alike_is_below_a_twentieth_in_a_twentieth_of_cases():
    rng, tests = np.random.default_rng(1), 400
    parts = (0.5, 0.2, 0.2, 0.0, 0.7)
    simulated = (ratings(rng, 24, 24, 4, parts, crossed=False) for _ in range(tests))
    p = [crossed_estimate(values, systems, {0: 1.0, 1: -1.0}, *who).p for values, systems, *who in simulated]
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.08


def test_the_variance_is_that_of_a_two_way_analysis_of_variance():
    """Everybody rates everything once: (MS_listeners + MS_utterances - MS_rest) / n, from expected mean squares."""
    table = np.random.default_rng(2).normal(size=(30, 40)) + np.random.default_rng(3).normal(size=(30, 1))
    table = table + 0.7 * np.random.default_rng(4).normal(size=(1, 40))
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    rest = table - rows - columns + table.mean()
    squares = 40 * rows.var(ddof=1) + 30 * columns.var(ddof=1) - (rest**2).sum() / (29 * 39)
    listeners, utterances = (axis.ravel() for axis in np.indices(table.shape))
    ours = crossed_estimate(table.ravel(), np.zeros(1200), {0: 1.0}, listeners, utterances)
    assert ours.value == pytest.approx(table.mean())
    assert ours.error == pytest.approx(math.sqrt(squares / 1200), rel=0.02)
    assert ours.high - ours.value == pytest.approx(scipy.stats.t.ppf(0.975, 29) * ours.error)


def test_where_listeners_are_what_differs_it_agrees_with_the_pigeonhole_bootstrap():
    values, systems, listeners, utterances = ratings(np.random.default_rng(5), 40, 40, 1, (1, 0.5, 0, 0, 0.2), True)
    ours = crossed_estimate(values, systems, {0: 1.0}, listeners, utterances)
    scores = Scores(values[:, None], utterances, listeners)
    theirs = bootstrap_interval(scores, lambda rows: float(rows.mean()), np.random.default_rng(0), 2000)
    assert ours.high - ours.low == pytest.approx(theirs.high - theirs.low, rel=0.1)


def test_a_difference_is_paired_within_listeners_and_utterances():
    """Listeners who use the scale very differently do not blur what they all hear."""
    rng = np.random.default_rng(6)
    values, systems, listeners, utterances = ratings(rng, 20, 20, 2, (3.0, 3.0, 0, 0, 0.1), True)
    values = values + 0.5 * (systems == 1)
    mean = crossed_estimate(values, systems, {1: 1.0}, listeners, utterances)
    difference = crossed_estimate(values, systems, {1: 1.0, 0: -1.0}, listeners, utterances)
    assert difference.value == pytest.approx(0.5, abs=0.05)
    assert difference.high - difference.low < 0.05 * (mean.high - mean.low)
    assert difference.p < 0.001


def test_where_there_is_no_answer():
    ones, two = np.ones(4), np.array([0, 0, 1, 1])
    other = np.array([0, 1, 0, 1])
    lonely = crossed_estimate(ones, ones, {1.0: 1.0}, np.zeros(4), other)
    assert lonely.value == 1.0
    assert all(map(math.isnan, lonely[1:]))
    assert all(map(math.isnan, crossed_estimate(ones, ones, {2.0: 1.0}, two, other)))
    alike = crossed_estimate(ones, ones, {1.0: 1.0}, two, other)
    assert (alike.value, alike.error) == (1.0, 0.0)
    assert math.isnan(alike.low)


def test_p_is_never_less_than_a_sign_test_of_the_listeners_could_give():
    who, what = (axis.ravel() for axis in np.indices((4, 30)))
    unanimous = crossed_estimate(np.ones(120), np.zeros(120), {0: 1.0}, who, what)
    assert unanimous.p == scipy.stats.binomtest(4, 4, 0.5).pvalue
    nearly = crossed_estimate(1 + 1e-6 * np.random.default_rng(7).normal(size=120), np.zeros(120), {0: 1.0}, who, what)
    assert nearly.p == unanimous.p
    assert crossed_estimate(np.zeros(120), np.zeros(120), {0: 1.0}, who, what).p == 1.0


def test_the_order_of_ratings_and_the_kind_of_labels_do_not_matter():
    values, systems, listeners, utterances = ratings(np.random.default_rng(8), 6, 8, 2, (1, 1, 0, 0, 1), True)
    order = np.random.default_rng(9).permutation(len(values))
    named = [np.array([f"x{label:02d}" for label in labels]) for labels in (systems, listeners, utterances)]
    there = crossed_estimate(values, systems, {0: 1.0, 1: -1.0}, listeners, utterances)
    again = crossed_estimate(
        values[order], named[0][order], {"x00": 1.0, "x01": -1.0}, *(one[order] for one in named[1:])
    )
    assert again == pytest.approx(there)
