"""Divergence from the known distribution of the hidden voice quality of the embedded corpus."""

import math
from dataclasses import replace

import numpy as np
import pytest
from espeak_clips import clips, renderings
from measuring import measured

from metrics.known_voice import EFFORT_ERROR, FORMANT_ERROR, KnownEffortDivergence, KnownFormantDivergence
from ttsbench import MeasurementError, NotApplicable
from ttsbench.data.espeak.estimate import FREQUENCIES_HZ, TILT_SLOPE, compare
from ttsbench.data.espeak.known_density import phrases
from ttsbench.data.espeak.prosody import SPEAKERS
from ttsbench.data.espeak.quality import PIVOT_HZ, QUALITY, PhraseQuality
from ttsbench.data.espeak.render import Phrase, draw_quality, render

METRICS = [KnownEffortDivergence, KnownFormantDivergence]
NAMES = {KnownEffortDivergence: "effort", KnownFormantDivergence: "formant_scale"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return clips(tmp_path_factory.mktemp("espeak") / "corpus", minutes=1, speakers=("f5", "m6"))


def rerendered(reference, change):
    """Return the clip of a reference whose phrases went through ``change(phrases)``."""
    drawn = [Phrase.parse(record) for record in reference.attributes["phrases"]]
    rendering = render(change(drawn), SPEAKERS[reference.speaker], np.random.default_rng(0))
    samples = rendering.samples.astype(np.float32) / 32768
    return replace(reference, samples=samples)


def test_a_tilt_and_a_shift_of_a_spectrum_are_recovered():
    """Formants at random frequencies, shifted by .05 and tilted by 3 dB per octave."""
    rng = np.random.default_rng(0)
    centres = np.sort(rng.uniform(np.log(400), np.log(4000), size=(5, 3)), axis=1)
    axis = np.log(FREQUENCIES_HZ)

    def spectra(shift, tilt):
        peaks = 15 * np.exp(-0.5 * ((axis - centres[..., None] - shift) / 0.12) ** 2).sum(axis=1)
        return peaks + tilt * np.log2(FREQUENCIES_HZ / PIVOT_HZ) + rng.uniform(-20, 20, size=(5, 1))

    difference = compare(spectra(0.05, 3.0), spectra(0.0, 0.0), np.ones(5))
    assert difference.log_formant_scale == pytest.approx(0.05, abs=0.002)
    assert difference.effort * TILT_SLOPE == pytest.approx(3.0, abs=0.1)


def test_the_voice_quality_of_another_rendering_is_measured(corpus):
    """The errors that the metrics declare are those they make."""
    errors = {build: [] for build in METRICS}
    for clip, reference, own in renderings(corpus):
        at = [side.at(16_000) for side in (clip, reference)]
        for phrase, known in zip(phrases(*at), own, strict=True):
            errors[KnownEffortDivergence].append(KnownEffortDivergence().value(*at, phrase) - known["effort"])
            scale = KnownFormantDivergence().value(*at, phrase)
            errors[KnownFormantDivergence].append(scale - math.log(known["formant_scale"]))
    assert len(errors[KnownEffortDivergence]) >= 12
    assert np.std(errors[KnownEffortDivergence]) < 1.5 * EFFORT_ERROR
    assert np.std(errors[KnownFormantDivergence]) < 1.5 * FORMANT_ERROR


@pytest.mark.parametrize("build", METRICS)
def test_the_recordings_are_near_the_floor(build, corpus):
    metric = build()
    rows = np.concatenate([measured(metric, clip, clip) for clip in corpus])
    drawn = np.array([phrase[NAMES[build]] for clip in corpus for phrase in clip.attributes["phrases"]])
    values = drawn if build is KnownEffortDivergence else np.log(drawn)
    np.testing.assert_array_equal(rows.sum(axis=0)[: metric.bins.count], metric.bins.histogram(values[:, None])[0])
    assert metric.reduce(rows) < 2 * metric.floor(rows, np.random.default_rng(0))


@pytest.mark.parametrize("build", METRICS)
def test_a_perfect_sampler_is_near_the_floor_and_the_mean_is_far_from_it(build, corpus):
    """The voice quality drawn anew, against the mean of the distribution, which is almost never spoken in effort."""
    metric, rng = build(), np.random.default_rng(3)
    mean = PhraseQuality(1e-6, 1.0)  # not exactly neutral: the formants stay independent of pitch
    samplers = {
        "perfect": lambda drawn: draw_quality(drawn, rng),
        "mean": lambda drawn: [replace(phrase, quality=mean) for phrase in drawn],
    }
    references = corpus[::2]
    divergence = {}
    for name, change in samplers.items():
        rows = np.array([metric.measure(*(side.at(16_000) for side in (rerendered(clip, change), clip)))
                         for clip in references])  # fmt: skip
        divergence[name] = metric.reduce(rows)
        floor = metric.floor(rows, np.random.default_rng(0))
    assert divergence["perfect"] < 3 * floor
    assert divergence["mean"] > (0.9 if build is KnownEffortDivergence else 2 * divergence["perfect"])


@pytest.mark.parametrize("build", METRICS)
def test_the_known_probabilities_agree_with_draws(build):
    metric, rng, count = build(), np.random.default_rng(0), 20_000
    drawn = [QUALITY.sample(rng) for _ in range(count)]
    values = np.array([quality.effort if build is KnownEffortDivergence else math.log(quality.formant_scale)
                       for quality in drawn])  # fmt: skip
    error = EFFORT_ERROR if build is KnownEffortDivergence else FORMANT_ERROR
    counts = metric.bins.histogram((values + error * rng.standard_normal(count))[:, None])[0]
    probabilities = metric.probabilities("f5")
    assert probabilities.sum() == pytest.approx(1.0)
    assert (np.abs(counts / count - probabilities) < 5 * np.sqrt(probabilities / count) + 1e-3).all()


@pytest.mark.parametrize("build", METRICS)
def test_other_corpora_and_unvoiced_clips_are_refused(build, corpus):
    metric, clip = build(), corpus[0].at(16_000)
    neutral = [{key: value for key, value in phrase.items() if key not in ("effort", "formant_scale")}
               for phrase in clip.attributes["phrases"]]  # fmt: skip
    for unknown in (replace(clip, attributes={}), replace(clip, attributes={"phrases": neutral})):
        with pytest.raises(NotApplicable, match="known"):
            measured(metric, unknown, clip)
    noise = replace(clip, samples=0.02 * np.random.default_rng(0).standard_normal(len(clip.samples)).astype(np.float32))
    with pytest.raises(MeasurementError, match="voiced vowels"):
        measured(metric, noise, clip)
