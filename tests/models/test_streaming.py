"""Speech as it is being made: an adapter and a vocoder that both stream."""

import time

import pytest
import torch

from ttsbench import ClipError, Noise, SampledSequence
from ttsbench.data.corpus import Normalisation
from ttsbench.models.streaming import audio_stream, first_chunk_s

NORM = Normalisation(2.0, 3.0, 0.0, 1.0, 0.0, 1.0)


class Talker:
    """Speaks chunks of 4 frames, of which the last has 1 real one."""

    def stream(self, cond, rng, temperature=1.0, level=1.0):
        for real in (4, 4, 1):
            values = level * rng.normal(torch.ones(1, 4, dtype=torch.bool), 5)
            yield SampledSequence(values, torch.tensor([real]), torch.tensor([real == 1]))


class Echo:
    """A vocoder of two samples a frame."""

    def stream(self, log_mels):
        for log_mel in log_mels:
            yield log_mel[:, :2].flatten()


def test_what_is_heard_are_the_real_frames_denormalised():
    chunks = list(audio_stream(Talker(), Echo(), NORM, None, Noise([3]), level=2.0))
    assert [len(chunk) for chunk in chunks] == [8, 8, 2]
    spoken = list(Talker().stream(None, Noise([3]), level=2.0))
    expected = torch.cat([one.values[0, : one.lengths[0], :2].flatten() for one in spoken]) * 3.0 + 2.0
    torch.testing.assert_close(torch.cat(chunks), expected)


def test_the_first_chunk_is_waited_for_and_no_other():
    def start():
        time.sleep(0.05)
        yield torch.zeros(0)
        time.sleep(0.05)
        yield torch.zeros(3)
        raise AssertionError("nobody asked for more")

    assert 0.1 <= first_chunk_s(start) < 1.0


def test_a_stream_without_samples_has_no_first_chunk():
    with pytest.raises(ClipError, match="before its first sample"):
        first_chunk_s(lambda: iter([torch.zeros(0)]))
