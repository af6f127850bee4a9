"""Pitch, cepstrum, warping and the analysis that metrics share."""

import numpy as np
import pysptk
import pytest
import pyworld
from speechlike import contour, speechlike

from ttsbench import Clip, ClipError, ConfigError, MeasurementError
from ttsbench.audio.cepstrum import ALPHA, ORDER, mel_cepstrum, world_envelope
from ttsbench.audio.dtw import dtw_path
from ttsbench.audio.pitch import frame_f0, interpolate_log_f0, world_f0
from ttsbench.audio.usable import fault, require_usable, usable_at
from ttsbench.audio.world import aligned, analyse, checked_align

RATE = 22050


@pytest.mark.parametrize("f0", [70.0, 140.0, 280.0, 500.0])
def test_world_f0_finds_the_pitch_that_was_put_in(f0):
    found = world_f0(speechlike(f0=f0), RATE)
    truth = contour(int(1.2 * RATE), RATE, f0)[np.minimum(np.arange(len(found)) * RATE // 200, int(1.2 * RATE) - 1)]
    both = (found > 0) & (truth > 0)
    assert both.sum() > 0.7 * (truth > 0).sum()
    assert np.median(np.abs(found[both] / truth[both] - 1)) < 0.01
    assert np.mean(np.abs(found[both] / truth[both] - 1) > 0.2) < 0.05


def test_world_f0_marks_noise_as_unvoiced_and_keeps_its_range():
    noise = np.random.default_rng(1).standard_normal(RATE).astype(np.float32) * 0.1
    found = world_f0(noise, RATE)
    assert np.mean(found > 0) < 0.2
    found = world_f0(speechlike(f0=140), RATE, f0_min=65.0, f0_max=130.0)
    assert np.all((found == 0) | ((found >= 65) & (found <= 130)))


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
    found = frame_f0(samples, RATE, hop)
    centre = f0[hop * np.arange(len(found)) + hop // 2]
    inner = slice(5, -5)
    assert np.all(found[inner] > 0)
    assert abs(np.median(found[inner] / centre[inner]) - 1) < 1e-3


def test_interpolate_log_f0_by_hand():
    result = interpolate_log_f0(np.array([0.0, 100.0, 0.0, 0.0, np.exp(3) * 100.0, 0.0]))
    assert result == pytest.approx(np.log(100.0) + np.array([0, 0, 1, 2, 3, 3]))
    with pytest.raises(ClipError, match="none of the 3 frames is voiced"):
        interpolate_log_f0(np.zeros(3))


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0, np.float32), "lasts 0.000 s"),
        (np.zeros(RATE, np.float32), "silent"),
        (np.full(RATE, np.nan, np.float32), "NaN or infinite"),
        (np.ones((RATE, 2), np.float32), "mono"),
    ],
)
def test_what_cannot_be_analysed_is_refused_with_the_reason(samples, reason):
    assert reason in fault(samples, RATE)
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


def test_mel_cepstrum_of_a_power_spectrum_is_that_of_the_amplitude():
    """|H|^2 = exp(2 sum c_m cos(m w')) must give c back: twice c is the power/amplitude confusion."""
    c = np.random.default_rng(0).normal(size=ORDER + 1) * 0.5 / (1 + np.arange(ORDER + 1))
    w = np.linspace(0, np.pi, 513)
    warped = w + 2 * np.arctan(ALPHA * np.sin(w) / (1 - ALPHA * np.cos(w)))
    power = np.exp(2 * (np.cos(np.outer(warped, np.arange(ORDER + 1))) @ c))
    assert mel_cepstrum(power[None])[0] == pytest.approx(c, abs=1e-3)


def test_envelope_of_sound_agrees_with_the_mel_cepstrum_it_gives():
    samples = speechlike()
    f0 = world_f0(samples, RATE)
    power = world_envelope(samples, RATE, f0)
    assert power.shape == (len(f0), 513)
    rebuilt = pysptk.mc2sp(mel_cepstrum(power), ALPHA, 1024)
    decibels = 10 * np.log10(rebuilt / power)
    assert np.median(np.abs(decibels)) < 1.5


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


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros((4, 2)), np.zeros(4)])
def test_dtw_refuses_frames_that_do_not_fit(bad):
    with pytest.raises(ValueError, match="DTW needs frames"):
        dtw_path(np.zeros((4, 3)), bad)


def test_one_analysis_per_clip_and_one_path_per_pair(monkeypatch):
    calls = []
    dio = pyworld.dio
    monkeypatch.setattr(pyworld, "dio", lambda *args, **kwargs: calls.append("dio") or dio(*args, **kwargs))
    reference = Clip("r", speechlike(0.6), RATE)
    systems = [Clip("r", speechlike(0.6, f0=f0), RATE) for f0 in (140, 150)]
    first = aligned(systems[0], reference, "dtw")
    assert aligned(systems[0], reference, "dtw").clip.f0.tolist() == first.clip.f0.tolist()
    aligned(systems[1], reference, "dtw")
    assert len(calls) == 3
    other = Clip("r", speechlike(0.8), RATE)
    assert len(aligned(systems[0], other, "dtw").clip.f0) >= 161, "another reference of the same id has its own path"


def test_alignment_by_time_cuts_to_the_shorter_and_refuses_what_is_much_longer():
    reference = Clip("r", speechlike(1.0), RATE)
    pair = aligned(Clip("r", speechlike(1.05), RATE), reference, "none")
    assert pair.clip.f0.tolist() == analyse(Clip("r", speechlike(1.05), RATE).at(16_000)).f0[:201].tolist()
    assert len(pair.reference.mcep) == 201
    with pytest.raises(MeasurementError, match="align: dtw"):
        aligned(Clip("r", speechlike(1.5), RATE), reference, "none")
    with pytest.raises(ConfigError, match=r"'fast'.*dtw, none"):
        checked_align("fast")


def test_analysis_does_not_depend_on_threads():
    from concurrent.futures import ThreadPoolExecutor

    clips = [Clip(str(f0), speechlike(0.5, f0=f0), RATE) for f0 in (90, 120, 160, 210)]
    alone = [analyse(clip).mcep for clip in clips]
    with ThreadPoolExecutor(4) as pool:
        together = [result.mcep for result in pool.map(analyse, clips)]
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
