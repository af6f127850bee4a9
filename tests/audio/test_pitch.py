"""F0: candidates against pyworld, voicing against Praat and a majority of three extractors, known pulse trains."""

import warnings

import numpy as np
import pytest
import pyworld
import soundfile
from scipy.signal import lfilter
from speechlike import contour, speechlike

from ttsbench import Clip, ClipError, ConfigError
from ttsbench.audio.dio import candidates
from ttsbench.audio.f0_trackers import WORLD, F0Tracker, praat_f0
from ttsbench.audio.pitch import frame_f0, interpolate_log_f0, world_f0
from ttsbench.audio.voicing import best_path, speaker_range
from ttsbench.audio.wav import resample

RATE = 22050
LOW, HIGH = 65.0, 600.0  # Hz


@pytest.mark.parametrize("f0", [60.0, 70.0, 140.0, 280.0, 500.0, 700.0])
def test_world_f0_recovers_the_synthesized_pitch(f0):
    estimate = world_f0(speechlike(f0=f0), RATE)
    truth = contour(int(1.2 * RATE), RATE, f0)[np.minimum(np.arange(len(estimate)) * RATE // 200, int(1.2 * RATE) - 1)]
    both = (estimate > 0) & (truth > 0)
    assert both.sum() > 0.7 * (truth > 0).sum()
    assert np.median(np.abs(estimate[both] / truth[both] - 1)) < 0.01
    assert np.mean(np.abs(estimate[both] / truth[both] - 1) > 0.2) < 0.05


def noise(n):
    return 0.1 * np.random.default_rng(1).standard_normal(n)


def assert_candidates_contain(contour_hz, candidates_hz):
    """Every voiced frame of a contour (T,) is one of the candidates (bands, T)."""
    voiced = np.flatnonzero(contour_hz)
    assert np.abs(candidates_hz[:, voiced] - contour_hz[voiced]).min(axis=0).max(initial=0.0) < 1e-6


@pytest.mark.parametrize(
    ("samples", "rate", "period_ms"),
    [
        (speechlike(1.2, f0=70.0, sample_rate=16_000), 16_000, 5.0),
        (speechlike(1.2, f0=450.0, sample_rate=16_000), 16_000, 5.0),
        (speechlike(1.2, f0=140.0), RATE, 500 * 256 / RATE),
        (speechlike(0.31, f0=210.0, sample_rate=24_000), 24_000, 10.0),
        (np.concatenate([noise(9_000), speechlike(0.5, sample_rate=16_000), noise(3_001)]), 16_000, 5.0),
    ],
    ids=["low", "high", "mel frames", "short", "in noise"],
)
def test_candidates_contain_pyworlds_contour(samples, rate, period_ms):
    x = samples.astype(np.float64)
    expected, _ = pyworld.dio(x, rate, f0_floor=LOW, f0_ceil=HIGH, frame_period=period_ms)
    assert expected.any()
    assert_candidates_contain(expected, candidates(x, rate, LOW, HIGH, period_ms)[1])


def test_candidates_contain_pyworlds_contour_of_recordings(speech_data):
    recordings = [*sorted(speech_data.glob("ljspeech-mini/**/*.wav"))[:2]]
    recordings += sorted(speech_data.glob("librispeech-3spk/**/*.flac"))[::100]
    for path in recordings:
        x, rate = soundfile.read(path)
        expected, _ = pyworld.dio(x, rate, f0_floor=LOW, f0_ceil=HIGH, frame_period=5.0)
        assert expected.any()
        assert_candidates_contain(expected, candidates(x, rate, LOW, HIGH, 5.0)[1])


# --- voicing


def test_digital_silence_is_unvoiced():
    gap = np.zeros(16_000)
    x = np.concatenate([gap, speechlike(0.5, sample_rate=16_000), gap, speechlike(0.5, sample_rate=16_000), gap])
    f0 = world_f0(x.astype(np.float32), 16_000)
    assert not f0[:195].any() and not f0[305:495].any() and not f0[605:].any()
    assert (f0[200:300] > 0).mean() > 0.5


@pytest.mark.parametrize("colour", [(1.0, 0.0), (1.0, -0.9)], ids=["white", "low-frequency"])
def test_noise_is_unvoiced(colour):
    rng = np.random.default_rng(1)
    for _ in range(5):
        samples = lfilter([1.0], colour, 0.05 * rng.standard_normal(2 * 16_000))
        assert np.mean(world_f0(samples.astype(np.float32), 16_000) > 0) < 0.02


def test_a_gain_does_not_change_f0():
    samples = np.concatenate([noise(4_000) * 0.01, speechlike(0.8, sample_rate=16_000)]).astype(np.float32)
    loud, quiet = (world_f0(np.float32(gain) * samples, 16_000) for gain in (1.0, 2.0**-4))
    assert np.abs(loud - quiet).max() < 1e-6 and loud.any()


def test_an_offset_is_not_voiced():
    assert not world_f0((0.3 + 0.01 * noise(32_000)).astype(np.float32), 16_000).any()


@pytest.mark.parametrize("f0", [55.0, 120.0, 400.0, 700.0])
@pytest.mark.parametrize("snr_db", [20.0, 5.0])
def test_a_pulse_train_in_noise_is_voiced_where_it_sounds(f0, snr_db):
    """A second of pulses through a formant, between two seconds of the same noise."""
    rng, rate = np.random.default_rng(0), 16_000
    pulses = np.diff(np.floor(f0 * np.arange(rate + 1) / rate))
    tone = lfilter([1.0], [1.0, -1.6 * np.cos(2 * np.pi * 700 / rate), 0.64], pulses)
    x = np.concatenate([np.zeros(rate), tone, np.zeros(rate)])
    x += np.sqrt(np.mean(tone**2)) * 10 ** (-snr_db / 20) * rng.standard_normal(len(x))
    estimate = world_f0((0.1 * x).astype(np.float32), rate)
    inside = estimate[205:395]
    assert np.mean(inside > 0) > 0.95 and np.median(np.abs(inside[inside > 0] / f0 - 1)) < 0.02
    assert np.mean(estimate[np.r_[:195, 405:600]] > 0) < 0.02


def test_the_range_follows_the_speaker():
    assert speaker_range(np.full(19, 120.0)) is None
    assert speaker_range(np.r_[np.zeros(50), np.linspace(100.0, 200.0, 101)]) == pytest.approx((75.0, 315.0))
    high = np.full((1, 100), 300.0)
    high[0, 90:95] = 100.0  # below 0.6 * 300
    t = np.arange(8_000) / 16_000
    x = np.sin(2 * np.pi * 300 * t) + 0.5 * np.sin(2 * np.pi * 600 * t)
    path = best_path(x, 16_000, high, 5.0, 0.45)
    assert np.abs(path[:98] / 300 - 1).max() < 0.01, "a third of the speaker's F0 is a period too, but out of range"


def reference_voicing(samples):
    """Return the F0 (T,) of REAPER, pYIN and RAPT, voiced where at least two of them are, and their median."""
    librosa, pysptk = pytest.importorskip("librosa"), pytest.importorskip("pysptk")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyreaper = pytest.importorskip("pyreaper")
    frames, pcm = len(samples) // 80 + 1, np.rint(samples * 32767)
    limits = {"minf0": LOW, "maxf0": HIGH}
    _, _, times, reaper, _ = pyreaper.reaper(pcm.astype(np.int16), 16_000, frame_period=0.005, **limits)
    pyin, voiced, _ = librosa.pyin(samples, fmin=LOW, fmax=HIGH, sr=16_000, frame_length=1024, hop_length=80)
    rapt = np.roll(pysptk.rapt(pcm.astype(np.float32), 16_000, 80, min=LOW, max=HIGH), 1)  # it starts 5 ms later
    reaper = np.maximum(reaper, 0)[np.abs(np.arange(frames)[:, None] * 0.005 - times).argmin(axis=1)]
    padded = [np.pad(f0, (0, frames))[:frames] for f0 in (reaper, np.where(voiced, np.nan_to_num(pyin), 0), rapt)]
    contours = np.stack(padded)
    ordered = np.sort(contours, axis=0)[::-1]  # the voiced values first
    count = (contours > 0).sum(axis=0)
    return np.where(count == 3, ordered[1], np.where(count == 2, ordered[:2].mean(axis=0), 0.0))


def praat(samples):
    """Return F0 (T,) by Praat's autocorrelation method with its default thresholds, in a single pass."""
    parselmouth = pytest.importorskip("parselmouth")
    sound = parselmouth.Sound(samples.astype(np.float64), 16_000)
    pitch = sound.to_pitch_ac(time_step=0.005, pitch_floor=LOW, pitch_ceiling=HIGH)
    distance = np.abs(np.arange(len(samples) // 80 + 1)[:, None] * 0.005 - pitch.xs())
    return np.where(distance.min(axis=1) < 0.006, pitch.selected_array["frequency"][distance.argmin(axis=1)], 0.0)


def test_voicing_is_at_least_as_good_as_praats(speech_data):
    """Against the majority of REAPER, pYIN and RAPT on ten recordings; see the table in ``ttsbench.audio.pitch``."""
    paths = []
    for corpus in ("ljspeech-mini/**/*.wav", "librispeech-3spk/**/*.flac"):
        recordings = sorted(speech_data.glob(corpus))
        paths += [recordings[index] for index in np.linspace(0, len(recordings) - 1, 5).astype(int)]
    errors = {"world": [], "praat": []}
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32", stop=4 * 16_000)
        samples = resample(samples, rate, 16_000)
        reference = reference_voicing(samples)
        for name, f0 in (("world", world_f0(samples, 16_000)), ("praat", praat(samples))):
            both = (f0 > 0) & (reference > 0)
            gross = np.zeros(len(f0), bool)
            gross[both] = np.abs(f0[both] / reference[both] - 1) > 0.2
            errors[name].append(np.mean(((f0 > 0) != (reference > 0)) | gross))
    assert np.mean(errors["world"]) < 0.1
    assert np.mean(errors["world"]) <= np.mean(errors["praat"])


# --- extractors


@pytest.mark.parametrize(
    ("method", "package"), [("praat", "parselmouth"), pytest.param("crepe", "torchcrepe", marks=pytest.mark.slow)]
)
def test_trackers_agree_on_a_clear_voice(method, package):
    pytest.importorskip(package)
    clip = Clip("a", speechlike(0.5, f0=180.0, sample_rate=16_000), 16_000)
    world = clip.feature(WORLD)
    tracker = F0Tracker(method)
    tracker.require()
    f0 = clip.feature(tracker)
    assert f0.shape == world.shape
    both = (f0 > 0) & (world > 0)
    assert both.mean() > 0.6 * (world > 0).mean() and np.median(np.abs(f0[both] / world[both] - 1)) < 0.02
    assert np.array_equal(F0Tracker(method)(clip), f0)


def test_praat_is_parselmouths():
    parselmouth = pytest.importorskip("parselmouth")
    samples = speechlike(1.0, f0=180.0, sample_rate=16_000)
    sound = parselmouth.Sound(samples.astype(np.float64), 16_000)
    first = sound.to_pitch_ac(time_step=0.005, pitch_floor=50, pitch_ceiling=800).selected_array["frequency"]
    low, high = speaker_range(first)
    pitch = sound.to_pitch_ac(time_step=0.005, pitch_floor=max(low, 50), pitch_ceiling=min(high, 800))
    f0 = praat_f0(samples, 50.0, 800.0)
    distance = np.abs(np.arange(len(f0))[:, None] * 0.005 - pitch.xs())
    inside = distance.min(axis=1) < 0.005
    nearest = pitch.selected_array["frequency"][distance.argmin(axis=1)]
    assert np.mean(np.isclose(f0[inside], nearest[inside], rtol=1e-3)) > 0.85, "but for ties between two frames"
    assert not f0[~inside].any() and (f0 > 0).mean() > 0.4


def test_trackers_are_options_and_say_what_is_missing(monkeypatch):
    with pytest.raises(ConfigError, match="f0 is 'yin'; choose one of world, praat, crepe"):
        F0Tracker("yin")
    for low, high in ((100.0, 90.0), (10.0, 500.0), (50.0, 5_000.0)):
        with pytest.raises(ConfigError, match="the F0 range is"):
            F0Tracker(f0_min=low, f0_max=high)
    assert F0Tracker("world", 75.0, 400.0).signature == "dio+ncc:0.45+stonemask|75-400Hz|5ms"
    monkeypatch.setattr("ttsbench.audio.f0_trackers.PACKAGES", {"world": "", "praat": "no-such-package", "crepe": ""})
    with pytest.raises(ConfigError, match="pip install no-such-package', or use f0: world"):
        F0Tracker("praat").require()


# --- frames of the mel


@pytest.mark.parametrize("hop", [200, 256, 300])
@pytest.mark.parametrize("n", [22050, 256 * 90, 300 * 77 + 299, 4096])
def test_frame_f0_has_one_value_for_each_mel_frame(hop, n):
    samples = np.sin(2 * np.pi * 200 * np.arange(n) / RATE).astype(np.float32)
    assert frame_f0(samples, RATE, hop).shape == (n // hop,)


def test_frame_f0_is_taken_at_the_centre_of_each_frame():
    # A glide of an octave in a second: half a hop of misplacement would be 0.4 % of the pitch.
    n, hop = 2 * RATE, 256
    f0 = 100.0 * 2 ** (np.arange(n) / RATE)
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    samples = (sum(np.cos(k * phase) / k for k in range(1, 12)) / 8).astype(np.float32)
    estimate = frame_f0(samples, RATE, hop)
    centre = f0[hop * np.arange(len(estimate)) + hop // 2]
    inner = slice(5, -5)
    assert np.all(estimate[inner] > 0)
    assert abs(np.median(estimate[inner] / centre[inner]) - 1) < 1e-3


def test_interpolate_log_f0_by_hand():
    result = interpolate_log_f0(np.array([0.0, 100.0, 0.0, 0.0, np.exp(3) * 100.0, 0.0]))
    assert result == pytest.approx(np.log(100.0) + np.array([0, 0, 1, 2, 3, 3]))
    with pytest.raises(ClipError, match="none of the 3 frames is voiced"):
        interpolate_log_f0(np.zeros(3))
