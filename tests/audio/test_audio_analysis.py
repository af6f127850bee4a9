"""Cepstrum, warping and the analysis shared by metrics; see test_pitch.py for F0."""

import numpy as np
import pysptk
import pytest
import pyworld
from scipy.spatial.distance import cdist
from speechlike import speechlike

from ttsbench import Clip, ClipError, MeasurementError
from ttsbench.audio.cepstrum import ALPHA, ORDER, mel_cepstrum, world_mel_cepstrum
from ttsbench.audio.cheaptrick import envelope_cepstrum, fft_size
from ttsbench.audio.dtw import dtw_path
from ttsbench.audio.pitch import world_f0
from ttsbench.audio.usable import require_usable, unusable_reason, usable_at
from ttsbench.audio.world import align_pair, analyse

RATE = 22050


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0, np.float32), "lasts 0.000 s"),
        (np.zeros(RATE, np.float32), "silent"),
        (np.full(RATE, np.nan, np.float32), "NaN or infinite"),
        (np.ones((RATE, 2), np.float32), "mono"),
    ],
)
def test_unusable_samples_are_refused_with_the_reason(samples, reason):
    assert reason in unusable_reason(samples, RATE)
    with pytest.raises(ClipError, match=reason):
        world_f0(samples, RATE)
    with pytest.raises(MeasurementError, match=f"'a'.*{reason}"):
        require_usable(Clip("a", samples, RATE))


def test_a_clip_that_resampling_silences_is_refused():
    ultrasound = np.sin(2 * np.pi * 20000 * np.arange(48000) / 48000).astype(np.float32) * np.hanning(48000)
    clip = Clip("bat", ultrasound.astype(np.float32), 48000)
    require_usable(clip)
    with pytest.raises(MeasurementError, match="'bat' is silent"):
        usable_at(clip, 16000)


def test_mel_cepstrum_of_a_power_spectrum_describes_the_amplitude():
    """|H|^2 = exp(2 sum c_m cos(m w')) must give c back: twice c is the power/amplitude confusion."""
    c = np.random.default_rng(0).normal(size=ORDER + 1) * 0.5 / (1 + np.arange(ORDER + 1))
    w = np.linspace(0, np.pi, 513)
    warped = w + 2 * np.arctan(ALPHA * np.sin(w) / (1 - ALPHA * np.cos(w)))
    power = np.exp(2 * (np.cos(np.outer(warped, np.arange(ORDER + 1))) @ c))
    assert mel_cepstrum(power[None])[0] == pytest.approx(c, abs=1e-3)


@pytest.mark.parametrize(("order", "alpha", "bins"), [(24, 0.42, 513), (39, 0.466, 513), (13, 0.65, 257)])
def test_mel_cepstrum_matches_sptk(order, alpha, bins):
    power = np.exp(np.cumsum(np.random.default_rng(0).normal(size=(7, bins)), axis=1))
    assert np.abs(mel_cepstrum(power, order, alpha) - pysptk.sp2mc(power, order, alpha)).max() < 1e-9


def worlds_envelope(samples, rate):
    """Return samples with hiss, F0 and pyworld's CheapTrick power; the hiss is above the noise that WORLD adds."""
    hissing = samples + 1e-4 * np.random.default_rng(3).standard_normal(len(samples))
    f0 = world_f0(hissing, rate)
    return hissing, f0, pyworld.cheaptrick(hissing, f0, np.arange(len(f0)) * 0.005, rate, fft_size=fft_size(rate))


@pytest.mark.parametrize(("f0", "rate"), [(70.0, 16_000), (140.0, 16_000), (450.0, 16_000), (140.0, 22_050)])
def test_envelope_cepstrum_matches_pyworld(f0, rate):
    samples, contour_hz, power = worlds_envelope(speechlike(0.8, f0=f0, sample_rate=rate), rate)
    expected = np.fft.irfft(np.log(power))[:, :200]
    assert np.abs(envelope_cepstrum(samples, rate, contour_hz, 200) - expected).max() < 1e-7
    assert (contour_hz > 0).any() and (contour_hz == 0).any()


def test_envelope_cepstrum_applies_floor_and_upper_frequency():
    samples, f0, power = worlds_envelope(speechlike(0.6, sample_rate=16_000), 16_000)
    quefrency_to_log_power = 2 * np.cos(np.pi * np.outer(np.arange(513), np.arange(513)) / 512)
    quefrency_to_log_power[[0, -1]] /= 2
    log_power, floor = np.log(power), 1e-4 * power.max()
    floored = envelope_cepstrum(samples, 16_000, f0, 513, floor=floor) @ quefrency_to_log_power
    loud, faint = power > 100 * floor, power < 0.01 * floor
    assert loud.any() and np.abs(floored - log_power)[loud].max() < 0.2
    assert faint.any() and np.abs(floored - np.log(floor))[faint].max() < 0.5
    held = envelope_cepstrum(samples, 16_000, f0, 513, max_hz=6_000) @ quefrency_to_log_power
    assert np.ptp(held[:, 420:], axis=1).max() < 0.5 < np.ptp(log_power[:, 420:], axis=1).max()
    assert np.abs(held[:, :340] - log_power[:, :340]).max() < 0.5


def test_world_mel_cepstrum_matches_sptk_of_pyworld_when_the_top_of_the_band_is_hiss():
    samples, f0, power = worlds_envelope(speechlike(0.8, sample_rate=16_000), 16_000)
    expected = pysptk.sp2mc(power, ORDER, ALPHA)
    error = np.sqrt(np.mean((world_mel_cepstrum(samples, 16_000, f0) - expected)[:, 1:] ** 2))
    assert error < 0.05 < 0.2 * np.sqrt(np.mean(expected[:, 1:] ** 2))


