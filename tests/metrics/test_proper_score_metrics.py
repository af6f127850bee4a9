"""Metrics of several draws: what they read from a clip, what they refuse, and which sampler they prefer."""

import numpy as np
import pytest
import scoringrules

from metrics.calibration import Calibration, Coverage50, Coverage75, Coverage90, ProsodyCalibration
from metrics.proper_scores import Crps, EnergyScore, ProsodyCrps, ProsodyEnergyScore, WindowEnergyScore
from ttsbench.config.schema import MelConfig
from ttsbench.errors import MeasurementError, NotApplicable
from ttsbench.evaluation.draws import draws_of_wavs, read_draws, write_draws
from ttsbench.types import Clip, Draws, Phone

DB = 20 / np.log(10)
LABELS = ("SIL", "N", "OW1", "SIL", "S", "IY1", "T", "SIL")
MEL_METRICS = [EnergyScore, WindowEnergyScore, Crps, Calibration, Coverage50, Coverage75]


def clip_of(draws):
    phones = tuple(Phone(label, 0.1 * index, 0.1 * index + 0.1) for index, label in enumerate(LABELS))
    return Clip("u1", np.full(8000, 0.1, np.float32), 16000, phones=phones, draws=draws)


def planted(scale, draws=8, seed=0):
    """A sampler whose spread is ``scale`` times that of the recordings around their mean, and a recording."""
    rng = np.random.default_rng(seed)
    mel, prosody = rng.normal(size=(120, 20)), rng.normal(size=(len(LABELS), 2))
    count = draws if scale else 1
    sampled = Draws(
        (mel + scale * rng.normal(size=(count, 120, 20))).astype(np.float32),
        (prosody + scale * rng.normal(size=(count, len(LABELS), 2))).astype(np.float32),
    )
    recorded = Draws(
        (mel + rng.normal(size=(1, 120, 20))).astype(np.float32),
        (prosody + rng.normal(size=(1, len(LABELS), 2))).astype(np.float32),
    )
    return clip_of(sampled), clip_of(recorded)


def value(metric, *pairs):
    return metric.reduce(np.array([metric.measure(*pair) for pair in pairs]))


# Values


def test_scores_are_those_of_scoringrules_in_decibels():
    clip, reference = planted(1.0)
    x, y = clip.draws.log_mel.astype(float) * DB, reference.draws.log_mel[0].astype(float) * DB
    crps = scoringrules.crps_ensemble(y, np.moveaxis(x, 0, -1), estimator="fair").mean()
    energy = scoringrules.es_ensemble(y, np.moveaxis(x, 0, -2), estimator="fair").mean() / np.sqrt(20)
    assert Crps().measure(clip, reference)[0] == pytest.approx(crps, abs=1e-9)
    assert EnergyScore().measure(clip, reference)[0] == pytest.approx(energy, abs=1e-9)


def test_prosody_is_scored_by_phrase_without_pauses():
    clip, reference = planted(1.0)
    scores = []
    for phrase in ([1, 2], [4, 5, 6]):
        x = clip.draws.prosody[:, phrase].reshape(8, -1).astype(float)
        y = reference.draws.prosody[0, phrase].ravel().astype(float)
        scores.append(scoringrules.es_ensemble(y, x, estimator="fair") / np.sqrt(y.size))
    assert ProsodyEnergyScore().measure(clip, reference)[0] == pytest.approx(np.mean(scores), abs=1e-9)


@pytest.mark.parametrize("metric", [EnergyScore(), WindowEnergyScore(), Crps(), ProsodyEnergyScore(), ProsodyCrps()])
def test_calibrated_sampler_scores_better_than_the_mean_and_than_one_that_is_too_wide(metric):
    mean, right, wide = (value(metric, *(planted(scale, seed=seed) for seed in range(60))) for scale in (0.0, 1.0, 2.0))
    assert right < 0.97 * min(mean, wide)


@pytest.mark.parametrize("metric", [Calibration(), ProsodyCalibration()])
def test_calibration_tells_planted_samplers_apart(metric):
    mean, right, wide = (value(metric, *(planted(scale, seed=seed) for seed in range(60))) for scale in (0.0, 1.0, 2.0))
    assert mean == 0
    assert right == pytest.approx(1, abs=0.06)
    assert wide > 1.4


@pytest.mark.parametrize(("metric", "level"), [(Coverage50(), 0.5), (Coverage75(), 0.75)])
def test_coverage_of_a_calibrated_sampler_is_the_level(metric, level):
    covered = [value(metric, *(planted(scale, seed=seed) for seed in range(20))) for scale in (0.0, 1.0, 2.0)]
    assert covered[0] == 0
    assert covered[1] == pytest.approx(level, abs=0.02)
    assert covered[2] > level + 0.1


# Refusals


@pytest.mark.parametrize("metric", MEL_METRICS)
def test_frames_that_do_not_correspond_are_no_question(metric):
    clip, reference = planted(1.0)
    with pytest.raises(NotApplicable):
        metric().measure(clip_of(Draws(None, clip.draws.prosody)), reference)


@pytest.mark.parametrize("metric", MEL_METRICS)
def test_other_lengths_are_refused(metric):
    clip, reference = planted(1.0)
    short = clip_of(Draws(clip.draws.log_mel[:, :100]))
    with pytest.raises(MeasurementError, match="has 100 frames and its reference 120"):
        metric().measure(short, reference)
    assert metric().measure(clip_of(Draws(clip.draws.log_mel[:, :118])), reference)  # padding of a vocoder


@pytest.mark.parametrize("metric", [*MEL_METRICS, ProsodyEnergyScore])
def test_clip_without_draws_is_no_question_and_a_failed_draw_is_a_failure(metric):
    _, reference = planted(1.0)
    with pytest.raises(NotApplicable):
        metric().measure(clip_of(None), reference)
    with pytest.raises(MeasurementError, match="draw 2 of 8 failed"):
        metric().measure(clip_of(Draws(failure="draw 2 of 8 failed: it diverged")), reference)


def test_nine_tenths_need_nineteen_draws():
    with pytest.raises(NotApplicable, match="8 draws hold central intervals up to 78%"):
        Coverage90().measure(*planted(1.0))
    assert value(Coverage90(), *(planted(1.0, 19, seed) for seed in range(20))) == pytest.approx(0.9, abs=0.02)


# Draws on disk and from wavs


def test_stored_draws_come_back(tmp_path):
    clip, _ = planted(1.0)
    write_draws(tmp_path, "u1", clip.draws)
    stored = read_draws(tmp_path, "u1")
    assert np.abs(stored.log_mel - clip.draws.log_mel).max() < 0.002
    assert np.array_equal(stored.prosody, clip.draws.prosody)
    assert read_draws(tmp_path, "u2") is None


def test_draws_of_folders_need_one_length():
    mel, rng = MelConfig(), np.random.default_rng(0)
    long, other, short = (rng.normal(0, 0.1, size).astype(np.float32) for size in (22_050, 22_050 + 300, 20_000))
    assert draws_of_wavs([(long, 22_050), (other, 22_050)], mel).log_mel.shape == (2, 86, 80)
    assert "have 78 to 86 frames" in draws_of_wavs([(long, 22_050), (short, 22_050)], mel).failure
