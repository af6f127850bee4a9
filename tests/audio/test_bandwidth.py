"""Bandwidth is measured from the signal, and warnings of metrics depend on it alone."""

import numpy as np
import pytest
import soundfile
from ratio_rows import Ratio
from scipy.signal import butter, sosfiltfilt

from metrics.mcd import MelCepstralDistortion
from metrics.pitch import F0FrameError
from ttsbench import registry
from ttsbench.audio.bandwidth import band_limit_warning, bandwidth_hz
from ttsbench.audio.wav import resample
from ttsbench.stages.score import measure
from ttsbench.types import Clip


@pytest.fixture(scope="module")
def recordings(speech_data):
    paths = sorted(speech_data.glob("librispeech-3spk/**/*.flac"))[::30]
    paths += sorted(speech_data.glob("ljspeech-mini/**/*.wav"))[::12]
    return [(soundfile.read(path, dtype="float32", stop=80_000)[0], soundfile.info(path).samplerate) for path in paths]


def as_16_bit(samples):
    return (np.rint(samples * 32767) / 32767).astype(np.float32)


def through(samples, rate, narrow, final=16_000):
    """Resample to a narrow rate and then to the final one, stored as 16 bits."""
    return as_16_bit(resample(resample(samples, rate, narrow), narrow, final))


@pytest.mark.parametrize(("narrow", "expected"), [(8_000, 4_000), (11_025, 5_500), (16_000, 8_000)])
def test_resampled_recordings_end_at_half_the_narrow_rate(recordings, narrow, expected):
    for samples, rate in recordings:
        for final in (16_000, 48_000):
            measured = bandwidth_hz(through(samples, rate, narrow, final), final)
            assert measured == pytest.approx(expected, abs=250)


def test_level_does_not_matter_and_noise_fills_the_band(recordings):
    samples, rate = recordings[0]
    narrow = through(samples, rate, 8_000)
    assert bandwidth_hz(narrow * 0.1, 16_000) == bandwidth_hz(narrow, 16_000)
    noise = 0.003 * np.random.default_rng(0).standard_normal(len(narrow)).astype(np.float32)
    assert bandwidth_hz(narrow + noise, 16_000) == 8_000
    filtered = sosfiltfilt(butter(8, 4_300, fs=16_000, output="sos"), narrow)
    assert 3_500 <= bandwidth_hz(filtered, 16_000) <= 4_250


@pytest.mark.parametrize(("samples", "expected"), [(np.zeros(16_000), 0), (np.eye(1, 999, 100)[0], 8_000)])
def test_degenerate_signals(samples, expected):
    assert bandwidth_hz(samples.astype(np.float32), 16_000) == expected


def test_warnings_name_both_ends_and_the_consequence(recordings):
    samples, rate = recordings[0]
    full, narrow, again = (Clip("u", through(samples, rate, r), 16_000) for r in (16_000, 8_000, 8_000))
    assert band_limit_warning(full, full, 7_000) == band_limit_warning(narrow, None, 3_500) == ""
    assert band_limit_warning(narrow, full, 7_000) == (
        "the clip ends at 4 kHz and its reference at 8 kHz, of the 7 kHz that the metric analyses: the missing band "
        "counts as a difference"
    )
    assert "reference at 4 kHz" in band_limit_warning(full, narrow, 7_000)
    assert band_limit_warning(narrow, again, 7_000).endswith("do not compare the value with values of full-band clips")
    assert band_limit_warning(narrow, None, 7_000).startswith("the clip ends at 4 kHz, of the 7 kHz")


def test_metrics_warn_where_the_band_matters(recordings):
    samples, rate = recordings[0]
    full, narrow = (Clip("u", through(samples, rate, r, 48_000), 48_000) for r in (16_000, 8_000))
    for metric, warns in ((MelCepstralDistortion(), True), (F0FrameError(), False), (Ratio(), False)):
        assert "warning" not in measure(metric, full, full, False)
        assert ("warning" in measure(metric, narrow, full, False)) == warns
        assert ("warning" in measure(metric, full, narrow, False)) == warns
    names = ("mcd", "mcd_plain", "mcd_versa_dtw", "gv_ratio", "js_mel", "speaker_similarity", "dnsmos", "wer")
    assert all(registry.load("metrics", name)().info.band_hz == 7_000 for name in names)


def test_similarity_to_the_prompt_compares_the_bands_of_clip_and_prompt(recordings):
    samples, rate = recordings[0]
    metric = registry.load("metrics", "speaker_similarity_prompt")()
    narrow = Clip("p", through(samples, rate, 8_000), 16_000)
    clip = Clip("u", through(samples, rate, 16_000), 16_000, prompt=narrow)
    assert "its reference at 4 kHz" in measure(metric, clip, clip, False)["warning"]
