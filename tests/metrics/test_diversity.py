"""Variability relative to the references, and diversity over draws of one input."""

import math

import numpy as np
import pysptk
import pytest
import pyworld
import soundfile
from scipy.stats import wasserstein_distance
from speechlike import speechlike

from metrics.diversity import (
    DifferentInputEnergy,
    DifferentInputF0,
    DifferentSpeakerEnergy,
    DifferentSpeakerF0,
    F0Variation,
    MelDiversity,
    SameInputEnergy,
    SameInputF0,
)
from metrics.spread import DurationStdRatio, GlobalVarianceRatio, LogF0StdRatio, PhoneLogF0StdRatio
from ttsbench import Clip, MeasurementError, Phone
from ttsbench.audio.codes import code_of
from ttsbench.audio.f0_trackers import WORLD
from ttsbench.audio.frames import levels
from ttsbench.audio.pitch import world_f0

RATE = 22050
LABELS = ("SIL", "AA1", "T", "IY0")
OVER_DRAWS = (
    F0Variation,
    MelDiversity,
    SameInputF0,
    DifferentInputF0,
    DifferentSpeakerF0,
    SameInputEnergy,
    DifferentInputEnergy,
    DifferentSpeakerEnergy,
)


def clip_of(samples, rate=RATE, id_="utt-1", times=(0.0, 0.1, 0.16, 0.45), **rest):
    phones = tuple(Phone(label, start, end) for label, start, end in zip(LABELS, times, times[1:], strict=False))
    return Clip(id_, np.asarray(samples, np.float32), rate, **{"speaker": "someone", "phones": phones, **rest})


def contour(f0, **rest):
    """Return a clip at 16 kHz with a given F0 contour as its analysis."""
    clip = clip_of(speechlike(0.5, sample_rate=16_000), 16_000, **rest)
    clip._features[WORLD] = np.asarray(f0, float)
    return clip


def measured(metric, clip, reference=None):
    rate = metric.info.sample_rate
    return np.array([metric.measure(clip.at(rate), (reference or clip).at(rate))])


@pytest.fixture(scope="module")
def speech():
    return speechlike(1.2)


@pytest.fixture(scope="module")
def real(speech_data):
    """Four recordings of LJSpeech: samples (N,) float64 at 22,050 Hz."""
    return [soundfile.read(path)[0] for path in sorted(speech_data.glob("ljspeech-mini/**/*.wav"))[1:5]]


def through_world(samples, tune):
    """Return WORLD copy synthesis with ``tune`` applied to log-F0 of voiced frames."""
    f0 = world_f0(samples, RATE)
    times = np.arange(len(f0)) * 0.005
    voice = pyworld.cheaptrick(samples, f0, times, RATE), pyworld.d4c(samples, f0, times, RATE)
    changed = f0.copy()
    changed[f0 > 0] = np.exp(tune(np.log(f0[f0 > 0])))
    return pyworld.synthesize(changed, *voice, RATE)


# --- codes


def test_codes_are_distinct_whole_numbers():
    codes = [code_of(f"utterance-{number}") for number in range(20_000)]
    assert len(set(codes)) == 20_000 and all(code == int(code) < 2**48 for code in codes)
    assert code_of("a", "b") != code_of("ab") and code_of("a", "b") == code_of("a", "b")
    assert code_of("someone") == 0x1BEA8A270E71, "the output of GNU coreutils' b2sum with a length of 48 bits"


# --- standard deviations


def test_standard_deviations_are_within_speakers():
    """Compare with numpy on centred values; with all speakers pooled the ratio would be near 1."""
    rng = np.random.default_rng(0)
    own, references, rows = [], [], []
    for speaker, base in (("low", 90.0), ("high", 250.0)):
        for size, flatter in ((60, 0.4), (90, 0.6)):
            move = rng.normal(0, 0.15, size)
            clip_f0, reference_f0 = base * np.exp(flatter * move), base * np.exp(move)
            own.append((speaker, np.log(clip_f0)))
            references.append((speaker, np.log(reference_f0)))
            pair = (contour(f0, speaker=speaker) for f0 in (clip_f0, reference_f0))
            rows.append(LogF0StdRatio().measure(*pair))

    def std(values):
        centred = []
        for speaker in ("low", "high"):
            together = np.concatenate([log_f0 for name, log_f0 in values if name == speaker])
            centred.append(together - together.mean())
        return np.concatenate(centred).std()

    rows, ratio = np.array(rows), std(own) / std(references)
    assert LogF0StdRatio().reduce(rows) == pytest.approx(ratio)
    assert 0.4 < ratio < 0.65
    assert LogF0StdRatio().reduce(np.concatenate([rows, rows])) == pytest.approx(ratio)
    rows[:, 0] = 0.0
    assert LogF0StdRatio().reduce(rows) > 0.9


