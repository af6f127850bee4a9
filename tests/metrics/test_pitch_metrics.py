"""F0 against a reference: contours by hand, correlation against scipy, and known offsets."""

import math

import numpy as np
import pytest
import pyworld
import soundfile
from scipy.stats import pearsonr
from speechlike import speechlike

from metrics import pitch as pitch_metrics
from metrics.pitch import (
    F0Correlation,
    F0CorrelationPlain,
    F0FrameError,
    F0FrameErrorPlain,
    GrossPitchError,
    GrossPitchErrorPlain,
    LogF0Rmse,
    LogF0RmsePlain,
    VoicingDecisionError,
    VoicingDecisionErrorPlain,
)
from ttsbench import Clip, ConfigError, MeasurementError
from ttsbench.audio.f0_trackers import WORLD
from ttsbench.audio.pitch import world_f0
from ttsbench.audio.world import AlignedPair, WorldAnalysis, align_pair

RATE = 22050
WARPED = (F0FrameError, GrossPitchError, VoicingDecisionError, LogF0Rmse, F0Correlation)
PLAIN = (F0FrameErrorPlain, GrossPitchErrorPlain, VoicingDecisionErrorPlain, LogF0RmsePlain, F0CorrelationPlain)
OVER_COMMON_FRAMES = (GrossPitchError, LogF0Rmse, F0Correlation)


def clip_of(samples, sample_rate=RATE):
    return Clip("utt-1", np.asarray(samples, np.float32), sample_rate)


@pytest.fixture(scope="module")
def speech():
    return speechlike(1.2)


@pytest.fixture
def contours(monkeypatch):
    """Replace the analysis by given F0 contours."""

    def put(f0, reference):
        pair = AlignedPair(*(WorldAnalysis(np.array(c, float), np.zeros((len(c), 25))) for c in (f0, reference)))
        monkeypatch.setattr(pitch_metrics, "align_pair", lambda *_: pair)
        monkeypatch.setattr(pitch_metrics, "usable_at", lambda clip, _: clip)
        monkeypatch.setattr(pitch_metrics, "voiced_f0", lambda *_: None)

    return put


def test_pitch_errors_by_hand(contours):
    #          ok   low  high edge  lost  made  both unvoiced
    contours([100, 79.9, 121, 120, 0, 100, 0, 0], [100, 100, 100, 100, 100, 0, 0, 0])
    clip = clip_of(np.ones(1))
    assert F0FrameError().measure(clip, clip) == (4.0, 8.0)
    assert GrossPitchError().measure(clip, clip) == (2.0, 4.0)
    assert VoicingDecisionError().measure(clip, clip) == (2.0, 8.0)
    squared, frames = LogF0Rmse().measure(clip, clip)
    assert frames == 4
    assert squared == pytest.approx(math.log(0.799) ** 2 + math.log(1.21) ** 2 + math.log(1.2) ** 2)


def test_pitch_rates_are_ratios_of_sums():
    rows = np.array([[1.0, 2.0], [0.0, 8.0]])
    assert F0FrameError().reduce(rows) == pytest.approx(0.1)
    assert LogF0Rmse().reduce(rows) == pytest.approx(math.sqrt(0.1))
    assert math.isnan(F0FrameError().reduce(np.zeros((3, 2))))


def test_correlation_matches_scipy_over_frames_voiced_in_both(contours):
    rng = np.random.default_rng(0)
    target = 120 * np.exp(0.1 * np.cumsum(rng.normal(size=80)))
    f0 = 200 * (target / 120) ** 0.5 * np.exp(0.05 * rng.normal(size=80))
    f0[10:25], target[20:30] = 0.0, 0.0
    contours(f0, target)
    clip = clip_of(np.ones(1))
    both = (f0 > 0) & (target > 0)
    expected = pearsonr(np.log(f0[both]), np.log(target[both])).statistic
    assert F0Correlation().measure(clip, clip) == pytest.approx((expected,), abs=1e-12)
    assert 0.3 < expected < 0.99


def test_correlation_is_averaged_over_utterances_so_speaker_means_do_not_count(contours):
    """Contours of noise around each speaker's mean have r near 0; pooled over speakers r would exceed 0.9."""
    rng, rows, clip = np.random.default_rng(0), [], clip_of(np.ones(1))
    pooled = []
    for mean in (100.0, 100.0, 220.0, 220.0):
        generated, recorded = (mean * np.exp(0.05 * rng.normal(size=400)) for _ in range(2))
        pooled.append((generated, recorded))
        contours(generated, recorded)
        rows.append(F0Correlation().measure(clip, clip))
    assert F0Correlation().reduce(np.array(rows)) == pytest.approx(np.mean(rows))
    assert abs(np.mean(rows)) < 0.1
    assert pearsonr(*np.log(np.concatenate(pooled, axis=1))).statistic > 0.9


