"""Energies, corruptions and Langevin dynamics against what is known of them."""

import math

import pytest
import torch
from toytargets import DIM, condition, empty, noise, randn

from ttsbench import Batch, ClipError, ConfigError, ModelContext
from ttsbench.nn.backbone import Backbone
from ttsbench.nn.energy.corruption import Corruption, adapters_in, parse_recipes
from ttsbench.nn.energy.langevin import Step, langevin_steps, walk
from ttsbench.nn.energy.network import Energy

MANY, TIME, CHANNELS = 64, 40, 10


def energy(network="backbone", channels=3):
    def make(in_channels, out_channels, time=False):
        return Backbone(in_channels, out_channels, DIM, 16, 2, 3, time)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Energy(ModelContext("acoustic", channels, DIM, make), network).eval()


# The energy


@pytest.mark.parametrize("network", ["backbone", "transformer"])
def test_padding_never_changes_an_energy_or_its_score(network):
    model = energy(network)
    y, sequence = randn(2, 9, 3), randn(2, 9, DIM, seed=1)
    together, alone = condition(sequence, [9, 6]), condition(sequence[1:, :6])
    y[1, 6:] = 1e4
    assert float(model(y, together)[1]) == pytest.approx(float(model(y[1:, :6], alone)), abs=1e-5)
    padded, exact = model.score(y, together)[1], model.score(y[1:, :6], alone)[0]
    torch.testing.assert_close(padded[:6], exact, rtol=1e-4, atol=1e-5)
    assert not padded[6:].any()


@pytest.mark.parametrize("network", ["backbone", "transformer"])
def test_the_score_is_the_slope_of_minus_the_energy(network):
    model, cond = energy(network).double(), condition(randn(1, 5, DIM, seed=1).double())
    y, h = randn(1, 5, 3).double(), 1e-5
    score = model.score(y, cond)
    for place in ((0, 0, 0), (0, 3, 2)):
        ahead, behind = y.clone(), y.clone()
        ahead[place] += h
        behind[place] -= h
        slope = float(model(ahead, cond) - model(behind, cond)) / (2 * h)
        assert float(score[place]) == pytest.approx(-5 * slope, rel=1e-5)


def test_a_longer_utterance_has_a_score_of_the_same_size():
    model = energy()
    y, sequence = randn(1, 8, 3), randn(1, 8, DIM, seed=1)
    short = model.score(y, condition(sequence))
    long = model.score(y.repeat(1, 4, 1), condition(sequence.repeat(1, 4, 1)))
    assert float(long.square().mean()) == pytest.approx(float(short.square().mean()), rel=0.5)


def test_the_paper_sized_energy_has_the_paper_s_size():
    def backbone(*_, **__):
        raise AssertionError("the paper's network is not the shared one")

    model = Energy(ModelContext("acoustic", 80, 192, backbone), "transformer")
    assert sum(one.numel() for one in model.parameters()) == pytest.approx(2.3e6, rel=0.1)


def test_an_unknown_network_gets_a_sentence():
    with pytest.raises(ConfigError, match="no energy network 'gru'; choose one of backbone, transformer"):
        energy("gru")


# Corruptions


class Drawn:
    """A trained model that always answers 5."""

    class adapter:
        class info:
            nfe = (1,)

    @staticmethod
    def sample(cond, nfe, rng, temperature):
        return torch.full((*cond.mask.shape, CHANNELS), 5.0)


def batch(value=1.0, lengths=None):
    cond = condition(torch.zeros(MANY, TIME, DIM), lengths)
    return Batch(value * torch.ones(MANY, TIME, CHANNELS) * cond.mask.unsqueeze(-1), cond)


def corrupted(*recipes, **settings):
    given = batch()
    given = Batch(given.target, type(given.cond)(**{**vars(given.cond), "sources": {"l2": given.cond}}))
    return Corruption({"l2": Drawn()}, **settings).all(recipes, given, noise(MANY))


@pytest.mark.parametrize("part", ["mask", "mask_frames", "specaugment"])
@pytest.mark.parametrize("distortion", [0.1, 0.275, 0.5])
def test_masks_take_the_share_that_was_asked_for(part, distortion):
    (made,) = corrupted(part, distortion=distortion)
    assert set(made.unique().tolist()) == {0.0, 1.0}
    assert float((made == 0).float().mean()) == pytest.approx(distortion, abs=0.03)