def test_level_changes_only_c0():
    gaps = np.concatenate([np.zeros(1600), speechlike(0.6, sample_rate=16_000), np.zeros(1600)])
    f0 = world_f0(gaps, 16_000)
    loud, quiet = (world_mel_cepstrum(gain * gaps, 16_000, f0) for gain in (1.0, 0.25))
    assert np.abs(loud - quiet)[:, 1:].max() < 1e-9
    assert loud[:, 0] - quiet[:, 0] == pytest.approx(np.log(4.0))


def test_dtw_path_by_hand():
    a = np.array([[0.0], [1.0], [5.0]])
    b = np.array([[0.0], [0.0], [1.0], [5.0], [5.0]])
    left, right = dtw_path(a, b)
    assert left.tolist() == [0, 0, 1, 2, 2]
    assert right.tolist() == [0, 1, 2, 3, 4]
    assert [p.tolist() for p in dtw_path(a, a)] == [[0, 1, 2]] * 2
    assert [p.tolist() for p in dtw_path(a[:1], b)] == [[0] * 5, [0, 1, 2, 3, 4]]
    assert [p.tolist() for p in dtw_path(np.zeros((2, 1)), np.zeros((3, 1)))] == [[0, 0, 1], [0, 1, 2]], (
        "ties: diagonal"
    )


@pytest.mark.parametrize("shapes", [((40, 3), (57, 3)), ((1, 2), (9, 2)), ((120, 24), (80, 24)), ((1, 1), (1, 1))])
def test_dtw_agrees_with_librosa(shapes):
    librosa = pytest.importorskip("librosa")
    rng = np.random.default_rng(sum(shapes[0]))
    a, b = (np.cumsum(rng.normal(size=shape), axis=0) for shape in shapes)
    total, path = librosa.sequence.dtw(
        a.T, b.T, metric="euclidean", step_sizes_sigma=np.array([[1, 1], [1, 0], [0, 1]])
    )
    left, right = dtw_path(a, b)
    assert np.linalg.norm(a[left] - b[right], axis=1).sum() == pytest.approx(total[-1, -1], abs=1e-9, rel=1e-12)
    assert np.array_equal(np.stack([left, right], axis=1), path[::-1])


def test_dtw_cost_matches_the_recursion():
    rng = np.random.default_rng(5)
    for shape in ((1, 1), (13, 9), (30, 41)):
        a, b = (rng.normal(size=(n, 5)) for n in shape)
        cost = cdist(a, b)
        total = np.full((shape[0] + 1, shape[1] + 1), np.inf)
        total[0, 0] = 0.0
        for i, j in np.ndindex(*shape):
            total[i + 1, j + 1] = cost[i, j] + min(total[i, j], total[i, j + 1], total[i + 1, j])
        left, right = dtw_path(a, b)
        assert cost[left, right].sum() == pytest.approx(total[-1, -1], abs=1e-9)
        assert (left[0], right[0], left[-1], right[-1]) == (0, 0, shape[0] - 1, shape[1] - 1)
        assert set(zip(np.diff(left).tolist(), np.diff(right).tolist(), strict=True)) <= {(1, 1), (1, 0), (0, 1)}


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros((4, 2)), np.zeros(4)])
def test_dtw_refuses_incompatible_frames(bad):
    with pytest.raises(ValueError, match="DTW needs frames"):
        dtw_path(np.zeros((4, 3)), bad)


def test_each_clip_is_analysed_once_and_each_pair_aligned_once(monkeypatch):
    calls = []
    refine = pyworld.stonemask
    monkeypatch.setattr(pyworld, "stonemask", lambda *args: calls.append("f0") or refine(*args))
    reference = Clip("r", speechlike(0.6), RATE)
    systems = [Clip("r", speechlike(0.6, f0=f0), RATE) for f0 in (140, 150)]
    first = align_pair(systems[0], reference, "dtw")
    assert align_pair(systems[0], reference, "dtw").clip.f0.tolist() == first.clip.f0.tolist()
    align_pair(systems[1], reference, "dtw")
    assert len(calls) == 3
    other = Clip("r", speechlike(0.8), RATE)
    assert len(align_pair(systems[0], other, "dtw").clip.f0) >= 161, (
        "another reference object with the same id has its own path"
    )


def test_alignment_by_time_truncates_and_refuses_large_differences():
    reference = Clip("r", speechlike(1.0), RATE)
    pair = align_pair(Clip("r", speechlike(1.05), RATE), reference, "time")
    assert pair.clip.f0.tolist() == analyse(Clip("r", speechlike(1.05), RATE).at(16_000)).f0[:201].tolist()
    assert len(pair.reference.mcep) == 201
    with pytest.raises(MeasurementError, match="use the metric without `_plain`"):
        align_pair(Clip("r", speechlike(1.5), RATE), reference, "time")


def test_analysis_does_not_depend_on_threads():
    from concurrent.futures import ThreadPoolExecutor

    clips = [Clip(str(f0), speechlike(0.5, f0=f0), RATE) for f0 in (90, 120, 160, 210)]
    alone = [analyse(clip).mcep for clip in clips]
    with ThreadPoolExecutor(4) as pool:
        together = [result.mcep for result in pool.map(analyse, clips)]
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
