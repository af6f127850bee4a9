"""Divergence from the distribution that the embedded corpus was drawn from."""

import math
from dataclasses import replace

import numpy as np
import pytest
import pyworld
from espeak_clips import clips, renderings
from measuring import measured

from metrics.known_prosody import DURATION_EXPONENT, KnownLogF0Divergence, KnownRateDivergence
from ttsbench import MeasurementError, NotApplicable, Phone
from ttsbench.audio.histogram import Bins
from ttsbench.data.espeak.known_density import integrated, phrases
from ttsbench.data.espeak.prosody import SPEAKERS

RATE = 22050


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return clips(tmp_path_factory.mktemp("espeak") / "corpus", minutes=1, speakers=("f5", "edward"))


def test_phrases_are_located_by_their_phones(corpus):
    """In another rendering of the text, as well as the corpus itself knows where they lie."""
    for clip, reference, own in renderings(corpus):
        for phrase, known in zip(phrases(clip, reference), own, strict=True):
            extent = phrase.clip[0].start_s, phrase.clip[-1].end_s
            assert extent == pytest.approx((known["start_s"], known["end_s"]), abs=1e-6)


def test_pitch_and_rate_of_another_rendering_are_measured(corpus):
    """The errors that the metrics declare are those they make."""
    errors = {"pitch": [], "rate": []}
    for clip, reference, own in renderings(corpus):
        prosody = SPEAKERS[clip.speaker].prosody
        at = [one.at(16_000) for one in (clip, reference)]
        for phrase, known in zip(phrases(clip, reference), own, strict=True):
            pitch = KnownLogF0Divergence().value(*at, phrase)
            rate = KnownRateDivergence().value(clip, reference, phrase)
            errors["pitch"].append(pitch - math.log(known["pitch"] / prosody.base_pitch_hz))
            errors["rate"].append(rate - math.log(known["rate"] / prosody.base_rate_wpm))
    assert len(errors["rate"]) >= 12
    assert np.std(errors["rate"]) < 0.03 and np.quantile(np.abs(errors["pitch"]), 0.5) < 0.015


@pytest.mark.parametrize(("build", "value"), [(KnownLogF0Divergence, "pitch"), (KnownRateDivergence, "rate")])
def test_the_recordings_are_near_the_floor(build, value, corpus):
    metric = build()
    rows = np.concatenate([measured(metric, clip, clip) for clip in corpus])
    drawn = [
        math.log(phrase[value] / vars(SPEAKERS[clip.speaker].prosody)[f"base_{value}_{unit}"])
        for clip in corpus
        for phrase in clip.attributes["phrases"]
        for unit in ("hz" if value == "pitch" else "wpm",)
    ]
    edges = metric.bins.low + metric.bins.width * np.arange(metric.bins.count + 1)
    np.testing.assert_array_equal(rows.sum(axis=0)[: metric.bins.count], np.histogram(drawn, edges)[0])
    floor = metric.floor(rows, np.random.default_rng(0))
    assert metric.reduce(rows) < 2 * floor


def test_a_monotone_is_far_from_the_known_pitch(corpus):
    """Every phrase at the speaker's base pitch, which is almost never spoken, by WORLD."""
    metric, rows = KnownLogF0Divergence(), []
    for reference in corpus[3:10]:
        x, base = reference.samples.astype(np.float64), SPEAKERS[reference.speaker].prosody.base_pitch_hz
        coarse, times = pyworld.dio(x, RATE, f0_floor=65.0)
        f0 = pyworld.stonemask(x, coarse, times, RATE)
        voice = pyworld.cheaptrick(x, f0, times, RATE), pyworld.d4c(x, f0, times, RATE)
        flat = pyworld.synthesize(np.where(f0 > 0, base, 0.0), *voice, RATE)
        clip = replace(reference, samples=flat.astype(np.float32))
        rows.append(measured(metric, clip, reference)[0])
    rows = np.array(rows)
    assert metric.reduce(rows) > 0.6 > 3 * metric.floor(rows, np.random.default_rng(0))


