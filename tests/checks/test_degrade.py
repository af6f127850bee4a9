"""Degradations have the declared size, measured by other means than those that make them."""

from dataclasses import replace

import numpy as np
import pytest
import pyworld
from speechlike import speechlike

from ttsbench import Clip, Phone
from ttsbench.checks.selftest import degrade
from ttsbench.checks.selftest.variants import COPY, grades, pair

RATE = 16000


@pytest.fixture(scope="module")
def speech():
    phones = (Phone("SIL", 0.0, 0.1), Phone("AA1", 0.1, 1.0))
    return Clip("one", speechlike(1.0, sample_rate=RATE), RATE, phones=phones)


def rng():
    return np.random.default_rng(1)


def harvested(clip, factor=1.0):
    """F0 within syllables, in Hz, by Harvest, which is not DIO; of a clip made ``factor`` times longer."""
    f0, times = pyworld.harvest(clip.samples.astype(np.float64), clip.sample_rate, f0_floor=65.0, f0_ceil=600.0)
    phase = times / factor * 4 % 1  # speechlike voices the first three quarters of 250 ms
    inner = f0[(phase > 0.2) & (phase < 0.55)]
    return inner[inner > 0]


def power_db(samples):
    return 10 * np.log10(np.mean(np.asarray(samples, np.float64) ** 2))


@pytest.mark.parametrize("snr_db", degrade.GRADES["noise"])
def test_noise_has_the_given_signal_to_noise_ratio(speech, snr_db):
    noisy = degrade.degraded(speech, "noise", snr_db, rng())
    added = noisy.samples.astype(np.float64) - speech.samples
    assert power_db(speech.samples) - power_db(added) == pytest.approx(snr_db, abs=0.15)
    spectrum = np.abs(np.fft.rfft(added)) ** 2
    low, high = np.array_split(spectrum, 2)
    assert low.mean() == pytest.approx(high.mean(), rel=0.05)  # white


@pytest.mark.parametrize("cutoff", degrade.GRADES["low_pass"])
def test_low_pass_has_the_gain_of_its_formula(cutoff):
    t = np.arange(2 * 48_000) / 48_000

    def gain_db(hz):
        tone = Clip("tone", (0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32), 48_000)
        out = degrade.degraded(tone, "low_pass", cutoff, rng()).samples
        assert len(out) == len(t)
        return power_db(out[4800:-4800]) - power_db(tone.samples[4800:-4800])

    for hz in (cutoff / 4, cutoff / 2, cutoff, 2 * cutoff):  # Butterworth's formula with the bilinear transform, twice
        warped = np.tan(np.pi * hz / 48_000) / np.tan(np.pi * cutoff / 48_000)
        assert gain_db(hz) == pytest.approx(-20 * np.log10(1 + warped**4), abs=0.1)


def test_low_pass_causes_no_delay_and_leaves_a_narrow_band_unchanged(speech):
    narrow = degrade.low_passed(speech, 3000.0)
    shift = np.argmax(np.correlate(narrow.samples, speech.samples[100:-100], mode="valid"))
    assert shift == 100
    np.testing.assert_array_equal(degrade.low_passed(speech, 7500.0).samples, speech.samples)


def test_f0_is_flattened_by_the_given_share(speech):
    made = [np.log(harvested(degrade.degraded(speech, "flat_f0", share, rng()))).std() for share in (0, 0.33, 0.67, 1)]
    whole = np.log(harvested(speech)).std()
    assert made == pytest.approx([whole, 0.67 * whole, 0.33 * whole, 0.0], abs=0.05 * whole)


def test_f0_is_multiplied_without_a_change_of_length(speech):
    same, higher = (degrade.with_f0(speech, factor) for factor in (1.0, 1.1))
    assert np.median(harvested(higher)) / np.median(harvested(same)) == pytest.approx(1.1, rel=0.01)
    assert len(higher.samples) == len(speech.samples)


@pytest.mark.parametrize("factor", degrade.GRADES["stretch"])
def test_stretching_lengthens_and_keeps_the_pitch(speech, factor):
    slow = degrade.degraded(speech, "stretch", factor, rng())
    assert slow.duration_s == pytest.approx(factor * speech.duration_s, abs=0.01)
    assert np.median(harvested(slow, factor)) == pytest.approx(np.median(harvested(speech)), rel=0.02)
    assert slow.phones[-1].end_s == pytest.approx(factor * 1.0)
    assert slow.phones[1].start_s == slow.phones[0].end_s == pytest.approx(factor * 0.1)