def test_a_constant_contour_has_no_correlation(contours):
    moving, flat, clip = 120 + 10 * np.sin(np.arange(50.0)), np.full(50, 123.4), clip_of(np.ones(1))
    contours(flat, moving)
    with pytest.raises(MeasurementError, match="F0 of clip 'utt-1' is constant"):
        F0Correlation().measure(clip, clip)
    contours(moving, flat)
    with pytest.raises(MeasurementError, match="F0 of the reference of clip 'utt-1' is constant"):
        F0Correlation().measure(clip, clip)
    contours(moving[:19], moving[:19])
    with pytest.raises(MeasurementError, match=r"only 19 frames are voiced in both.*needs 20"):
        F0Correlation().measure(clip, clip)


def test_too_few_common_frames_are_refused(contours):
    clip = clip_of(np.ones(1))
    voiced = np.linspace(100.0, 110.0, 300)
    contours(np.where(np.arange(300) < 29, voiced, 0.0), voiced)
    for metric in OVER_COMMON_FRAMES:
        with pytest.raises(
            MeasurementError, match="only 29 of the reference's 300 voiced frames are voiced in clip 'utt-1'"
        ):
            metric().measure(clip, clip)
    assert F0FrameError().measure(clip, clip) == (271.0, 300.0)
    contours(np.where(np.arange(300) < 30, voiced, 0.0), voiced)
    for metric in OVER_COMMON_FRAMES:
        metric().measure(clip, clip)


@pytest.mark.parametrize(("rmse", "gross"), [(LogF0Rmse, GrossPitchError), (LogF0RmsePlain, GrossPitchErrorPlain)])
def test_a_known_pitch_offset_is_measured(rmse, gross, speech):
    squared = np.array([rmse().measure(clip_of(speechlike(1.2, f0=140 * 1.06)), clip_of(speech))])
    assert rmse().reduce(squared) == pytest.approx(math.log(1.06), abs=0.012)
    errors = np.array([gross().measure(clip_of(speechlike(1.2, f0=140 * 1.4)), clip_of(speech))])
    assert gross().reduce(errors) > 0.9


def test_a_known_pitch_offset_in_recordings_is_measured(speech_data):
    rows = []
    for path in sorted(speech_data.glob("ljspeech-mini/**/*.wav"))[1:4]:
        samples, rate = soundfile.read(path, dtype="float32", stop=3 * RATE)
        same, higher = (clip_of(vocoded(samples, rate, factor), rate) for factor in (1.0, 1.06))
        rows.append(LogF0Rmse().measure(higher, same))
        assert F0FrameError().reduce(np.array([F0FrameError().measure(higher, same)])) < 0.12
        assert F0Correlation().measure(higher, same)[0] > 0.9
    assert LogF0Rmse().reduce(np.array(rows)) == pytest.approx(math.log(1.06), abs=0.025)


def vocoded(samples, rate, factor):
    """Return WORLD copy synthesis with F0 multiplied by ``factor``."""
    x, f0 = samples.astype(np.float64), world_f0(samples, rate)
    times = np.arange(len(f0)) * 0.005
    return pyworld.synthesize(
        f0 * factor, pyworld.cheaptrick(x, f0, times, rate), pyworld.d4c(x, f0, times, rate), rate
    )


