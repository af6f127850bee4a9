"""Energy distance to the known law, and the spread of the hidden voice quality over draws."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from espeak_clips import clips

from metrics.law import LawDistance, WindowedLawDistance, energy_distance
from metrics.voice_spread import EffortSpread, FormantSpread
from ttsbench import MeasurementError, NotApplicable
from ttsbench.audio.mel import log_mel, magnitudes
from ttsbench.config.schema import MelConfig
from ttsbench.data.espeak.corpus import EspeakCorpus
from ttsbench.types import Draws

DRAWS = 8


def mel_of(samples):
    mel = MelConfig()
    return log_mel(magnitudes(torch.from_numpy(samples), mel), mel).numpy()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """(clip with the draws of a perfect sampler, reference with a sample of the law) for three test utterances."""
    folder = tmp_path_factory.mktemp("espeak") / "corpus"
    references = [clip for clip in clips(folder, minutes=1, speakers=("f5", "m6"), renderings=3)
                  if clip.attributes["split"] == "test"]  # fmt: skip
    corpus = EspeakCorpus(folder, minutes=1, speakers=("f5", "m6"), renderings=3)
    utterances = {utterance.id: utterance for utterance in corpus.utterances()}
    redrawn = corpus.redraw([utterances[clip.id] for clip in references], 2 * DRAWS)
    made = []
    for reference, recordings in zip(references, redrawn, strict=True):
        mels = np.stack([mel_of(samples) for samples, _ in recordings])
        recording = Draws(mel_of(reference.samples)[None], law=mels[DRAWS:])
        made.append((replace(reference, draws=Draws(mels[:DRAWS])), replace(reference, draws=recording)))
    return made


def planted(pairs, change):
    """Return the pairs with draws (K, T, M) changed."""
    return [(replace(clip, draws=Draws(change(clip.draws.log_mel))), reference) for clip, reference in pairs]


def value(metric, pairs):
    return metric.reduce(np.array([metric.measure(clip, reference) for clip, reference in pairs]))


def mean(mels):
    return mels.mean(axis=0, keepdims=True)


def wide(mels):
    return mels.mean(axis=0) + 2 * (mels - mels.mean(axis=0))


@pytest.mark.parametrize("window", [1, 4])
def test_the_distance_agrees_with_its_definition(window):
    """Sums over all pairs and windows, written out."""
    rng = np.random.default_rng(0)
    draws, law = rng.normal(size=(3, 8, 2)), rng.normal(1.0, size=(4, 8, 2))

    def distance(x, y):
        windows = [slice(start, start + window) for start in range(0, 8, window)]
        return np.mean([np.linalg.norm(x[part] - y[part]) / np.sqrt(2 * window) for part in windows])

    between = np.mean([distance(x, y) for x in draws for y in law])
    within = [np.mean([distance(x, y) for x, y in permutations(list(sample), 2)]) for sample in (draws, law)]
    expected = 2 * between - sum(within)
    assert energy_distance(draws, law, window) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("build", [LawDistance, WindowedLawDistance])
def test_a_perfect_sampler_is_at_zero_and_a_mean_and_a_wide_sampler_are_not(build, pairs):
    perfect, narrow, over = (value(build(), planted(pairs, change)) for change in (lambda mels: mels, mean, wide))
    assert abs(perfect) < 0.15 and narrow > perfect + 0.5 and over > perfect + 0.2, (perfect, narrow, over)


@pytest.mark.parametrize("build", [EffortSpread, FormantSpread])
def test_the_spread_of_a_perfect_sampler_is_one_and_that_of_a_mean_is_zero(build, pairs):
    perfect = value(build(), pairs)
    assert 0.7 < perfect < 1.35
    assert value(build(), planted(pairs, mean)) == 0.0
    blurred = value(build(), planted(pairs, lambda mels: mels.mean(axis=0) + 0.05 * (mels - mels.mean(axis=0))))
    assert blurred < 0.2


def test_corpora_without_law_or_hidden_quality_are_refused(pairs):
    clip, reference = pairs[0]
    with pytest.raises(NotApplicable, match="draw its recordings again"):
        LawDistance().measure(clip, replace(reference, draws=Draws(reference.draws.log_mel)))
    with pytest.raises(NotApplicable, match="not known"):
        EffortSpread().measure(replace(clip, attributes={}), reference)
    narrow = [replace(side, draws=Draws(side.draws.log_mel[:, :, :40])) for side in (clip, reference)]
    with pytest.raises(MeasurementError, match="40 mel bands"):
        EffortSpread().measure(*narrow)
