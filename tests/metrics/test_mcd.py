"""Mel-cepstral distortion, and the presets of other tools."""

import math

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.distance import cdist
from speechlike import speechlike

from metrics.mcd import MelCepstralDistortion, MelCepstralDistortionPlain
from metrics.mcd_presets import EspnetMcd, PymcdDtw, PymcdDtwSl, PymcdPlain, VersaMcdDtw, VersaMcdPlain
from ttsbench import Clip, MeasurementError
from ttsbench.audio.wav import resample
from ttsbench.audio.world import analyse

RATE = 22050
PRESETS = (PymcdPlain, PymcdDtw, PymcdDtwSl, EspnetMcd, VersaMcdPlain, VersaMcdDtw)


def clip_of(samples, sample_rate=RATE):
    return Clip("utt-1", np.asarray(samples, np.float32), sample_rate)


def as_16_bit(samples):
    """Return the samples as stored in a 16-bit file."""
    return np.rint(samples.astype(np.float64) * 32768) / 32768


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
    """What everyone understands must not count more than what nobody does: the order that listeners and PESQ give."""
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


# --- presets of other tools

# Output of the tools' own code for 16-bit files of speechlike(1.3, f0=150, vowel=1.1) against speechlike(1.2):
# pymcd 0.2.1; ESPnet's evaluate_mcd.py at de189f27bdabdac8eb8224f1185b18a26cabfe7c; VERSA's mcd_f0.py at
# c398480a4f3cc154c911693cea9960f62f9eede2. numpy 2.4, pysptk 1.0.1, pyworld 0.3.5, fastdtw 0.3.4, librosa 0.11.
PRINTED = {
    ("mcd_pymcd_plain", 22_050): 6.378028966301086,
    ("mcd_pymcd_dtw", 22_050): 4.301695936674053,
    ("mcd_pymcd_dtw_sl", 22_050): 4.658683151335799,
    ("mcd_pymcd_dtw", 16_000): 4.209891610019437,
    ("mcd_espnet", 16_000): 3.3333217508544823,
    ("mcd_espnet", 22_050): 3.3508241364889897,
    ("mcd_espnet", 24_000): 3.304772448960741,
    ("mcd_versa_plain", 22_050): 4.3487251991635665,
    ("mcd_versa_dtw", 22_050): 3.1933299925790215,
    ("mcd_versa_dtw", 16_000): 3.127778840588564,
}


@pytest.mark.parametrize(("name", "rate"), PRINTED)
def test_a_preset_reproduces_its_tool(name, rate):
    preset = next(kind for kind in PRESETS if kind.info.name == name)
    clip = clip_of(as_16_bit(speechlike(1.3, f0=150.0, vowel=1.1, sample_rate=rate)), rate)
    reference = clip_of(as_16_bit(speechlike(1.2, sample_rate=rate)), rate)
    assert preset().measure(clip, reference)[0] == pytest.approx(PRINTED[name, rate], rel=1e-6)


def test_pymcd_presets_match_the_package_as_documented(tmp_path, speech_data):
    from pymcd.mcd import Calculate_MCD

    samples, rate = soundfile.read(
        sorted(speech_data.glob("ljspeech-mini/**/*.wav"))[1], dtype="float32", frames=33_000
    )
    soundfile.write(tmp_path / "reference.wav", samples, rate, subtype="FLOAT")
    slower = np.interp(np.arange(0, len(samples) - 1, 0.97), np.arange(len(samples)), samples).astype(np.float32)
    soundfile.write(tmp_path / "slower.wav", slower, rate, subtype="FLOAT")
    for preset, mode in ((PymcdPlain, "plain"), (PymcdDtw, "dtw"), (PymcdDtwSl, "dtw_sl")):
        printed = Calculate_MCD(MCD_mode=mode).calculate_mcd(
            str(tmp_path / "reference.wav"), str(tmp_path / "slower.wav")
        )
        assert preset().measure(clip_of(slower, rate), clip_of(samples, rate)) == (printed,)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_refuse_empty_clips(preset, speech):
    short = clip_of(speech[: RATE // 2])
    assert preset().measure(short, short) == pytest.approx((0.0,), abs=1e-12)
    for empty in (np.zeros(0), np.zeros(RATE), np.full(RATE, np.nan)):
        for pair in ((clip_of(empty), short), (short, clip_of(empty))):
            with pytest.raises(MeasurementError, match="'utt-1'"):
                preset().measure(*pair)


def test_presets_refuse_unsupported_clips(speech):
    low = clip_of(speechlike(0.6, sample_rate=11_025), 11_025)
    with pytest.raises(MeasurementError, match=r"11025 Hz, but ESPnet's script supports 16000, 22050"):
        EspnetMcd().measure(low, low)
    short = clip_of(speechlike(0.06, sample_rate=16_000), 16_000)
    with pytest.raises(MeasurementError, match="960 samples, less than the frame of 1024"):
        EspnetMcd().measure(short, short)
    with pytest.raises(MeasurementError, match=r"mismatch of 0\.14.*mcd_versa_dtw"):
        VersaMcdPlain().measure(clip_of(speech[: int(0.9 * RATE)]), clip_of(speech))


@pytest.mark.parametrize(("preset", "rate"), [(EspnetMcd, 24_000), (VersaMcdPlain, 16_000)])
def test_references_at_other_rates_are_resampled(preset, rate):
    clip = clip_of(speechlike(0.5, f0=150.0, sample_rate=24_000), 24_000)
    reference = clip_of(speechlike(0.5, sample_rate=16_000), 16_000)
    expected = preset().measure(clip.at(rate), reference.at(rate))
    assert preset().measure(clip, reference) == pytest.approx(expected, abs=1e-9)


def test_level_affects_presets_but_not_mcd(speech):
    """The presets reproduce this defect of their tools."""
    short = speech[: RATE // 2]
    quieter = clip_of(short * 10 ** (-12 / 20))
    for preset in PRESETS:
        assert preset().measure(quieter, clip_of(short))[0] > 2.0
    assert MelCepstralDistortion().measure(quieter, clip_of(short))[0] < 1e-5


def test_presets_are_averaged_over_utterances():
    for preset in PRESETS:
        assert preset().reduce(np.array([[1.0], [4.0]])) == 2.5
        assert preset.info.signature.startswith(f"{preset.info.name}|")
