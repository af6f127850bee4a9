"""Divergences between distributions of clips and references, and their values under chance."""

import math
from dataclasses import replace

import numpy as np
import pytest
import pyworld
import soundfile
from measuring import measured
from scipy.spatial.distance import jensenshannon
from speechlike import speechlike

from metrics.divergence import (
    DeltaLogF0Divergence,
    DurationDivergence,
    EnergyDivergence,
    LogF0Divergence,
    MelDivergence,
)
from ttsbench import Clip, FlooredMetric, MeasurementError, Phone
from ttsbench.audio.f0_trackers import WORLD
from ttsbench.audio.frames import levels
from ttsbench.audio.histogram import Bins, jensen_shannon
from ttsbench.audio.pitch import world_f0

RATE = 22050
DIVERGENCES = (LogF0Divergence, DeltaLogF0Divergence, DurationDivergence, EnergyDivergence, MelDivergence)
TIMES = (0.0, 0.1, 0.16, 0.2, 0.45, 0.5, 1.2)
LABELS = ("SIL", "AA1", "T", "IY0", "SIL", "AA1")


def phones(*times):
    return tuple(Phone(label, start, end) for label, start, end in zip(LABELS, times, times[1:], strict=False))


def clip_of(samples, rate=RATE, id_="utt-1", times=TIMES, **rest):
    return Clip(id_, np.asarray(samples, np.float32), rate, "a text", "someone", phones=phones(*times), **rest)


def contour(f0, id_="utt-1"):
    """Return a clip at 16 kHz with a given F0 contour as its analysis."""
    clip = clip_of(speechlike(0.3, sample_rate=16_000), 16_000, id_)
    clip._features[WORLD] = np.asarray(f0, float)
    return clip


@pytest.fixture(scope="module")
def speech():
    return speechlike(1.2)


# --- histograms and their divergence


