"""MCD and F0 as other tools print them."""

import numpy as np
import pytest
import soundfile
from speechlike import speechlike

from metrics.mcd import MelCepstralDistortion
from metrics.mcd_presets import (
    EspnetMcd,
    MelCepstralDistance,
    MelCepstralDistancePenalty,
    PymcdDtw,
    PymcdDtwSl,
    PymcdPlain,
)
from metrics.versa_presets import (
    VersaF0CorrelationDtw,
    VersaF0CorrelationPlain,
    VersaF0RmseDtw,
    VersaF0RmsePlain,
    VersaMcdDtw,
    VersaMcdPlain,
)
from ttsbench import Clip, MeasurementError
from ttsbench.audio.wav import read

RATE = 22050
PRESETS = (PymcdPlain, PymcdDtw, PymcdDtwSl, EspnetMcd, VersaMcdPlain, VersaMcdDtw)
F0_PRESETS = (VersaF0RmsePlain, VersaF0RmseDtw, VersaF0CorrelationPlain, VersaF0CorrelationDtw)


def clip_of(samples, sample_rate=RATE):
    return Clip("utt-1", np.asarray(samples, np.float32), sample_rate)


def as_16_bit(samples):
    """Return the samples as stored in a 16-bit file."""
    return np.rint(samples.astype(np.float64) * 32768) / 32768


@pytest.fixture(scope="module")
def speech():
    return speechlike(1.2)


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
    ("f0_rmse_versa_plain", 22_050): 32.43565388620757,
    ("f0_rmse_versa_dtw", 22_050): 18.327083284317965,
    ("f0_rmse_versa_dtw", 16_000): 22.092141174579382,
    ("f0_correlation_versa_plain", 22_050): 0.5833271485606145,
    ("f0_correlation_versa_dtw", 22_050): 0.7685540547815083,
    ("f0_correlation_versa_dtw", 16_000): 0.4274787408881142,
}


@pytest.mark.parametrize(("name", "rate"), PRINTED)
def test_a_preset_reproduces_its_tool(name, rate):
    preset = next(kind for kind in (*PRESETS, *F0_PRESETS) if kind.info.name == name)
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


def test_espnet_truncates_files_of_24_bits_as_libsndfile_does(tmp_path, speech):
    """ESPnet reads files as 16-bit integers; rounding instead would change the number."""
    clips = {}
    for name, samples in (("reference", speech), ("clip", speechlike(1.3, f0=150.0, vowel=1.1))):
        soundfile.write(tmp_path / f"{name}.wav", 0.02 * samples, RATE, subtype="PCM_24")
        clips[name] = clip_of(read(tmp_path / f"{name}.wav")[0])
        integers = soundfile.read(tmp_path / f"{name}.wav", dtype="int16")[0]
        clips[f"{name} as read"] = clip_of(integers / 32768)
        assert np.array_equal(np.floor(clips[name].samples * 32768.0), integers)
        clips[f"{name} rounded"] = clip_of(np.rint(clips[name].samples * 32768.0) / 32768)
    measured = EspnetMcd().measure(clips["clip"], clips["reference"])
    assert measured == EspnetMcd().measure(clips["clip as read"], clips["reference as read"])
    assert measured != pytest.approx(EspnetMcd().measure(clips["clip rounded"], clips["reference rounded"]), abs=1e-3)


def test_mel_cepstral_distance_matches_the_package_on_real_clips(tmp_path, speech_data):
    from mel_cepstral_distance import compare_audio_files

    samples, rate = soundfile.read(sorted(speech_data.glob("ljspeech-mini/**/*.wav"))[3], frames=33_000)
    slower = np.interp(np.arange(0, len(samples) - 1, 0.97), np.arange(len(samples)), samples)
    for name, signal in (("reference", samples), ("slower", slower)):
        soundfile.write(tmp_path / f"{name}.wav", signal, rate, subtype="PCM_16")
    printed = compare_audio_files(tmp_path / "reference.wav", tmp_path / "slower.wav")
    clip, reference = (Clip("u", *read(tmp_path / f"{name}.wav")) for name in ("slower", "reference"))
    for preset, expected in zip((MelCepstralDistance, MelCepstralDistancePenalty), printed, strict=True):
        assert preset().measure(clip, reference)[0] == pytest.approx(expected, rel=1e-6)
        assert preset().measure(reference, reference)[0] == pytest.approx(0.0, abs=1e-9)
        assert preset.info.signature.startswith(f"{preset.info.name}|mel-cepstral-distance:0.0.4|")
    assert 0.5 < printed[0] < 10 and 0 < printed[1] < 0.5


def test_versas_f0_presets_refuse_clips_without_voice(speech):
    tone = clip_of(0.1 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE))
    click = clip_of(0.5 * np.eye(1, RATE, 9000)[0])
    for preset in (VersaF0RmseDtw, VersaF0CorrelationDtw):
        short = clip_of(speech)
        assert preset().measure(short, short)[0] == pytest.approx(preset.info.behaviour.identity, abs=1e-9)
        with pytest.raises(MeasurementError, match=r"'utt-1' has no voiced frame, so that VERSA prints NaN"):
            preset().measure(click, tone)


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
    with pytest.raises(MeasurementError, match=r"mismatch of 0\.14.*_versa_dtw"):
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