def test_a_constant_clip_gives_zero_and_a_constant_reference_gives_nan():
    flat, moving = contour([120.0] * 80), contour(np.linspace(100, 150, 80))
    assert LogF0StdRatio().reduce(measured(LogF0StdRatio(), flat, moving)) == 0.0
    assert math.isnan(LogF0StdRatio().reduce(measured(LogF0StdRatio(), moving, flat)))


def test_durations_and_phone_means_by_hand():
    times = (0.0, 0.1, 0.2, 0.4)
    clip, reference = clip_of(np.ones(RATE), times=times), clip_of(np.ones(RATE), times=(0.0, 0.1, 0.2, 0.6))
    rows = measured(DurationStdRatio(), clip, reference)
    assert DurationStdRatio().reduce(rows) == pytest.approx(math.log(2) / math.log(4))
    f0 = np.zeros(100)
    f0[20:30], f0[30:40], f0[40:60] = 100.0, 144.0, 200.0  # [0.1, 0.2) s, geometric mean 120, and [0.2, 0.3) s
    flatter = np.where(f0 == 200.0, 150.0, f0)
    rows = measured(PhoneLogF0StdRatio(), contour(flatter, times=(0, 0.1, 0.2, 0.5)), contour(f0, times=times))
    assert PhoneLogF0StdRatio().reduce(rows) == pytest.approx(math.log(150 / 120) / math.log(200 / 120))
    assert rows[0, [1, 4]].tolist() == [2.0, 2.0]


def test_unvoiced_phones_are_skipped_and_unvoiced_clips_refused():
    f0 = np.r_[np.zeros(20), np.full(12, 130.0), np.zeros(68)]
    clip = contour(np.r_[f0[:32], np.full(10, 200.0), f0[42:]], times=(0.0, 0.1, 0.16, 0.45))
    assert measured(PhoneLogF0StdRatio(), clip)[0, 1] == 2
    elsewhere = contour(np.r_[np.full(40, 130.0), np.zeros(60)], times=(0.0, 0.3, 0.4, 0.45))
    with pytest.raises(MeasurementError, match="no phone of clip 'utt-1' is voiced"):
        measured(PhoneLogF0StdRatio(), elsewhere)


def test_half_the_movement_of_recordings_gives_half_the_ratio(real):
    rows = []
    for samples in real[:2]:
        halved = through_world(samples, lambda log_f0: log_f0.mean() + 0.5 * (log_f0 - log_f0.mean()))
        rows.append(measured(LogF0StdRatio(), clip_of(halved), clip_of(through_world(samples, np.array)))[0])
    assert LogF0StdRatio().reduce(np.array(rows)) == pytest.approx(0.5, abs=0.06)


# --- global variance


def test_global_variance_matches_pyworld_and_pysptk(real):
    """Compare with pyworld and pysptk: floor at -45 dB of the level, constant above 7 kHz, frames of speech only."""
    logs = []
    for samples in real[:2]:
        clip = clip_of(samples).at(16_000)
        x = clip.samples.astype(np.float64)
        f0 = world_f0(clip.samples, 16_000)
        size = pyworld.get_cheaptrick_fft_size(16_000, 65.0)
        power = pyworld.cheaptrick(x, f0, np.arange(len(f0)) * 0.005, 16_000, fft_size=size)
        power += 10**-4.5 * (x**4).sum() / (x**2).sum()
        power[:, round(7 / 16 * size) :] = power[:, [round(7 / 16 * size)]]
        speech = np.repeat(levels(clip).speech, 2)
        mcep = pysptk.sp2mc(power, 24, 0.42)
        speech = np.pad(speech, (0, max(0, len(mcep) - len(speech))), mode="edge")[: len(mcep)]
        logs.append(np.log(np.var(mcep[speech, 1:], axis=0)))
    expected = np.exp(np.mean(logs[0] - logs[1]))
    rows = measured(GlobalVarianceRatio(), clip_of(real[0]), clip_of(real[1]))
    assert GlobalVarianceRatio().reduce(rows) == pytest.approx(
        expected, rel=0.01
    )  # WORLD adds the floor after its lifter
    back = measured(GlobalVarianceRatio(), clip_of(real[1]), clip_of(real[0]))
    assert GlobalVarianceRatio().reduce(np.concatenate([rows, back])) == pytest.approx(1.0)


