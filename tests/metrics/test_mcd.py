"""Mel-cepstral distortion."""

import math

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.distance import cdist
from speechlike import speechlike

from metrics.mcd import MelCepstralDistortion, MelCepstralDistortionPlain
from ttsbench import Clip, MeasurementError
from ttsbench.audio.wav import resample
from ttsbench.audio.world import analyse

RATE = 22050


def clip_of(samples, sample_rate=RATE):
    return Clip("utt-1", np.asarray(samples, np.float32), sample_rate)


@pytest.fixture(scope="module")
def speech():
    return speechlike(1.2)


@pytest.fixture(scope="module")
def other():
    return speechlike(1.3, f0=150.0, vowel=1.1)


def mceps(*samples):
    """Return c_1 .. c_24, (T, 24) each."""
    return [clip_of(signal).at(16_000).feature(analyse).mcep[:, 1:] for signal in samples]


def textbook(x, y, pairs):
    """Compute the equation of the paper in plain Python, independent of the metric's code after the analysis."""
    each = [10 / math.log(10) * math.sqrt(2 * sum((p - q) ** 2 for p, q in zip(x[i], y[j], strict=True)))
            for i, j in pairs]  # fmt: skip
    return math.fsum(each) / len(each)


def plain_dtw(cost):
    """Return pairs (i, j) by Sakoe and Chiba's recursion over a cost matrix; ties prefer diagonal, then row."""
    total = np.full((cost.shape[0] + 1, cost.shape[1] + 1), np.inf)
    total[0, 0] = 0.0
    for i in range(cost.shape[0]):
        for j in range(cost.shape[1]):
            total[i + 1, j + 1] = cost[i, j] + min(total[i, j], total[i, j + 1], total[i + 1, j])
    i, j = cost.shape
    pairs = [(i - 1, j - 1)]
    while (i, j) != (1, 1):
        i, j = min(((i - 1, j - 1), (i - 1, j), (i, j - 1)), key=lambda at: total[at])
        pairs.append((i - 1, j - 1))
    return pairs[::-1]


def test_mcd_is_the_textbook_sum_along_librosas_path(speech, other):
    librosa = pytest.importorskip("librosa")
    x, y = mceps(other, speech)
    _, path = librosa.sequence.dtw(x.T, y.T, metric="euclidean", step_sizes_sigma=np.array([[1, 1], [1, 0], [0, 1]]))
    assert MelCepstralDistortion().measure(clip_of(other), clip_of(speech)) == pytest.approx(
        (textbook(x, y, path),), abs=1e-9
    )


def test_mcd_is_the_textbook_sum_along_a_plain_dtw_path(speech, other):
    x, y = mceps(other, speech)
    expected = textbook(x, y, plain_dtw(cdist(x, y)))
    assert MelCepstralDistortion().measure(clip_of(other), clip_of(speech))[0] == pytest.approx(expected, abs=1e-9)


def test_mcd_ignores_level_and_measures_vowels(speech):
    mcd = MelCepstralDistortion()
    little, much = (mcd.measure(clip_of(speechlike(vowel=v)), clip_of(speech))[0] for v in (1.03, 1.2))
    assert mcd.measure(clip_of(speech * 0.1), clip_of(speech))[0] < 1e-5
    assert 0.1 < little < much


@pytest.mark.parametrize("metric", [MelCepstralDistortion(), MelCepstralDistortionPlain()])
def test_digital_silence_and_resampling_cause_no_distortion(metric, speech):
    gaps = np.concatenate([np.zeros(4000, np.float32), speech, np.zeros(8000, np.float32)])
    assert metric.measure(clip_of(gaps * 0.25), clip_of(gaps))[0] < 1e-5
    original = speechlike(1.2, sample_rate=16_000)
    converted = resample(resample(original, 16_000, 48_000), 48_000, 16_000)
    assert metric.measure(clip_of(converted, 16_000), clip_of(original, 16_000))[0] < 0.02


def test_plain_compares_frames_of_the_same_time(speech):
    longer = speechlike(1.3, f0=150.0, vowel=1.1)[: int(1.25 * RATE)]
    x, y = mceps(longer, speech)
    assert len(x) == len(y) + 10
    expected = textbook(x, y, [(i, i) for i in range(len(y))])
    measured = MelCepstralDistortionPlain().measure(clip_of(longer), clip_of(speech))[0]
    assert measured == pytest.approx(expected, abs=1e-9)
    assert measured > MelCepstralDistortion().measure(clip_of(longer), clip_of(speech))[0]


def test_plain_refuses_lengths_that_differ_by_more_than_a_tenth(speech):
    with pytest.raises(MeasurementError, match=r"lasts 0\.60 s, its reference 1\.20 s.*without `_plain`"):
        MelCepstralDistortionPlain().measure(clip_of(speech[: len(speech) // 2]), clip_of(speech))


def test_mcd_signatures():
    analysis = "world|f0:dio+ncc|16kHz|0-7kHz|floor:-45dB|order:24|alpha:0.42|5ms|c0:no"
    assert MelCepstralDistortion.info.signature == f"mcd|{analysis}|dtw:exact|mean:utterances|v3"
    assert MelCepstralDistortionPlain.info.signature == f"mcd_plain|{analysis}|align:time|mean:utterances|v2"


def test_a_band_limit_is_nearer_than_noise_and_another_sentence(speech_data):
    """Intelligible speech must have a lower distance than unintelligible speech: the order of listeners and of PESQ."""
    paths = sorted(speech_data.glob("librispeech-3spk/**/*.flac"))[5:150:40]
    samples = [soundfile.read(path, dtype="float32", stop=4 * 16_000)[0] for path in paths]
    means = dict.fromkeys(("4.3 kHz", "babble", "other"), 0.0)
    for index, x in enumerate(samples):
        limited = sosfiltfilt(butter(8, 4_300, fs=16_000, output="sos"), x)
        voices = np.sum([np.resize(other, len(x)) for other in samples if other is not x], axis=0)
        babble = x + 10 ** (-10 / 20) * voices * np.sqrt(np.mean(x**2) / np.mean(voices**2))
        for name, damaged in (("4.3 kHz", limited), ("babble", babble), ("other", samples[index - 1])):
            means[name] += MelCepstralDistortion().measure(clip_of(damaged, 16_000), clip_of(x, 16_000))[0] / len(paths)
    assert means["4.3 kHz"] < 0.8 * means["babble"]
    assert means["babble"] < means["other"]