def test_divergence_is_the_square_of_scipys_distance():
    rng = np.random.default_rng(0)
    p, q = (rng.poisson(2.0, size=(50, 12)).astype(float) for _ in range(2))
    expected = [jensenshannon(a, b, base=2) ** 2 for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(jensen_shannon(p, q), expected, atol=1e-12)


def test_divergence_by_hand():
    assert jensen_shannon(np.array([3.0, 0.0]), np.array([0.0, 7.0])) == 1.0
    assert jensen_shannon(np.array([1.0, 3.0]), np.array([10.0, 30.0])) == 0.0
    # m = (3/4, 1/4): (log2(4/3) + log2(2/3) / 2 + log2(2) / 2) / 2
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(0.31127812445913283)
    assert math.isnan(jensen_shannon(np.zeros(3), np.ones(3)))


def test_outermost_bins_count_values_beyond_them():
    bins = Bins(-1.0, 0.5, 4)
    values = np.array([[-9.0], [-1.0], [-0.51], [-0.5], [0.0], [0.99], [1.0], [77.0]])
    np.testing.assert_array_equal(bins.histogram(values), [[3, 1, 1, 3]])
    rng = np.random.default_rng(0)
    many = rng.normal(0, 0.4, (500, 3)).clip(-0.999, 0.999)
    expected = [np.histogram(column, np.linspace(-1, 1, 5))[0] for column in many.T]
    np.testing.assert_array_equal(bins.histogram(many), expected)


# --- the metrics


def test_log_f0_is_counted_in_semitones(speech):
    """Compare with numpy's histogram of the tracker's output."""
    other = speechlike(1.1, f0=170.0)
    counts = []
    for samples in (other, speech):
        f0 = world_f0(clip_of(samples).at(16_000).samples, 16_000)
        counts.append(np.histogram(12 * np.log2(f0[f0 > 0] / 50), np.arange(49))[0])
    metric = LogF0Divergence()
    rows = measured(metric, clip_of(other), clip_of(speech))
    np.testing.assert_array_equal(rows[0, 1:], np.concatenate(counts))
    assert metric.reduce(rows) == pytest.approx(jensenshannon(*counts, base=2) ** 2)
    assert 0.05 < metric.reduce(rows) < 0.95


def test_contours_an_octave_apart_share_no_bins(speech):
    metric = LogF0Divergence()
    assert metric.reduce(measured(metric, clip_of(speechlike(1.2, f0=280.0)), clip_of(speech))) > 0.95


def test_delta_log_f0_uses_only_voiced_neighbours():
    metric = DeltaLogF0Divergence()
    clip = contour([100, 101, 0, 200, 200, 100, 0, 300] + [100] * 40)
    counts = metric.measure(clip, clip)[1 : 1 + metric.bins.count]
    assert sum(counts) == 1 + 2 + 1 + 39
    assert counts[0] == 2, "an octave down, and from 300 Hz to 100 Hz"
    assert counts[metric.bins.count // 2 + 2] == 1, "ln 1.01 is two bins above no change"
    assert counts[metric.bins.count // 2] == 40


def test_durations_by_hand():
    metric = DurationDivergence()
    clip, reference = (clip_of(np.ones(RATE), times=times) for times in (TIMES, (0, 0.2, 0.26, 0.4, 0.5, 0.6, 1.3)))
    clip_s, reference_s = [0.06, 0.04, 0.25, 0.7], [0.06, 0.14, 0.1, 0.7]  # without silence
    edges = 0.0093 * 2 ** (np.arange(19) / 3)
    edges[-1] = 9.0
    counts = [np.histogram(durations, edges)[0] for durations in (clip_s, reference_s)]
    rows = np.array([metric.measure(clip, reference)])
    np.testing.assert_array_equal(rows[0, 1:], np.concatenate(counts))
    assert metric.reduce(rows) == pytest.approx(jensenshannon(*counts, base=2) ** 2)
    with pytest.raises(MeasurementError, match=r"'AA1' of clip 'utt-1' lasts from 0.1 to 0.1 s"):
        metric.measure(clip_of(np.ones(RATE), times=(0, 0.1, 0.1, 0.2, 0.3)), reference)
    with pytest.raises(MeasurementError, match="has no phones other than silence"):
        metric.measure(replace(clip, phones=None), reference)


def test_levels_are_relative_to_the_power_weighted_mean():
    """A tone whose second half is 20 dB lower, and a pause: levels and bands as calculated by hand."""
    t = np.arange(32_000) / 16_000
    tone = 0.5 * np.sin(2 * np.pi * 1_000 * t) * np.where(t < 1, 1.0, 0.1)
    result = levels(Clip("tone", np.r_[tone, np.zeros(16_000)].astype(np.float32), 16_000))
    low_db = -20.0
    own = (0.0 * 1.0 + low_db * 0.01) / 1.01  # relative to the loud half
    assert result.overall[10:90] == pytest.approx(0.0 - own, abs=0.05)
    assert result.overall[110:190] == pytest.approx(low_db - own, abs=0.05)
    assert not result.speech[205:].any() and result.speech[:198].all()
    edges = np.linspace(*(hz_to_slaney(hz) for hz in (62.5, 8_000)), 18)
    band = int(np.argmin(np.abs(edges[1:-1] - hz_to_slaney(1_000))))
    assert int(result.bands[50].argmax()) == band
    faint = levels(Clip("tone", (0.01 * np.r_[tone, np.zeros(16_000)]).astype(np.float32), 16_000))
    np.testing.assert_allclose(faint.overall[faint.speech], result.overall[result.speech], atol=1e-3)


def hz_to_slaney(hz):
    """The mel scale of Slaney's Auditory Toolbox: linear below 1 kHz, then a factor of 6.4 in 27 steps."""
    return hz / (200 / 3) if hz < 1_000 else 15 + 27 * math.log(hz / 1_000) / math.log(6.4)


@pytest.mark.parametrize("build", [EnergyDivergence, MelDivergence])
def test_divergence_ignores_gain_and_grows_with_noise(build, speech):
    metric = build()
    noise = np.random.default_rng(0).standard_normal(len(speech)) * np.sqrt(np.mean(speech**2))
    quiet = metric.reduce(measured(metric, clip_of(speech * 0.05), clip_of(speech)))
    little, much = (metric.reduce(measured(metric, clip_of(speech + g * noise), clip_of(speech))) for g in (0.05, 0.5))
    assert quiet < 0.002 and quiet < little < much


@pytest.mark.parametrize("build", DIVERGENCES)
def test_the_value_is_computed_from_summed_counts(build, speech):
    metric = build()
    pairs = [(speechlike(1.0, f0=f0), speechlike(1.2, f0=f0 * 1.1)) for f0 in (120, 150)]
    rows = np.concatenate([measured(metric, *(clip_of(samples) for samples in pair)) for pair in pairs])
    assert isinstance(metric, FlooredMetric)
    counts = rows[:, 1:].sum(axis=0).reshape(2, metric.histograms, -1)
    expected = np.mean([jensenshannon(a, b, base=2) ** 2 for a, b in zip(*counts, strict=True)])
    assert metric.reduce(rows) == pytest.approx(expected)
    assert metric.reduce(np.concatenate([rows, rows])) == pytest.approx(expected)
    with pytest.raises(MeasurementError, match="silent"):
        measured(metric, clip_of(np.zeros(RATE)), clip_of(speech))


@pytest.mark.parametrize("build", [LogF0Divergence, DeltaLogF0Divergence])
def test_noise_is_refused_for_lack_of_voicing(build, speech):
    noise = 0.1 * np.random.default_rng(1).standard_normal(2 * RATE)
    with pytest.raises(
        MeasurementError,
        match=r"0% of the speech in clip 'utt-1' is voiced between 50 and 800 Hz",
    ):
        measured(build(), clip_of(noise), clip_of(speech))


def test_flattened_speech_diverges(speech_data):
    """Real speech through WORLD as it was, and as a monotone."""
    paths = sorted(speech_data.glob("ljspeech-mini/**/*.wav"))[1:3]
    rows = {"copy": [], "flat": []}
    for path in paths:
        samples, rate = soundfile.read(path)
        coarse, times = pyworld.dio(samples, rate, f0_floor=65.0)
        f0 = pyworld.stonemask(samples, coarse, times, rate)
        envelope, aperiodicity = pyworld.cheaptrick(samples, f0, times, rate), pyworld.d4c(samples, f0, times, rate)
        flat = np.where(f0 > 0, np.exp(np.log(f0[f0 > 0]).mean()), 0.0)
        for name, tune in (("copy", f0), ("flat", flat)):
            made = clip_of(pyworld.synthesize(tune, envelope, aperiodicity, rate), rate, path.stem)
            rows[name].append(measured(LogF0Divergence(), made, clip_of(samples, rate, path.stem))[0])
    copy, flat = (LogF0Divergence().reduce(np.array(rows[name])) for name in ("copy", "flat"))
    assert copy < 0.02 and flat > 0.4


# --- floors


def drawn_rows(rng, utterances, frames, draws=1, concentration=None):
    """Return rows of the energy metric whose clips and references have the same distribution over its bins.

    With ``concentration``, each clip has its own distribution around the common one, like sentences.
    """
    bins = EnergyDivergence().bins.count
    common = np.full(bins, 1 / bins)
    rows = []
    for number in range(utterances):

        def counts():
            own = common if concentration is None else rng.dirichlet(concentration * common)
            return rng.multinomial(frames, own)

        reference = counts()
        rows += [[number, *counts(), *reference] for _ in range(draws)]
    return np.array(rows, dtype=float)


def average(make, times=40):
    """Return mean and standard error of the value over realisations, and the mean of the floor."""
    metric, rng = EnergyDivergence(), np.random.default_rng(0)
    realisations = [make(rng) for _ in range(times)]
    values = np.array([metric.reduce(rows) for rows in realisations])
    floors = np.array([metric.floor(rows, rng) for rows in realisations])
    return values.mean(), values.std() / math.sqrt(times), floors.mean()


def test_the_floor_of_independent_frames_matches_theory():
    """E JS = (K - 1) / (4 n ln 2) to first order in 1 / n, by the derivation at the top of metrics/divergence.py."""
    frames = 2_000
    value, error, floor = average(lambda rng: drawn_rows(rng, frames, 1))
    theory = (EnergyDivergence().bins.count - 1) / (4 * frames * math.log(2))
    assert value == pytest.approx(theory, abs=4 * error)
    assert floor == pytest.approx(theory, rel=0.05)


def test_the_floor_accounts_for_dependence_within_a_sentence():
    value, error, floor = average(lambda rng: drawn_rows(rng, 40, 300, concentration=20.0))
    independent = (EnergyDivergence().bins.count - 1) / (4 * 40 * 300 * math.log(2))
    assert value > 5 * independent
    assert floor == pytest.approx(value, abs=4 * error + 0.03 * value)


def test_the_floor_accounts_for_draws_that_share_a_reference():
    value, error, floor = average(lambda rng: drawn_rows(rng, 40, 300, draws=4, concentration=20.0))
    assert floor == pytest.approx(value, abs=4 * error + 0.03 * value)


def test_the_floor_rises_little_with_a_difference():
    rng = np.random.default_rng(0)
    rows = drawn_rows(rng, 60, 300, concentration=20.0)
    same = EnergyDivergence().floor(rows, rng)
    rows[:, 1:11] *= 3  # the clips are louder
    assert EnergyDivergence().reduce(rows) > 5 * same
    assert EnergyDivergence().floor(rows, rng) < 2 * same


def test_equal_generators_give_equal_floors():
    rows = drawn_rows(np.random.default_rng(0), 20, 100)
    first, again, other = (EnergyDivergence().floor(rows, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_one_utterance_has_no_floor():
    rows = drawn_rows(np.random.default_rng(0), 1, 100, draws=3)
    assert math.isnan(EnergyDivergence().floor(rows, np.random.default_rng(0)))
    assert EnergyDivergence().reduce(rows) > 0