def test_a_smoothed_spectrum_has_less_global_variance(real):
    """Average the envelope over half a second, as a model of the mean does."""
    samples = real[0]
    f0 = world_f0(samples, RATE)
    times = np.arange(len(f0)) * 0.005
    envelope, noise = pyworld.cheaptrick(samples, f0, times, RATE), pyworld.d4c(samples, f0, times, RATE)
    kernel = np.ones(101) / 101
    smooth = np.exp(np.apply_along_axis(np.convolve, 0, np.log(envelope), kernel, mode="same")).copy("C")
    ratios = [
        GlobalVarianceRatio().reduce(
            measured(GlobalVarianceRatio(), clip_of(pyworld.synthesize(f0, power, noise, RATE)), clip_of(samples))
        )
        for power in (envelope, smooth)
    ]
    assert ratios[0] == pytest.approx(1.0, abs=0.15)
    assert ratios[1] < 0.6


def test_a_steady_tone_has_no_global_variance(speech):
    t = np.arange(RATE) / RATE
    steady = clip_of(sum(np.cos(2 * np.pi * 100 * k * t) / k for k in range(1, 60)))
    rows = measured(GlobalVarianceRatio(), steady, clip_of(speech))
    assert GlobalVarianceRatio().reduce(rows) < 0.3
    with pytest.raises(MeasurementError, match="silent"):
        measured(GlobalVarianceRatio(), clip_of(np.zeros(RATE)), clip_of(speech))


# --- over draws


def rows_of(values, columns):
    """Return rows of 6 utterances with 4 draws under 2 seeds, with ``columns`` values each."""
    identity = [(u, s, d) for u in range(6) for s in range(2) for d in range(4)]
    return np.column_stack([identity, values.reshape(len(identity), columns)])


def resampled(rows, rng):
    """Return a bootstrap sample, utterances with replacement and all their rows, and the indices."""
    picks = rng.integers(0, 6, 6)
    return np.concatenate([rows[rows[:, 0] == pick] for pick in picks]), picks


def test_variation_of_f0_by_hand():
    metric, rng = F0Variation(), np.random.default_rng(0)
    values = rng.normal(120, 10, (6, 2, 4))
    rows = rows_of(values, 1)
    each = values.std(axis=2, ddof=1) / values.mean(axis=2)
    assert metric.reduce(rows) == pytest.approx(each.mean())
    many, picks = resampled(rows, rng)
    assert metric.reduce(many) == pytest.approx(each[picks].mean())
    assert metric.reduce(rows[rng.permutation(len(rows))]) == pytest.approx(each.mean())


def test_mean_f0_is_in_hertz_over_voiced_frames():
    clip = contour([0, 100, 0, 200] + [150] * 40, seed=3, draw=2)
    assert F0Variation().measure(clip, clip) == (code_of("utt-1"), 3.0, 2.0, 150.0)


def test_mel_diversity_by_hand(speech):
    metric, rng = MelDiversity(), np.random.default_rng(0)
    values = rng.normal(0, 3, (6, 2, 4, 16))
    rows = rows_of(values, 16)
    variance = values.var(axis=2, ddof=1)
    assert metric.reduce(rows) == pytest.approx(math.sqrt(variance.mean()))
    many, picks = resampled(rows, rng)
    assert metric.reduce(many) == pytest.approx(math.sqrt(variance[picks].mean()))
    row = measured(metric, clip_of(speech, draw=1))[0]
    result = levels(clip_of(speech).at(16_000))
    np.testing.assert_allclose(row[3:], result.bands[result.speech].mean(axis=0))
    louder = measured(metric, clip_of(0.1 * speech))[0]
    np.testing.assert_allclose(louder[3:], row[3:], atol=1e-3)


def brute_force(rows, group, different):
    """Return the row-weighted mean over groups of scipy's distance between all pairs that differ in ``different``."""
    means, weights = [], []
    for key in {tuple(row[list(group)]) for row in rows}:
        of = [row for row in rows if tuple(row[list(group)]) == key]
        pairs = [(a, b) for i, a in enumerate(of) for b in of[:i] if a[different] != b[different]]
        if pairs:
            means.append(np.mean([wasserstein_distance(a[3:], b[3:]) for a, b in pairs]))
            weights.append(len(of))
    return np.average(means, weights=weights)


