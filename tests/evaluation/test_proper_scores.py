"""Proper scores, calibration and coverage, against scoringrules and against samplers whose law is known."""

import numpy as np
import pytest
import scoringrules
from numpy.testing import assert_allclose

from ttsbench.evaluation.stats.proper import (
    calibration,
    crps,
    energy_score,
    interval_coverage,
    spread_and_error,
    widest_interval,
    windowed_energy_score,
)

EXACT = {"rtol": 0, "atol": 1e-9}


def sample(draws=8, shape=(30, 12), seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(draws, *shape)), rng.normal(size=shape)


# Formulas


@pytest.mark.parametrize("draws", [2, 3, 8, 32])
def test_crps_is_that_of_scoringrules(draws):
    x, y = sample(draws)
    assert_allclose(crps(x, y), scoringrules.crps_ensemble(y, np.moveaxis(x, 0, -1), estimator="fair"), **EXACT)


@pytest.mark.parametrize("draws", [2, 3, 8, 32])
def test_energy_score_is_that_of_scoringrules(draws):
    x, y = sample(draws)
    theirs = scoringrules.es_ensemble(y, np.moveaxis(x, 0, -2), estimator="fair")
    assert_allclose(energy_score(x, y) * np.sqrt(12), theirs, **EXACT)


def test_energy_score_of_windows_is_that_of_the_joined_frames():
    x, y = sample(5, (23, 4))
    starts = [0, 10, 13]  # the last window ends with the last frame
    joined = np.stack([x[:, start : start + 10].reshape(5, 40) for start in starts], axis=1)
    theirs = scoringrules.es_ensemble(
        np.stack([y[start : start + 10].ravel() for start in starts]), np.moveaxis(joined, 0, -2), estimator="fair"
    )
    assert_allclose(windowed_energy_score(x, y, 10) * np.sqrt(40), theirs, **EXACT)


def test_short_sequence_is_one_window():
    x, y = sample(3, (6, 4))
    assert_allclose(windowed_energy_score(x, y, 10), windowed_energy_score(x, y, 6), **EXACT)
    assert windowed_energy_score(x, y, 10).shape == (1,)


def test_single_draw_is_scored_as_a_deterministic_forecast():
    x, y = sample(1)
    assert_allclose(crps(x, y), np.abs(x[0] - y), **EXACT)
    assert_allclose(energy_score(x, y), np.sqrt(((x[0] - y) ** 2).mean(axis=-1)), **EXACT)
    assert calibration(x, y) == 0
    assert interval_coverage(x, y, 0.5).sum() == 0
    assert interval_coverage(x, x[0], 0.5).all()


def test_fair_scores_do_not_depend_on_the_number_of_draws():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(16, 200_000)), rng.normal(size=200_000)
    few, many = crps(x[:2], y).mean(), crps(x, y).mean()
    assert few == pytest.approx(many, abs=0.006)
    assert many == pytest.approx(1 / np.sqrt(np.pi), abs=0.004)  # a standard normal that forecasts itself


# Samplers whose law is known


def planted(scale, draws=8, elements=20_000, seed=3):
    """A sampler around the true mean whose standard deviation is ``scale`` times the true one; 0 is the mean."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=elements)
    y = mean + rng.normal(size=elements)
    return (mean + scale * rng.normal(size=(draws, elements)))[: draws if scale else 1], y


def test_planted_samplers_are_distinguished():
    """A calibrated sampler has the best scores; the mean and an over-dispersed sampler are worse, on either side."""
    scores = {scale: crps(*planted(scale)).mean() for scale in (0.0, 1.0, 2.0)}
    energy = {scale: energy_score(*(array.reshape(*array.shape[:-1], -1, 10) for array in planted(scale))).mean()
              for scale in scores}  # fmt: skip
    for score in (scores, energy):
        assert score[1.0] < 0.95 * min(score[0.0], score[2.0])
    ratio = {scale: calibration(*planted(scale)) for scale in scores}
    assert ratio[0.0] == 0
    assert ratio[1.0] == pytest.approx(1, abs=0.02)
    assert ratio[2.0] == pytest.approx(np.sqrt(4 * 9 / 8 / (1 + 4 / 8)), abs=0.03)
    covered = {scale: interval_coverage(*planted(scale), 0.5).mean() for scale in scores}
    assert covered[0.0] == 0
    assert covered[1.0] == pytest.approx(0.5, abs=0.02)
    assert covered[2.0] > 0.7


@pytest.mark.parametrize("draws", [2, 4, 8])
def test_correction_makes_calibration_independent_of_the_number_of_draws(draws):
    assert calibration(*planted(1.0, draws)) == pytest.approx(1, abs=0.02)


def test_spread_and_error_have_one_expectation():
    spread, error = spread_and_error(*planted(1.0, 3))
    assert spread.mean() == pytest.approx(error.mean(), rel=0.03)


def test_calibration_without_error_is_undefined():
    x, _ = sample(1)
    assert np.isnan(calibration(x, x[0]))


@pytest.mark.parametrize(("draws", "level"), [(3, 0.5), (8, 0.5), (8, 0.75), (19, 0.9), (30, 0.9)])
def test_coverage_of_a_calibrated_sampler_is_the_level(draws, level):
    x, y = sample(draws, (100_000,))
    assert interval_coverage(x, y, level).mean() == pytest.approx(level, abs=0.005)


def test_coverage_by_hand():
    """Ranks among four draws stand for fifths, of which the central half holds 0, 3/4, 1, 3/4 and 0."""
    x = np.array([1.0, 2.0, 3.0, 4.0])[:, None]
    expected = {0.5: 0, 1.5: 0.75, 2.5: 1, 3.5: 0.75, 4.5: 0, 2.0: (0.75 + 1) / 2}
    for y, covered in expected.items():
        assert interval_coverage(x, np.array([y]), 0.5).item() == pytest.approx(covered), y


def test_collapsed_sampler_covers_nothing():
    assert interval_coverage(np.zeros((8, 5)), np.arange(1.0, 6.0), 0.5).sum() == 0


def test_interval_beyond_the_draws_is_refused():
    assert widest_interval(8) == pytest.approx(7 / 9)
    with pytest.raises(ValueError, match="reaches beyond 8 draws, which hold 78%"):
        interval_coverage(*sample(8), 0.9)
