"""The embedded corpus: the hidden voice quality follows its stated distribution."""

import math

import numpy as np
import pytest
import soundfile

from ttsbench.data.espeak import voice as espeak_voice
from ttsbench.data.espeak.corpus import EspeakCorpus
from ttsbench.data.espeak.prosody import SPEAKERS, TRUNCATION
from ttsbench.data.espeak.quality import QUALITY, PhraseQuality, QualityDistribution, add_breath, tilt
from ttsbench.data.espeak.render import draw, draw_quality, render
from ttsbench.errors import CorpusError


def test_the_manifest_states_the_distribution_of_voice_quality(corpus, utterances):
    parameters = dict(corpus.manifest()["voice_quality"])
    assert parameters.pop("truncation") == TRUNCATION
    distribution = QualityDistribution(**parameters)
    phrases = [phrase for utterance in utterances for phrase in utterance.attributes["phrases"]]
    for phrase in phrases:
        quality = PhraseQuality(phrase["effort"], phrase["formant_scale"])
        assert phrase["quality_log_density"] == pytest.approx(distribution.log_density(quality))
    efforts = np.array([phrase["effort"] for phrase in phrases])
    assert abs(np.mean(efforts > 0) - 0.5) < 0.2 and np.abs(efforts).min() > 1.5


def test_draws_of_voice_quality_follow_the_stated_equations():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    drawn = [QUALITY.sample(rng) for _ in range(20000)]
    effort = np.array([quality.effort for quality in drawn])
    scale = np.log([quality.formant_scale for quality in drawn])
    unit = stats.truncnorm(-TRUNCATION, TRUNCATION)
    assert abs(np.mean(effort > 0) - 0.5) < 0.02
    deviation = (np.abs(effort) - QUALITY.effort_mode) / QUALITY.effort_std
    assert stats.kstest(deviation, unit.cdf).pvalue > 1e-3
    assert stats.kstest(scale / QUALITY.formant_std, unit.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(effort, scale)[0, 1]) < 0.03
    assert effort.std() == pytest.approx(QUALITY.effort_deviation, rel=0.01)
    assert scale.std() == pytest.approx(QUALITY.formant_deviation, rel=0.02)


def test_the_density_of_voice_quality_integrates_to_one():
    effort, scale = np.linspace(-4, 4, 401), np.linspace(-0.1, 0.1, 101)
    total = sum(math.exp(QUALITY.log_density(PhraseQuality(e, math.exp(s)))) for e in effort for s in scale)
    assert total * (effort[1] - effort[0]) * (scale[1] - scale[0]) == pytest.approx(1.0, abs=0.02)


def test_tilt_has_the_stated_gain_and_no_delay():
    """Tones at 500 and 2000 Hz, one octave below and above the pivot."""
    time_s = np.arange(22050) / 22050
    for frequency, octaves in ((500, -1), (2000, 1), (100, -2), (10000, 3)):
        tone = np.sin(2 * np.pi * frequency * time_s)
        expected = tone * 10 ** (2.5 * octaves / 20)
        inside = slice(2000, -2000)
        np.testing.assert_allclose(tilt(tone, 2.5, 22050)[inside], expected[inside], atol=0.02 * np.abs(expected).max())


def test_breath_is_noise_below_the_envelope_and_stronger_for_soft_phrases():
    tone = np.sin(2 * np.pi * 150 * np.arange(22050) / 22050)
    tone[:11025] = 0.0
    level = {}
    for effort in (-2.5, 2.5):
        noise = add_breath(tone, effort, 22050, np.random.default_rng(0)) - tone
        assert not noise[:10000].any()
        level[effort] = 10 * np.log10(np.mean(noise[12000:-1000] ** 2) / np.mean(tone[12000:-1000] ** 2))
    assert level[-2.5] == pytest.approx(-33, abs=0.3) and level[2.5] == pytest.approx(-43, abs=0.3)


def test_voice_quality_changes_neither_durations_nor_pitch(tmp_path):
    drawn = draw(("many musicians polished bananas",), SPEAKERS["f5"], np.random.default_rng(3))
    other = [draw_quality(drawn, np.random.default_rng(seed)) for seed in range(4)]
    renderings = [render(phrases, SPEAKERS["f5"], np.random.default_rng(0)) for phrases in other]
    for rendering in renderings:
        assert rendering.words[-1] is not None and len(rendering.phones) == len(renderings[0].phones)
        for (label, start, _), (expected, same, _) in zip(rendering.phones, renderings[0].phones, strict=True):
            assert label == expected and abs(start - same) < 40  # samples
        pitch = [float(phrase["pitch"]) for phrase in rendering.phrases]
        assert pitch == [float(phrase["pitch"]) for phrase in renderings[0].phrases]


def test_the_formants_of_a_variant_are_scaled():
    """The first formant of the vowel of "bananas" by WORLD's envelope rises with the scale."""
    pyworld = pytest.importorskip("pyworld")
    centres = []
    for scale in (0.92, 1.08):
        samples = espeak_voice.speak("aah", "en-us+edward", formant_scale=scale).samples.astype(float)
        f0, times = pyworld.dio(samples, 22050.0)
        envelope = np.log(pyworld.cheaptrick(samples, pyworld.stonemask(samples, f0, times, 22050.0), times, 22050.0))
        mean = envelope[f0 > 0].mean(axis=0)
        bins = np.arange(len(mean)) * 11025 / (len(mean) - 1)
        band = (bins > 400) & (bins < 1800)
        centres.append(bins[band][np.argmax(mean[band])])
    assert 1.05 < centres[1] / centres[0] < 1.3


def test_a_corpus_of_neutral_voice_quality_has_no_hidden_attributes(tmp_path):
    corpus = EspeakCorpus(tmp_path / "neutral", minutes=0.2, speakers=("f5",), voice_quality=False)
    assert "voice_quality" not in corpus.manifest()
    assert all("effort" not in phrase for one in corpus.utterances() for phrase in one.attributes["phrases"])


def test_redrawn_recordings_differ_in_voice_quality_alone(corpus, utterances):
    """They have the recording's length, are reproducible for a list of utterances, and differ from each other."""
    chosen = [utterance for utterance in utterances if utterance.attributes["split"] == "test"][:2]
    first, second = corpus.redraw(chosen, 2), corpus.redraw(chosen, 2)
    assert corpus.redrawable and not EspeakCorpus(voice_quality=False).redrawable
    for utterance, recordings, again in zip(chosen, first, second, strict=True):
        for (samples, rate), (same, _) in zip(recordings, again, strict=True):
            assert rate == 22050 and len(samples) == soundfile.info(utterance.audio).frames
            np.testing.assert_array_equal(samples, same)
        assert not np.array_equal(recordings[0][0], recordings[1][0])


def test_a_failed_redraw_is_reported(corpus, utterances, monkeypatch):
    monkeypatch.setattr("ttsbench.data.espeak.rerender.sys.executable", "/bin/false")
    with pytest.raises(CorpusError, match="could not be rendered again"):
        corpus.redraw(utterances[:1], 1)