def test_plain_metrics_compare_frames_of_the_same_time(speech):
    later = np.concatenate([speech[: RATE // 20], speech])
    pair = align_pair(clip_of(later), clip_of(speech), "time")
    f0, target = pair.clip.f0, pair.reference.f0
    assert len(f0) == len(world_f0(clip_of(speech).at(16_000).samples, 16_000))
    wrong = np.mean((f0 > 0) != (target > 0))
    measured = VoicingDecisionErrorPlain().measure(clip_of(later), clip_of(speech))
    assert VoicingDecisionErrorPlain().reduce(np.array([measured])) == pytest.approx(wrong)
    warped = VoicingDecisionError().measure(clip_of(later), clip_of(speech))
    assert VoicingDecisionError().reduce(np.array([warped])) < wrong
    for plain in PLAIN:
        with pytest.raises(MeasurementError, match="differ too much to compare frame by frame"):
            plain().measure(clip_of(speech[: RATE // 2]), clip_of(speech))


def test_pitch_metric_signatures():
    assert F0FrameError.info.signature == (
        "ffe|dio+ncc:0.45+stonemask|50-800Hz|5ms|voiced:>20%|q3:<600Hz|dtw:exact:mcep24|gross:20%|frames:path|ratio-of-sums|v3"
    )
    assert F0CorrelationPlain.info.signature == (
        "f0_correlation_plain|dio+ncc:0.45+stonemask|50-800Hz|5ms|voiced:>20%|q3:<600Hz|align:time|pearson|ln|"
        "frames:both-voiced>=10%,20|mean:utterances|v3"
    )
    for plain, warped in zip(PLAIN, WARPED, strict=True):
        assert issubclass(plain, warped)
        assert plain.info.name == f"{warped.info.name}_plain"
        assert plain.info.signature.split("|")[6] == "align:time"
        assert (plain.info.columns, plain.info.unit) == (warped.info.columns, warped.info.unit)


def high_voice(f0, n=3 * RATE):
    """Harmonics of a moving F0 around ``f0`` Hz, with pauses."""
    t = np.arange(n) / RATE
    pitch = f0 * np.exp(0.08 * np.sin(2 * np.pi * 1.3 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tone = sum(np.cos(k * phase) / k for k in range(1, 6)) * (np.sin(2 * np.pi * 1.1 * t) > -0.6)
    return (0.1 * tone + 1e-3 * np.random.default_rng(0).standard_normal(n)).astype(np.float32)


@pytest.mark.parametrize(("f0", "f0_max"), [(500.0, 800.0), (600.0, 1000.0)])
def test_a_high_voice_is_measured(f0, f0_max):
    """A reader compared with a reader 10 % higher, frame by frame."""
    pair = clip_of(high_voice(1.1 * f0)), clip_of(high_voice(f0))
    rmse = LogF0RmsePlain(f0_max=f0_max)
    assert rmse.reduce(np.array([rmse.measure(*pair)])) == pytest.approx(math.log(1.1), abs=0.005)
    assert F0CorrelationPlain(f0_max=f0_max).measure(*pair)[0] > 0.96


@pytest.mark.parametrize("metric", WARPED)
def test_a_voice_near_the_maximum_is_refused(metric):
    pair = clip_of(high_voice(770.0)), clip_of(high_voice(700.0))
    reason = "voiced frames of clip 'utt-1' lie above 7[0-9]{2} Hz.*set the options f0: praat and f0_max: 1600 of"
    with pytest.raises(MeasurementError, match=reason):
        metric().measure(*pair)


def test_a_reader_at_700_hz_is_refused(speech_data):
    """An LJSpeech reader copied to a median of 700 Hz, and 10 % higher, where the right answers are .095, 1 and 0."""
    samples, rate = soundfile.read(speech_data / "ljspeech-mini/wavs/LJ001-0002.wav", dtype="float32")
    voiced = world_f0(samples, rate)
    factor = 700.0 / np.median(voiced[voiced > 0])
    pair = [clip_of(vocoded(samples, rate, factor * k), rate) for k in (1.1, 1.0)]
    for metric in OVER_COMMON_FRAMES:
        with pytest.raises(MeasurementError, match="too near the maximum of 800 Hz to be tracked"):
            metric().measure(*pair)


def test_a_voice_at_700_hz_is_measured_as_its_refusal_advises():
    pair = clip_of(high_voice(770.0)), clip_of(high_voice(700.0))
    rmse, gross, correlation = (
        metric(f0="praat", f0_max=1600.0) for metric in (LogF0RmsePlain, GrossPitchErrorPlain, F0CorrelationPlain)
    )
    assert rmse.reduce(np.array([rmse.measure(*pair)])) == pytest.approx(math.log(1.1), abs=0.005)
    assert gross.measure(*pair)[0] == 0.0
    assert correlation.measure(*pair)[0] > 0.96


@pytest.mark.parametrize("metric", WARPED)
def test_a_reference_whose_f0_is_not_tracked_is_refused(metric, speech):
    reference = clip_of(speech).at(16_000)
    f0 = np.zeros(len(speech) * 16_000 // RATE // 80 + 1)
    f0[10:30] = 120.0  # 0.1 s of about a second of speech
    reference._features[WORLD] = f0
    with pytest.raises(MeasurementError, match=r"[0-9]% of the speech in clip 'utt-1' is voiced between 50"):
        metric().measure(clip_of(speech).at(16_000), reference)


def test_extractor_and_range_are_options_in_the_signature():
    default, narrow = F0FrameError(), F0FrameError(f0_min=75.0, f0_max=400.0)
    assert "|50-800Hz|" in default.info.signature and "|75-400Hz|" in narrow.info.signature
    assert F0FrameError.info.signature == default.info.signature
    praat = LogF0RmsePlain(f0="praat")
    assert "|praat-ac:parselmouth-" in praat.info.signature and praat.info.name == "log_f0_rmse_plain"
    with pytest.raises(ConfigError, match="f0 is 'swipe'; choose one of world, praat, crepe"):
        F0FrameError(f0="swipe")
