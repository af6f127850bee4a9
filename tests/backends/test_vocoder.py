"""Griffin-Lim: length, time alignment, determinism, range, and magnitudes that explain the mel."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from speechlike import speechlike

from ttsbench.audio.mel import filterbank, log_mel, magnitudes
from ttsbench.backends.vocoders.griffin_lim import HELD, GriffinLim
from ttsbench.config.schema import MelConfig

MEL = MelConfig()
SMALL = MelConfig(sample_rate=16000, n_fft=512, hop_length=128, n_mels=40, f_max=7600.0)


def mel_of(samples, mel=MEL):
    return log_mel(magnitudes(torch.from_numpy(np.asarray(samples, dtype=np.float32)), mel), mel)


@pytest.fixture(scope="module")
def voice():
    return speechlike(1.2)


@pytest.fixture(scope="module")
def copy(voice):
    return GriffinLim(MEL).synthesize(mel_of(voice)).numpy()


@pytest.mark.parametrize("frames", [5, 40, 103])
@pytest.mark.parametrize("mel", [MEL, SMALL])
def test_length_is_frames_times_hop(mel, frames):
    found = GriffinLim(mel, iterations=2).synthesize(torch.zeros(frames, mel.n_mels) - 3)
    assert found.shape == (frames * mel.hop_length,)
    assert torch.isfinite(found).all()


def test_synthesis_does_not_depend_on_the_global_generator(voice, copy):
    torch.manual_seed(99)
    again = GriffinLim(MEL).synthesize(mel_of(voice)).numpy()
    assert np.array_equal(again, copy)


def test_samples_stay_in_range(voice, copy):
    assert np.abs(copy).max() <= 1
    loud = GriffinLim(MEL, iterations=4).synthesize(mel_of(voice) + 4)
    assert float(loud.abs().max()) == pytest.approx(1)


def test_the_level_is_preserved(voice, copy):
    real = voice[: len(copy)]
    assert 0.7 < np.sqrt(np.mean(copy**2) / np.mean(real**2)) < 1.2


@pytest.mark.parametrize("mel", [MEL, SMALL])
@pytest.mark.parametrize("onset_s", [0.3, 0.5])
def test_onsets_are_not_shifted(mel, onset_s):
    """A tone that starts at a known time; half a hop of misalignment would be 5.8 ms."""
    rate = mel.sample_rate
    t = np.arange(rate) / rate
    tone = sum(np.sin(2 * np.pi * f * t) for f in (400, 900, 1700, 2900)) * (t >= onset_s) * 0.1
    found = GriffinLim(mel).synthesize(mel_of(tone, mel)).numpy()
    size = min(len(found), len(tone))
    envelope = [np.convolve(np.abs(signal[:size]), np.hanning(rate // 100), mode="same") for signal in (tone, found)]
    times = [float(np.argmax(e > 0.5 * np.median(e[int((onset_s + 0.1) * rate) :])) / rate) for e in envelope]
    assert abs(times[1] - times[0]) < 0.004


def test_envelopes_are_not_shifted(voice, copy):
    """The lag at which smoothed envelopes agree best is below 2 ms."""
    rate, size = MEL.sample_rate, min(len(voice), len(copy))
    smooth = [np.convolve(np.abs(signal[:size]), np.hanning(rate // 50), mode="same") for signal in (voice, copy)]
    a, b = (s - s.mean() for s in smooth)
    lags = range(-rate // 50, rate // 50 + 1, 5)
    best = max(lags, key=lambda lag: float(np.dot(a, np.roll(b, -lag))))
    assert abs(best) / rate < 0.002


def test_magnitudes_reproduce_the_mel(voice):
    """Spectral convergence ||XB - M|| / ||M|| below 1 %, better than the clamped pseudo-inverse, never negative."""
    mel = mel_of(voice).exp()
    found = GriffinLim(MEL).magnitudes(mel)
    assert found.shape == (len(mel), MEL.n_fft // 2 + 1)
    assert (found >= 0).all()

    def convergence(estimate):
        return float(torch.linalg.norm(estimate @ filterbank(MEL) - mel) / torch.linalg.norm(mel))

    clamped = (mel @ torch.linalg.pinv(filterbank(MEL))).clamp_min(0)
    assert convergence(found) < 0.01
    assert convergence(found) < 0.5 * convergence(clamped)


def test_updates_never_increase_the_error(voice):
    vocoder, mel = GriffinLim(MEL), mel_of(voice).exp()
    errors = [float(torch.linalg.norm(vocoder.magnitudes(mel, n) @ filterbank(MEL) - mel)) for n in (0, 1, 3, 10, 30)]
    assert all(later <= earlier * 1.0001 for earlier, later in pairwise(errors))


def test_more_iterations_improve_consistency(voice):
    """The mel of the copy comes closer to the mel that was asked for."""
    mel = mel_of(voice)
    distances = []
    for iterations in (1, 32):
        again = mel_of(GriffinLim(MEL, iterations=iterations).synthesize(mel).numpy())
        distances.append(float((again[4:-4] - mel[4:-4]).abs().mean()))
    assert distances[1] < distances[0]
    assert distances[1] < 0.6


@pytest.mark.parametrize("options", [{"iterations": 0}, {"momentum": 1.0}, {"momentum": -0.1}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="iterations must be at least 1 and momentum"):
        GriffinLim(MEL, **options)


# Streaming


@pytest.mark.parametrize("sizes", [[40], [1, 1, 1, 37], [15, 15, 10], [2, 38], [0, 39, 1]])
@pytest.mark.parametrize("mel", [MEL, SMALL])
def test_the_chunks_of_a_stream_cover_its_frames(mel, sizes):
    log_mels = (torch.zeros(size, mel.n_mels) - 3 for size in sizes)
    chunks = list(GriffinLim(mel, iterations=2).stream(log_mels))
    assert sum(map(len, chunks)) == 40 * mel.hop_length
    assert all(bool(torch.isfinite(chunk).all()) for chunk in chunks)


def test_a_stream_starts_before_the_mel_ends():
    taken = []

    def log_mels():
        for number in range(3):
            taken.append(number)
            yield torch.zeros(10, MEL.n_mels) - 3

    first = next(GriffinLim(MEL, iterations=2).stream(log_mels()))
    assert taken == [0]
    assert len(first) == int((10 - HELD + 0.5) * MEL.hop_length)


def test_a_stream_reproduces_the_mel_nearly_as_well_as_the_whole(voice, copy):
    """And far better than chunks that know nothing of one another."""
    wanted, vocoder = mel_of(voice), GriffinLim(MEL)
    chunks = wanted.split(15)
    streamed = torch.cat(list(vocoder.stream(chunks)))
    apart = torch.cat([vocoder.synthesize(chunk) for chunk in chunks])
    whole, together, cut = (
        float((mel_of(samples)[: len(wanted)] - wanted).abs().mean()) for samples in (copy, streamed, apart)
    )
    assert together < 1.25 * whole
    assert together < 0.8 * cut
