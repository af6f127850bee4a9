"""Noise-contrastive energies against densities whose ratio is known."""

import math

import pytest
import torch
from torch import nn
from toytargets import DIM, noise, randn, speech

from baselines.nce_ebm import NceEbm, binary_nce, bounded, ranking_nce
from ttsbench import ConfigError, ModelContext
from ttsbench.checks.conformance.tiny import Tiny
from ttsbench.nn.backbone import Backbone

MANY = 4_000


class Quadratic(nn.Module):
    """A energy a y^2 + b y + c of numbers."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(3))

    def forward(self, y):
        a, b, c = self.weights
        return a * y.square() + b * y + c


def fitted(loss, negatives):
    """Minimise a contrast between N(1, 0.5^2) and N(0, 1) over quadratic energies."""
    energy = Quadratic()
    optimizer = torch.optim.LBFGS(energy.parameters(), max_iter=100, line_search_fn="strong_wolfe")
    real, wrong = 1 + 0.5 * randn(MANY), randn(negatives, MANY, seed=1)

    def closure():
        optimizer.zero_grad()
        value = loss(energy(real), energy(wrong)).mean()
        value.backward()
        return value

    optimizer.step(closure)
    return energy.weights.detach().tolist()


def test_binary_nce_recovers_a_known_log_ratio():
    """-E = log N(1, .25) - log N(0, 1) = -2 (y - 1)^2 + y^2 / 2 + log 2 = -1.5 y^2 + 4 y - 2 + log 2."""
    a, b, c = fitted(binary_nce, 1)
    assert (a, b, c) == pytest.approx((1.5, -4.0, 2 - math.log(2)), abs=0.2)


def test_ranking_nce_recovers_it_up_to_a_constant():
    a, b, _ = fitted(ranking_nce, 3)
    assert (a, b) == pytest.approx((1.5, -4.0), abs=0.2)


def test_ranking_is_cross_entropy():
    energies = randn(4, 5)
    expected = torch.nn.functional.cross_entropy(-energies.T, torch.zeros(5, dtype=torch.long), reduction="none")
    torch.testing.assert_close(ranking_nce(energies[0], energies[1:]), expected)


def test_a_frame_moves_by_a_step_at_most():
    score = torch.cat([randn(2, 3, 4) * 100, randn(2, 3, 4) * 0.01], dim=1)
    sizes = bounded(score).square().mean(dim=-1).sqrt()
    assert float(sizes[:, :3].max()) == pytest.approx(1)
    torch.testing.assert_close(bounded(score)[:, 3:], score[:, 3:])


def ones(**options):
    """An energy whose initial hypothesis is the conditioning's first two channels, and noise of 0.4."""

    class Rough(nn.Module):
        class adapter:
            class info:
                nfe = (1,)

        def sample(self, cond, nfe, rng, temperature):
            return cond.sequence[..., :2] + 0.4 * randn(*cond.mask.shape, 2, seed=9)

    def make(in_channels, out_channels, time=False):
        return Backbone(in_channels, out_channels, DIM, 32, 2, 3, time)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NceEbm(ModelContext("acoustic", 2, DIM, make, {"l2": Rough()}), **options)


def test_it_learns_to_tell_and_langevin_goes_where_speech_is():
    adapter = ones(negatives=("l2", "noise"), noise_scale=0.2)
    optimizer = torch.optim.Adam(adapter.energy.parameters(), 3e-3)
    for step in range(300):
        loss = adapter.losses(speech(seed=2 * step + 2), step, noise(32, step))["generator"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    monitored = adapter.monitored()
    assert monitored["accuracy"] > 0.9
    assert monitored["energy_real"] < monitored["energy_wrong"]
    held_out = speech(seed=1)
    with torch.no_grad():
        drawn = [adapter.sample(held_out.cond, nfe, noise(32), step=0.05, noise=0.0) for nfe in (1, 10)]
    errors = [float((one - held_out.target).square().mean().sqrt()) for one in drawn]
    assert errors[1] < 0.95 * errors[0]  # a slope need not be as good as the telling


def test_models_it_needs_follow_from_its_recipes():
    assert NceEbm.starts_from() == NceEbm.info.starts_from == ("l2",)
    assert NceEbm.starts_from("l1", ["mask", "diffusion+noise"], distortion=0.1) == ("l1", "diffusion")


def test_the_hypothesis_counts_as_a_cost_of_sampling():
    model, _ = Tiny("nce_ebm", "acoustic").sampler()
    own = sum(one.numel() for one in model.saved_modules().parameters())
    assert model.parameter_count() == own + model.sources["l2"].parameter_count()
    assert len(model.generators()) == 2


def test_wrong_options_get_a_sentence():
    with pytest.raises(ConfigError, match="no loss 'hinge'; choose one of binary, ranking"):
        ones(loss="hinge")
    with pytest.raises(ConfigError, match=r"nce_ebm samples with step > 0 and noise >= 0, got 0"):
        ones().sample(speech().cond, 1, noise(32), step=0)
