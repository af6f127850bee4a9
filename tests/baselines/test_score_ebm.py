"""Score matching and the delta loss on fields whose answer is known."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from toytargets import DIM, backbone_of, condition, empty, noise, randn, speech

from baselines.flow_matching import FlowMatching
from baselines.score_ebm import DeltaEbm, SsmDelta, SsmEbm, sliced_score_matching
from ttsbench import Batch, ConfigError, ModelContext
from ttsbench.nn.residual import OBSERVED_STEPS

MANY = 20_000
ESTIMATORS = ("vjp", "finite")


class Nothing(nn.Module):
    """A trained model that always returns 0."""

    class adapter:
        class info:
            nfe = (1,)
            stochastic = False

    def sample(self, cond, nfe, rng, temperature):
        return torch.zeros(*cond.mask.shape, 2)


def built(adapter, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return adapter(ModelContext("acoustic", 2, DIM, backbone_of(), {"l2": Nothing()}), **options)


# Sliced score matching on a quadratic energy E = y' A y / 2, of which the score is -A y


def projections(kind="rademacher"):
    v = randn(MANY, 1, 3, seed=2)
    return v.sign() if kind == "rademacher" else v


def quadratic_loss(matrix, y, v, **options):
    return sliced_score_matching(lambda x: -x @ matrix, y, v, **options)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("variance_reduced", [True, False])
@pytest.mark.parametrize("kind", ["rademacher", "gaussian"])
def test_the_gradient_is_that_of_exact_score_matching_in_expectation(estimator, variance_reduced, kind):
    """Exact: tr grad s + |s|^2 / 2 = -tr A + y' A^2 y / 2, of gradient -I + (C A + A C) / 2, C = E[y y']."""
    matrix = torch.tensor([[2.0, 0.3, 0.0], [0.3, 1.0, -0.2], [0.0, -0.2, 0.5]], requires_grad=True)
    y = randn(MANY, 1, 3) * torch.tensor([0.5, 1.0, 1.5])
    loss = quadratic_loss(matrix, y, projections(kind), variance_reduced=variance_reduced, estimator=estimator)
    (gradient,) = torch.autograd.grad(loss.mean(), matrix)
    covariance, exact = y.squeeze(1).T @ y.squeeze(1) / MANY, matrix.detach()
    expected = -torch.eye(3) + (covariance @ exact + exact @ covariance) / 2
    # s = -y A, so only the symmetric part of A is what the formula speaks of.
    torch.testing.assert_close((gradient + gradient.T) / 2, expected, rtol=0, atol=0.12)


def test_signs_the_loss_is_least_at_the_true_score():
    y, v = 0.5 * randn(MANY, 1, 3), projections()
    losses = [float(quadratic_loss(scale * torch.eye(3), y, v).mean()) for scale in (2.0, 4.0, 8.0, -4.0)]
    assert min(losses) == losses[1]  # 1 / variance
    assert losses[1] == pytest.approx(-3 * 4 / 2, rel=0.05)  # -tr A / 2


def test_vjp_finite_differences_and_the_way_through_an_energy_agree():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        energy = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1)).double()

    def score(y):
        at = y if y.requires_grad else y.detach().requires_grad_()
        (slope,) = torch.autograd.grad(energy(at).sum(), at, create_graph=True)
        return -slope

    first, second = energy[0].weight.detach(), energy[2].weight.detach()[0]

    def network(y):  # the same score, written out
        return -((1 - energy[0](y).tanh().square()) * second) @ first

    y, v = randn(50, 1, 3).double(), projections()[:50].double()
    through_energy = sliced_score_matching(score, y, v)
    torch.testing.assert_close(sliced_score_matching(network, y, v), through_energy)
    torch.testing.assert_close(
        sliced_score_matching(network, y, v, estimator="finite"), through_energy, rtol=1e-3, atol=1e-4
    )


def test_both_estimators_have_the_same_gradients():
    adapter, batch = built(SsmEbm), speech()
    gradients = []
    for estimator in ESTIMATORS:
        adapter.estimator = estimator
        loss = adapter.losses(batch, 0, noise(32))["generator"]
        gradients.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(adapter.score.parameters()))]))
    assert float(nn.functional.cosine_similarity(*gradients, dim=0)) > 0.999


def test_constant_channels_do_not_let_the_loss_fall_without_end():
    """Noise of sigma bounds the score at constant places to that of a Gaussian of sigma."""
    adapter = built(SsmEbm, sigma=0.3)
    batch = Batch(torch.zeros(32, 12, 2), speech().cond)
    adapter.residual.whitening.counts[1] = OBSERVED_STEPS  # the scale of a constant channel is 0: keep it at 1
    optimizer = torch.optim.Adam(adapter.score.parameters(), 3e-3)
    for step in range(150):
        loss = adapter.losses(batch, step, noise(32, step))["generator"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss) == pytest.approx(-0.5, abs=0.1)  # sigma^2 times -1 / (2 sigma^2)


# Delta


class Pairs:
    """Noise that is the other half of the pair, at t = 0."""

    def __init__(self, hypothesis):
        self.hypothesis = hypothesis

    def normal(self, mask, channels):
        return self.hypothesis

    def time(self, device="cpu"):
        return torch.zeros(len(self.hypothesis))


def test_the_delta_loss_is_flow_matching_at_zero_to_the_last_bit():
    """C12: equation 9 is equation 10 at t = 0."""
    delta = built(DeltaEbm, prediction="data")
    inner = delta.score.network

    class Timeless(nn.Module):
        def forward(self, x, cond, mask, t):
            return inner(x, cond, mask)

    matching = FlowMatching(ModelContext("acoustic", 2, DIM, lambda *_, **__: Timeless()), times="uniform", mean="")
    sequence = randn(3, 12, DIM, seed=3)
    cond = condition(sequence, [12, 7, 9])
    batch = Batch(randn(3, 12, 2) * cond.mask.unsqueeze(-1), cond)
    hypothesis = randn(3, 12, 2, seed=1) * cond.mask.unsqueeze(-1)
    ours = delta.delta(batch.target, hypothesis, cond)
    theirs = matching.losses(batch, 0, Pairs(hypothesis))["generator"]
    assert float(ours.detach()) == float(theirs.detach())
    for one, other in zip(
        *(torch.autograd.grad(loss, list(inner.parameters())) for loss in (ours, theirs)), strict=True
    ):
        assert torch.equal(one, other)


def fit(adapter, steps=250):
    optimizer = torch.optim.Adam(adapter.networks()["generator"].parameters(), 3e-3)
    for step in range(steps):
        loss = adapter.losses(speech(seed=2 * step + 2), step, noise(32, step))["generator"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return adapter


def error(adapter, nfe):
    held_out = speech(seed=1)
    with torch.no_grad():
        drawn = adapter.sample(held_out.cond, nfe, noise(32), noise=0.0)
    return float((drawn - held_out.target).square().mean().sqrt())


def test_one_delta_step_goes_from_a_hypothesis_to_the_mean():
    adapter = fit(built(DeltaEbm, hypotheses=["l2"]))
    assert error(adapter, 1) < 0.2  # of 1, and 0.1 is noise


@pytest.mark.parametrize(
    "options", [{}, {"prediction": "displacement"}, {"estimator": "finite"}, {"through": "energy"}]
)
def test_score_matching_mends_a_hypothesis(options):
    slow = options.get("through") == "energy"
    adapter = fit(built(SsmEbm, sigma=0.5, **options), 120 if slow else 250)
    assert error(adapter, 20) < (0.6 if slow else 0.35)  # of 1, and 0.1 is noise


def test_both_losses_add_up():
    both, ssm, delta = (built(kind, delta_weight=0.7) for kind in (SsmDelta, SsmEbm, DeltaEbm))
    batch = speech()
    total = both.losses(batch, 0, noise(32))["generator"]
    data, scale, rng = both.residual.whiten(batch.target, 0, batch.mask), both.residual.scale, noise(32)
    first = ssm.sigma**2 * ssm.score_matching(data, batch.cond, rng)
    hypotheses = delta.corruption.sample_recipes(delta.hypotheses, batch, rng, scale)
    second = delta.delta(data, hypotheses / scale, batch.cond)
    assert float(total.detach()) == pytest.approx(float((first + 0.7 * second).detach()), rel=1e-6)


@pytest.mark.parametrize("kind", [SsmEbm, DeltaEbm])
def test_both_objectives_have_one_sampler(kind):
    """For a Gaussian score, Langevin steps and the last step are those of plain floats; without noise it is at rest."""
    adapter, cond = built(kind, sigma=0.5), empty(400, 20)
    cond = replace(cond, sources={"l2": cond})
    variance = 1 + 0.5**2  # of noisy data of unit variance
    adapter.score.forward = lambda y, *_, **__: -(0.5**2) * y / variance
    with torch.no_grad():
        drawn, still = (adapter.sample(cond, 5, noise(400), noise=amount) for amount in (1.0, 0.0))
    expected, size = 0.5**2, 0.5**2
    for _ in range(4):
        expected = (1 - size / variance) ** 2 * expected + 2 * size
    expected *= (1 - size / variance) ** 2
    assert float(drawn.square().mean()) == pytest.approx(expected, rel=0.03)
    assert not still.any()
    with torch.no_grad():
        assert not torch.equal(adapter.sample(cond, 1, noise(400, 1)), adapter.sample(cond, 1, noise(400, 2)))


def test_the_step_of_langevin_dynamics_is_a_sampling_option():
    adapter, cond = built(DeltaEbm), speech().cond
    torch.nn.init.normal_(adapter.score.network.output.weight, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        small, large = (adapter.sample(cond, 3, noise(32), step=step) for step in (0.1, 1.0))
    assert not torch.allclose(small, large, atol=0.1)


def test_an_energy_may_be_what_delta_trains():
    adapter = built(DeltaEbm, through="energy")
    before = float(adapter.losses(speech(), 0, noise(32))["generator"].detach())
    fit(adapter, 100)
    assert float(adapter.losses(speech(), 0, noise(32))["generator"].detach()) < 0.7 * before


def test_the_models_a_score_needs_follow_from_its_options():
    assert SsmEbm.starts_from(initial="l1") == ("l1",)
    assert DeltaEbm.starts_from(hypotheses=["diffusion+noise", "noise"]) == ("l2", "diffusion")
    assert all(kind.starts_from() == kind.info.starts_from for kind in (SsmEbm, DeltaEbm, SsmDelta))


def test_wrong_options_get_a_sentence():
    with pytest.raises(ConfigError, match="ssm_ebm has no estimator 'hutchinson'; choose one of vjp, finite"):
        built(SsmEbm, estimator="hutchinson")
    with pytest.raises(ConfigError, match="delta_ebm needs sigma > 0"):
        built(DeltaEbm, sigma=0.0)
    with pytest.raises(ConfigError, match=r"ssm_ebm samples with step > 0 and noise >= 0, got 1\.0 and -1"):
        built(SsmEbm).sample(speech().cond, 2, noise(32), noise=-1.0)
    with pytest.raises(ConfigError, match="no network 'dit'"):
        built(SsmEbm, network="dit")


def test_the_u_net_without_time_serves():
    adapter, cond = built(SsmEbm, network="unet"), empty(2, 6)
    assert adapter.score(torch.zeros(2, 6, 2), cond).shape == (2, 6, 2)
    assert math.isfinite(float(adapter.score(torch.zeros(2, 6, 2), cond).sum().detach()))