def test_slower_speech_has_a_lower_rate(corpus):
    metric = KnownRateDivergence()
    factor = math.exp(2 * metric.bins.width * DURATION_EXPONENT)  # two bins down
    rows = []
    for reference in corpus:
        slow = tuple(Phone(one.label, one.start_s * factor, one.end_s * factor) for one in reference.phones)
        rows.append(metric.measure(replace(reference, phones=slow), reference))
        here = metric.measure(reference, reference)
        count = metric.bins.count
        if not any(here[:2]):
            assert rows[-1][: count - 2] == here[2:count] and rows[-1][count:] == here[count:]
    steady = np.array([metric.measure(one, one) for one in corpus])
    assert metric.reduce(np.array(rows)) > metric.reduce(steady) + 0.05


def test_the_known_probabilities_agree_with_draws():
    """200,000 draws of ``ProsodyDistribution`` with errors added, against the integral; within 5 standard errors."""
    prosody, rng, count = SPEAKERS["edward"].prosody, np.random.default_rng(0), 200_000
    drawn = [prosody.sample(rng) for _ in range(count // 20)]
    for metric, base, error, values in (
        (KnownLogF0Divergence(), prosody.base_pitch_hz, 0.02, [one.pitch for one in drawn]),
        (KnownRateDivergence(), prosody.base_rate_wpm, 0.017, [one.rate for one in drawn]),
    ):
        noisy = np.repeat(np.log(values) - math.log(base), 20)[:, None] + error * rng.standard_normal((count, 1))
        probabilities = metric.probabilities("edward")
        assert probabilities.sum() == pytest.approx(1.0)
        allowed = 5 * np.sqrt(probabilities / len(drawn)) + 1e-3
        assert (np.abs(metric.bins.histogram(noisy)[0] / count - probabilities) < allowed).all()


def test_integration_by_scipys_truncated_normal():
    stats = pytest.importorskip("scipy.stats")
    bins = Bins(-0.5, 0.1, 10)
    expected = np.diff(stats.truncnorm(-2, 2, scale=0.2).cdf(np.linspace(-0.5, 0.5, 11)))
    np.testing.assert_allclose(integrated([0.0], 0.2, 1e-3, bins), expected, atol=2e-3)


def test_the_floor_agrees_with_theory():
    """E JS = (K - 1) / (8 n ln 2): half of that of two samples, as one side does not vary."""
    metric, n = KnownLogF0Divergence(), 5_000
    rows = np.tile(np.full(32, n / 16 / 100), (100, 1))
    assert metric.floor(rows, np.random.default_rng(0)) == pytest.approx(15 / (8 * n * math.log(2)), rel=0.1)


@pytest.mark.parametrize("build", [KnownLogF0Divergence, KnownRateDivergence])
def test_unknown_distributions_do_not_apply(build, corpus):
    metric, clip = build(), corpus[0]
    for unknown in (replace(clip, attributes={}), replace(clip, speaker="someone")):
        with pytest.raises(NotApplicable, match="is not known"):
            measured(metric, unknown, clip)
    shorter = replace(clip, phones=clip.phones[:-2])
    with pytest.raises(MeasurementError, match=r"are not the .* of its reference"):
        measured(metric, shorter, clip)
    phrase = {**clip.attributes["phrases"][0], "start_s": 90, "end_s": 91}
    elsewhere = replace(clip, attributes={"phrases": [phrase]})
    with pytest.raises(MeasurementError, match="prepare the corpus again"):
        measured(metric, elsewhere, clip)
    with pytest.raises(MeasurementError, match="silent"):
        measured(metric, replace(clip, samples=np.zeros_like(clip.samples)), clip)


def test_an_unvoiced_phrase_is_refused(corpus):
    clip = next(one for one in corpus if len(one.attributes["phrases"]) > 1)
    samples, first = clip.samples.copy(), clip.attributes["phrases"][0]
    span = slice(int(first["start_s"] * RATE), int(first["end_s"] * RATE))
    samples[span] = 0.02 * np.random.default_rng(0).standard_normal(len(samples[span]))
    lost = replace(clip, samples=samples)
    with pytest.raises(MeasurementError, match=r"less than 20% of clip .* is voiced from"):
        measured(KnownLogF0Divergence(), lost, clip)