def test_smoothing_flattens_formants_and_keeps_the_power():
    """The spread over frequency of the long-term spectrum below 4 kHz, by plain Fourier transforms."""
    steady = Clip("vowel", speechlike(1.5, sample_rate=RATE), RATE)

    def spread(clip):
        frames = np.lib.stride_tricks.sliding_window_view(clip.samples, 512)[::256] * np.hanning(512)
        levels = 10 * np.log10((np.abs(np.fft.rfft(frames)) ** 2).mean(axis=0))[4:128]
        smooth = np.convolve(levels, np.ones(9) / 9, mode="valid")  # harmonics are 4.5 bins apart
        return (smooth - np.poly1d(np.polyfit(range(len(smooth)), smooth, 1))(range(len(smooth)))).std()

    made = [degrade.degraded(steady, "smoothing", width, rng()) for width in degrade.GRADES["smoothing"]]
    spreads = [spread(clip) for clip in made]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < 0.5 * spreads[0]
    assert [power_db(clip.samples) for clip in made] == pytest.approx([power_db(made[0].samples)] * 4, abs=1.0)


def test_gain_delay_and_resampling_have_the_given_size(speech):
    assert power_db(degrade.louder(speech, -12.0).samples) - power_db(speech.samples) == pytest.approx(-12.0, abs=1e-4)
    later = degrade.delayed(speech, 0.05, -50.0, rng())
    np.testing.assert_array_equal(later.samples[800:], speech.samples)
    assert power_db(later.samples[:800]) - power_db(speech.samples) == pytest.approx(-50.0, abs=0.5)
    assert [phone.label for phone in later.phones] == ["SIL", "SIL", "AA1"]
    assert later.phones[-1].end_s == pytest.approx(1.05)
    back = degrade.through(speech, 48_000)
    assert len(back.samples) == len(speech.samples)
    inner = slice(1600, -1600)  # a filter's edges
    lost = degrade.low_passed(Clip("lost", (back.samples - speech.samples)[inner], RATE), 6000.0)
    assert power_db(lost.samples[inner]) < power_db(speech.samples) - 90


def test_clips_without_speech_are_silence_and_noise_of_the_same_level(speech):
    assert not degrade.silenced(speech).samples.any()
    noise = degrade.drowned(speech, rng())
    assert power_db(noise.samples) == pytest.approx(power_db(speech.samples), abs=0.2)
    assert abs(np.corrcoef(noise.samples, speech.samples)[0, 1]) < 0.03


@pytest.mark.parametrize("kind", sorted(degrade.GRADES))
def test_original_clip_is_unchanged(speech, kind):
    clip = replace(speech, transcript="said")
    clip.feature(len_of)
    before = clip.samples.copy()
    worse = degrade.degraded(clip, kind, degrade.GRADES[kind][-1], rng())
    np.testing.assert_array_equal(clip.samples, before)
    assert worse.samples.dtype == np.float32
    assert not worse._features and worse.transcript is None
    assert not np.shares_memory(worse.samples, clip.samples)


def len_of(clip):
    return len(clip.samples)


@pytest.mark.parametrize("kind", sorted(degrade.GRADES))
def test_pairs_of_a_degradation_are_its_grades(speech, kind):
    """All grades of noise scale the same noise, and the mildest grade made by WORLD is the plain copy."""
    names = grades(kind)
    assert len(set(names)) == len(degrade.GRADES[kind])
    made = [pair(name, speech)[0].samples for name in names]
    assert all(reference is speech for _, reference in (pair(name, speech) for name in names))
    if kind == "noise":
        noises = [samples.astype(np.float64) - speech.samples for samples in made]
        assert np.corrcoef(noises)[0].min() > 0.999
    elif kind != "low_pass":
        assert names[0] == COPY
        mildest = degrade.degraded(speech, kind, degrade.GRADES[kind][0], rng())
        np.testing.assert_allclose(made[0], mildest.samples, atol=1e-3)
    for name, samples in zip(names, made, strict=True):
        np.testing.assert_array_equal(pair(name, replace(speech))[0].samples, samples)
