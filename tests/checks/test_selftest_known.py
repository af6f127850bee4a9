"""Promises about pairs with known voicing and about band limits, on real recordings; each can be broken."""

import numpy as np
import pytest
import soundfile
from speechlike import speechlike

from metrics.mcd import MelCepstralDistortion
from metrics.pitch import VoicingDecisionErrorPlain
from ttsbench import Clip
from ttsbench.audio import cepstrum, pitch
from ttsbench.audio.pitch import world_f0
from ttsbench.checks.selftest.collect import collect_responses
from ttsbench.checks.selftest.pulses import SEGMENT_S, noise_between_pulses, noise_on_pulses
from ttsbench.checks.selftest.run import judge, selftest
from ttsbench.checks.selftest.variants import BAND_LIMIT, FALSE_VOICING, MISSED_VOICING, pair

RATE = 16_000


@pytest.fixture(scope="module")
def recordings(speech_data):
    paths = [
        sorted(speech_data.glob(pattern))[5] for pattern in ("librispeech-3spk/**/*.flac", "ljspeech-mini/**/*.wav")
    ]
    return [Clip(path.stem, *soundfile.read(path, dtype="float32", stop=3 * RATE)).at(RATE) for path in paths]


def outcomes(metric, recordings, names):
    metrics = {metric.info.name: metric}
    verdicts = judge(metrics, [collect_responses(clip, metrics, []) for clip in recordings])
    return {item.check: item.outcome for item in verdicts if item.check in names}


def test_pulse_trains_have_the_pitch_of_the_recording_and_noise_in_its_place(recordings):
    for clip in recordings:
        f0 = world_f0(clip.samples, clip.sample_rate)
        median = np.median(f0[f0 > 0])
        for make, inside in ((noise_between_pulses, False), (noise_on_pulses, True)):
            noisy, alone = make(clip, np.random.default_rng(0))
            time = np.arange(len(alone.samples)) / RATE % (2 * SEGMENT_S)
            train = (time > SEGMENT_S + 0.02) & (time < 2 * SEGMENT_S - 0.02)
            assert not alone.samples[time < SEGMENT_S - 0.02].any() and alone.samples[train].any()
            difference = noisy.samples - alone.samples
            assert difference[train].any() == inside and difference[time < SEGMENT_S - 0.02].any() != inside
            snr = np.mean(alone.samples[train] ** 2) / np.mean(difference[train if inside else time < SEGMENT_S] ** 2)
            assert 10 * np.log10(snr) == pytest.approx(10 if inside else 20, abs=1.5)
            tracked = world_f0(alone.samples, RATE)
            assert np.median(tracked[tracked > 0]) == pytest.approx(median, rel=0.1)


def test_voicing_holds_and_an_extractor_without_a_test_of_periodicity_breaks_it(recordings, monkeypatch):
    names = {FALSE_VOICING, MISSED_VOICING}
    assert outcomes(VoicingDecisionErrorPlain(), recordings, names) == dict.fromkeys(names, "ok")
    monkeypatch.setattr(pitch, "THRESHOLD", -1.0)
    assert outcomes(VoicingDecisionErrorPlain(), recordings, names)[FALSE_VOICING] == "FAIL"
    monkeypatch.setattr(pitch, "THRESHOLD", 0.97)
    assert outcomes(VoicingDecisionErrorPlain(), recordings, names)[MISSED_VOICING] == "FAIL"


def test_a_band_limit_counts_less_than_noise_unless_the_floor_is_low(recordings, monkeypatch):
    assert outcomes(MelCepstralDistortion(), recordings, {BAND_LIMIT}) == {BAND_LIMIT: "ok"}
    limited = pair(BAND_LIMIT, recordings[0])[0]
    spectrum = np.abs(np.fft.rfft(limited.samples)) ** 2
    assert spectrum[np.fft.rfftfreq(len(limited.samples), 1 / RATE) > 5_500].sum() < 1e-6 * spectrum.sum()
    monkeypatch.setattr(cepstrum, "FLOOR_DB", -80.0)
    assert outcomes(MelCepstralDistortion(), [Clip(c.id, c.samples, RATE) for c in recordings], {BAND_LIMIT}) == {
        BAND_LIMIT: "FAIL"
    }


def test_the_command_tests_both_on_the_users_recordings(tmp_path, capsys):
    for number in range(2):
        soundfile.write(tmp_path / f"r{number}.wav", speechlike(1.6, 120.0 + 70 * number, RATE), RATE)
    selftest(tmp_path, ["mcd", "vde_plain"], None, workers=1, quiet=True)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for start in ("mcd band limit", "vde_plain false voicing", "vde_plain missed voicing"):
        assert any(line.startswith(start) and line.endswith("ok") for line in lines), start