def test_frames_are_masked_whole_and_runs_are_runs():
    (frames,) = corrupted("mask_frames")
    assert all(len(set(frame.tolist())) == 1 for frame in frames.flatten(0, 1))
    (runs,) = corrupted("specaugment")
    lost = (runs == 0).all(dim=2)
    starts = (lost[:, 1:] & ~lost[:, :-1]).sum(dim=1) + lost[:, 0]
    assert (starts == 1).all()


def test_runs_lie_within_the_utterance_and_not_in_its_padding():
    given = batch(lengths=[10] * MANY)
    (made,) = Corruption({}).all(["specaugment"], given, noise(MANY))
    inside = (made[:, :10] == 0).all(dim=2).sum(dim=1)
    width = 1 - math.sqrt(1 - 0.275)
    assert set(inside.tolist()) <= {math.floor(10 * width), math.ceil(10 * width)}


def test_parts_follow_one_another():
    drawn, noisy, masked = corrupted("l2", "l2+noise", "l2+mask", noise_scale=0.1)
    assert (drawn == 5).all()
    assert float(noisy.mean()) == pytest.approx(5, abs=0.01)
    assert float(noisy.std()) == pytest.approx(0.1, rel=0.03)
    assert set(masked.unique().tolist()) == {0.0, 5.0}
    assert adapters_in(["mask", "l2+noise", "diffusion", "l2"]) == ("l2", "diffusion")


def test_padding_stays_empty():
    given = batch(lengths=[10] * MANY)
    for made in Corruption({}).all(["noise", "mask", "noise+mask_frames"], given, noise(MANY)):
        assert not made[:, 10:].any()


def test_each_utterance_takes_one_recipe():
    given = batch()
    made = Corruption({}, noise_scale=0.0).sample_recipes(["noise", "noise+mask"], given, noise(MANY))
    touched = (made == 0).flatten(1).any(dim=1)
    assert 0.3 < float(touched.float().mean()) < 0.7


def test_recipes_that_say_nothing_are_refused():
    for wrong in ("mask", [], ["mask+"], [""]):
        with pytest.raises(ConfigError, match=r"negatives is a list of recipes such as \[mask, l2, l2\+noise\]"):
            parse_recipes(wrong, "negatives")
    with pytest.raises(ConfigError, match="distortion is a share of cells, got 1"):
        Corruption({}, distortion=1)


# Langevin dynamics


MEAN, STD = 0.7, 0.5


def gaussian_score(y):
    return (MEAN - y) / STD**2


def test_langevin_reaches_mean_and_variance_of_a_known_gaussian():
    start = torch.full((MANY, TIME, 1), -3.0)
    size = 0.02
    end = walk(start, gaussian_score, empty(MANY, TIME).mask, langevin_steps(200, size, 1.0), noise(MANY))
    assert float(end.mean()) == pytest.approx(MEAN, abs=0.03)
    # Of a step of finite size the variance is STD^2 / (1 - size / (2 STD^2)).
    assert float(end.std()) == pytest.approx(STD / math.sqrt(1 - size / (2 * STD**2)), rel=0.03)


def test_without_noise_it_climbs_to_the_mode():
    start = randn(MANY, TIME, 1)
    end = walk(start, gaussian_score, empty(MANY, TIME).mask, langevin_steps(200, 0.02, 0.0), noise(MANY))
    torch.testing.assert_close(end, torch.full_like(end, MEAN), rtol=0, atol=1e-4)


@pytest.mark.parametrize("lost", [math.nan, math.inf])
def test_what_diverges_says_at_which_step(lost):
    mask = empty(2, 3).mask
    with pytest.raises(ClipError, match=r"diverged at step 4 of 9: .*lower the adapter's 'step' or 'noise'"):
        walk(torch.ones(2, 3, 1), lambda y: 2 * y, mask, [Step(0.5)] * 9, noise(2))  # doubles, from 1
    with pytest.raises(ClipError, match=r"diverged at step 1 of 2"):
        walk(torch.ones(2, 3, 1), lambda y: torch.full_like(y, lost), mask, [Step(0.5)] * 2, noise(2))
