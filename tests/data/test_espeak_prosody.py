"""The embedded corpus: pitch and rate follow the stated distribution of prosody."""

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest
from espeak_pitch import measured_phrases

from ttsbench.data.espeak import voice as espeak_voice
from ttsbench.data.espeak.prosody import DEFAULT_SPEAKERS, SPEAKERS, TRUNCATION, PhraseProsody, ProsodyDistribution


def test_the_measured_pitch_matches_the_drawn_pitch(utterances):
    rows = [
        (np.log(phrase["pitch"]), np.log(f0), np.log(SPEAKERS[utterance.speaker].prosody.base_pitch_hz))
        for utterance, phrase, f0 in measured_phrases(utterances[:30])
    ]
    drawn, measured, base = np.array(rows).T
    assert abs((measured - drawn).mean()) < 0.03 and (measured - drawn).std() < 0.05
    assert np.corrcoef(drawn - base, measured - base)[0, 1] > 0.93  # within speakers


def test_the_drawn_rate_scales_the_duration(utterances):
    same_text = defaultdict(list)
    for utterance in utterances:
        if utterance.attributes["split"] == "test":
            for number, phrase in enumerate(utterance.attributes["phrases"]):
                same_text[utterance.text, number].append((phrase["rate"], phrase["end_s"] - phrase["start_s"]))
    logs = [np.log(rows) - np.log(rows).mean(axis=0) for rows in same_text.values()]
    rate, duration = np.concatenate(logs).T
    assert rate.std() > 0.05
    assert -1.1 < float(rate @ duration / (rate @ rate)) < -0.75
    assert np.corrcoef(rate, duration)[0, 1] < -0.97


def test_a_wider_range_moves_the_pitch_more():
    text = "our neighborhood librarian remembered yellow bananas"
    spread = []
    for value in (27.0, 70.0):
        speaker = SPEAKERS["f5"]
        levels = speaker.levels(PhraseProsody(205.0, value, 180.0))
        pyworld = pytest.importorskip("pyworld")
        samples = espeak_voice.speak(text, speaker.voice, **levels).samples.astype(float) / 32768
        f0, times = pyworld.dio(samples, 22050.0, f0_floor=50.0, f0_ceil=600.0)
        f0 = pyworld.stonemask(samples, f0, times, 22050.0)
        spread.append(np.log(f0[f0 > 0]).std())
    assert spread[1] > 1.5 * spread[0]


def test_the_manifest_states_the_distribution_of_prosody(corpus, utterances):
    stated = corpus.manifest()["prosody"]
    assert set(stated) == set(DEFAULT_SPEAKERS)
    for utterance in utterances:
        parameters = dict(stated[utterance.speaker])
        assert parameters.pop("truncation") == TRUNCATION
        distribution = ProsodyDistribution(**parameters)
        for phrase in utterance.attributes["phrases"]:
            drawn = PhraseProsody(phrase["pitch"], phrase["range"], phrase["rate"])
            assert math.isfinite(distribution.log_density(drawn))


def test_samples_follow_the_stated_equations():
    """Moments of 20,000 draws against those of the mixture and of truncated normals, by scipy."""
    stats = pytest.importorskip("scipy.stats")
    distribution = SPEAKERS["edward"].prosody
    rng = np.random.default_rng(1)
    drawn = [distribution.sample(rng) for _ in range(20000)]
    log_pitch = np.log([one.pitch for one in drawn]) - math.log(distribution.base_pitch_hz)
    log_rate = np.log([one.rate for one in drawn]) - math.log(distribution.base_rate_wpm)
    unit = stats.truncnorm(-TRUNCATION, TRUNCATION)
    assert log_pitch.mean() == pytest.approx(0.0, abs=0.005)
    assert log_pitch.std() == pytest.approx(math.hypot(0.14, distribution.pitch_std * unit.std()), rel=0.02)
    assert np.mean(np.abs(log_pitch) < 0.03) == 0.0  # nobody speaks at the mean
    assert stats.kstest(log_rate / distribution.rate_std, unit.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(log_pitch, log_rate)[0, 1]) < 0.03


def test_the_density_integrates_to_one():
    distribution = ProsodyDistribution(100.0, 170.0)
    steps = [np.linspace(-1.0, 1.0, 41) * limit for limit in (0.26, 0.42, 0.32)]
    axes = [0.5 * (step[1:] + step[:-1]) for step in steps]
    volume = math.prod(float(step[1] - step[0]) for step in steps)
    total = sum(
        math.exp(distribution.log_density(PhraseProsody(100 * math.exp(p), 45 * math.exp(r), 170 * math.exp(s))))
        for p, r, s in itertools.product(*axes)
    )
    assert total * volume == pytest.approx(1.0, abs=0.03)
    assert distribution.log_density(PhraseProsody(100.0, 45.0, 170.0)) == -math.inf


@pytest.mark.parametrize("name", SPEAKERS)
def test_the_extremes_are_within_the_range_of_espeak(name):
    base, rate = SPEAKERS[name].prosody.base_pitch_hz, SPEAKERS[name].prosody.base_rate_wpm
    for pitch, spread, speed in itertools.product((0.786, 1.272), (0.67, 1.5), (0.74, 1.35)):
        levels = SPEAKERS[name].levels(PhraseProsody(base * pitch, 45 * spread, rate * speed))
        assert 0 <= levels["pitch"] <= 100 and 0 <= levels["pitch_range"] <= 100 and 80 <= levels["rate"] <= 450
    assert base * 0.786 > 65  # the floor of the pitch trackers