@pytest.mark.parametrize("build", [SameInputF0, DifferentInputF0])
def test_distances_match_scipy_over_all_pairs(build):
    metric, rng = build(), np.random.default_rng(0)
    values = np.sort(rng.normal(rng.normal(50, 5, (48, 1)), 3, (48, 32)), axis=1)
    rows = rows_of(values, 32)
    if build is DifferentInputF0:  # utterances are texts, of two speakers
        rows = np.column_stack([rows[:, 0] // 3, rows[:, 1], rows[:, 0], rows[:, 3:]])
    assert metric.reduce(rows) == pytest.approx(brute_force(rows, (0, 1), 2))
    many = np.concatenate([rows[rng.permutation(48)[:30]], rows[:20]])
    assert metric.reduce(many) == pytest.approx(brute_force(many, (0, 1), 2))


def test_a_bootstrap_of_whole_utterances_is_a_mean_over_its_sample():
    """Copies of an utterance with all its draws add no spread and count once each."""
    rng = np.random.default_rng(0)
    rows = rows_of(np.sort(rng.normal(rng.normal(50, 5, (48, 1)), 3, (48, 32)), axis=1), 32)
    each = [SameInputF0().reduce(rows[rows[:, 0] == utterance]) for utterance in range(6)]
    many, picks = resampled(rows, rng)
    assert len(set(picks)) < 6
    assert SameInputF0().reduce(many) == pytest.approx(np.mean([each[pick] for pick in picks]))


def test_quantiles_approximate_the_distribution(real):
    """Compare 32 quantiles with scipy on all frames of recordings."""
    for build, tolerance in ((SameInputF0, 0.1), (SameInputEnergy, 0.15)):
        metric = build()
        clips = [clip_of(samples, draw=draw) for draw, samples in enumerate(real)]
        rows = np.concatenate([measured(metric, clip) for clip in clips])
        values = []
        for clip in clips:
            resampled = clip.at(16_000)
            f0, result = resampled.feature(WORLD), resampled.feature(levels)
            values.append(12 * np.log2(f0[f0 > 0]) if build is SameInputF0 else result.overall[result.speech])
        expected = [wasserstein_distance(a, b) for i, a in enumerate(values) for b in values[:i]]
        assert metric.reduce(rows) == pytest.approx(np.mean(expected), abs=tolerance)
        assert np.mean(expected) > 5 * tolerance


def test_an_interval_of_a_fifth_is_measured_in_semitones():
    tonic, fifth = (contour(np.full(50, f0), draw=draw) for draw, f0 in enumerate((120.0, 180.0)))
    rows = np.concatenate([measured(SameInputF0(), clip) for clip in (tonic, fifth)])
    assert SameInputF0().reduce(rows) == pytest.approx(12 * math.log2(1.5))


@pytest.mark.parametrize("build", OVER_DRAWS)
def test_copies_of_one_draw_have_no_diversity(build, speech):
    metric = build()
    rows = np.concatenate([measured(metric, clip_of(speech, id_=id_, text="the same")) for id_ in ("a", "a", "b")])
    assert len(metric.info.columns) == rows.shape[1]
    for subset in (rows[:1], rows[:2], rows):
        assert math.isnan(metric.reduce(subset))


def test_different_inputs_are_different_texts_of_one_speaker_and_seed(speech):
    metric = DifferentInputEnergy()
    other = speechlike(1.2, f0=170.0, vowel=1.1)
    first = measured(metric, clip_of(speech, id_="a", text="one"))
    second = measured(metric, clip_of(other, id_="b", text="two"))
    assert metric.reduce(np.concatenate([first, second])) > 0.1
    for excluded in ({"text": "one"}, {"speaker": "else", "text": "two"}, {"seed": 1, "text": "two"}):
        alone = measured(metric, clip_of(other, id_="b", **excluded))
        assert math.isnan(metric.reduce(np.concatenate([first, alone])))
    without_text = [measured(metric, clip_of(samples, id_=id_)) for id_, samples in (("a", speech), ("b", other))]
    assert metric.reduce(np.concatenate(without_text)) > 0.1


def test_different_speakers_are_compared_across_texts():
    f0s = {"low": (100.0, 110.0), "high": (200.0, 190.0)}
    clips = [
        contour(np.full(50, f0), id_=f"{speaker}-{text}", text=str(text), speaker=speaker)
        for speaker, pair in f0s.items()
        for text, f0 in enumerate(pair)
    ]
    metric = DifferentSpeakerF0()
    rows = np.concatenate([measured(metric, clip) for clip in clips])
    distances = [12 * math.log2(high / low) for low in f0s["low"] for high in f0s["high"]]
    assert metric.reduce(rows) == pytest.approx(np.mean(distances))
    assert math.isnan(metric.reduce(rows[:2]))


@pytest.mark.parametrize("build", OVER_DRAWS)
def test_silent_and_unvoiced_clips_are_refused(build):
    with pytest.raises(MeasurementError, match="silent"):
        measured(build(), clip_of(np.zeros(RATE)))
    if "f0" in build().info.name:
        noise = 0.1 * np.random.default_rng(1).standard_normal(2 * RATE)
        with pytest.raises(MeasurementError, match="voiced"):
            measured(build(), clip_of(noise))
