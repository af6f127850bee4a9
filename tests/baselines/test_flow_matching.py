"""Flow matching against what is known of Gaussians, on the toy where regression fails, and its U-Net.

For a target N(m, s^2) and c = 1 - sigma_min, a = 1 - c t, the pair (x_t, velocity) is jointly Gaussian:

    var x_t = a^2 + t^2 s^2,    v*(x, t) = m + (t s^2 - c a) / var x_t (x - t m),    var(velocity | x_t) = s^2 / var x_t

The last, because a + c t = 1; its mean over t tends to s pi / 2 as sigma_min goes to 0 (substitute w = s t / (1 - t)).
"""

import copy
import math

import pytest
import torch
from toytargets import DIM, bimodal, condition, empty, fit, noise, randn, restored, with_backbone, with_field

from baselines.flow_matching import FlowMatching, GuidedFlowMatching
from baselines.regression import L2
from ttsbench import Batch, ConfigError
from ttsbench.models.metering import CallCounter
from ttsbench.nn.unet import UNet, group_norm

MEAN, STD = 1.5, 0.5
KEPT = 1 - 1e-4
MANY, TIME = 256, 40


def field(x, t):
    """The optimal velocity for N(MEAN, STD^2)."""
    a = 1 - KEPT * t
    return MEAN + (t * STD**2 - KEPT * a) / (a**2 + t**2 * STD**2) * (x - t * MEAN)


def exact(**options):
    return with_field(FlowMatching, field, **{"prediction": "velocity", **options})


def gaussian(batch=MANY, time=TIME, seed=5):
    return Batch(MEAN + STD * randn(batch, time, 1, seed=seed), empty(batch, time))


def drawn(adapter, nfe, **options):
    return adapter.sample(empty(MANY, TIME), nfe, noise(MANY), **options)


# The path


@pytest.mark.parametrize("t", [0.0, 0.3, 0.9, 1.0])
def test_marginals_have_the_stated_moments(t):
    batch = gaussian()
    x, velocity = exact().path(batch.target, randn(MANY, TIME, 1), torch.full((MANY,), t))
    assert float(x.mean()) == pytest.approx(t * MEAN, abs=0.03)
    assert float(x.std()) == pytest.approx(math.hypot(1 - KEPT * t, t * STD), rel=0.02)
    assert float(velocity.std()) == pytest.approx(math.hypot(KEPT, STD), rel=0.02)


def test_the_velocity_is_the_slope_of_the_path():
    adapter, target, z = exact(), randn(3, 5, 1), randn(3, 5, 1, seed=1)
    early, late = torch.full((3,), 0.25), torch.full((3,), 0.75)
    difference = adapter.path(target, z, late)[0] - adapter.path(target, z, early)[0]
    torch.testing.assert_close(difference / 0.5, adapter.path(target, z, early)[1], rtol=1e-5, atol=1e-5)


def test_the_loss_at_the_optimum_is_the_conditional_variance():
    losses = [float(exact().losses(gaussian(seed=seed), 0, noise(MANY, seed))["generator"]) for seed in range(8)]
    assert sum(losses) / len(losses) == pytest.approx(STD * math.pi / 2, rel=0.03)


def test_predicted_data_are_the_same_field():
    """The optimal estimate of the data gives the optimal velocity, and its loss is that of the velocity times a^2."""

    def estimate(x, t):
        return (1 - KEPT * t) * field(x, t) + KEPT * x

    by_data = with_field(FlowMatching, estimate, prediction="data")
    torch.testing.assert_close(drawn(by_data, 16), drawn(exact(), 16), rtol=1e-3, atol=1e-3)
    x, t = randn(MANY, TIME, 1), torch.full((MANY,), 0.7)
    torch.testing.assert_close(by_data.velocity(x, empty(MANY, TIME), t), field(x, t.view(-1, 1, 1)))
    losses = [float(by_data.losses(gaussian(seed=seed), 0, noise(MANY, seed))["generator"]) for seed in range(8)]
    w = torch.linspace(0, 1, 100_001)
    a = 1 - KEPT * w
    expected = float((a**2 * STD**2 / (a**2 + w**2 * STD**2)).mean())
    assert sum(losses) / len(losses) == pytest.approx(expected, rel=0.03)


# Sampling


def product_of_steps(nfe):
    """What Euler steps make of a standard deviation of 1, step by step in plain floats."""
    std = 1.0
    for step in range(nfe):
        t = step / nfe
        a = 1 - KEPT * t
        std *= 1 + (t * STD**2 - KEPT * a) / (a**2 + t**2 * STD**2) / nfe
    return std


@pytest.mark.parametrize("nfe", [2, 4, 16, 128])
def test_euler_reaches_what_its_steps_multiply_to(nfe):
    x, start = drawn(exact(), nfe), noise(MANY).normal(empty(MANY, TIME).mask, 1)
    torch.testing.assert_close(x, MEAN + product_of_steps(nfe) * start, rtol=1e-3, atol=1e-3)


def test_many_steps_reach_mean_and_std():
    x = drawn(exact(), 256)
    assert float(x.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(x.std()) == pytest.approx(STD, rel=0.03)
    kept = [round(100 * product_of_steps(2**power) / STD) for power in range(8)]
    assert kept == [0, 40, 68, 83, 91, 95, 98, 99]  # as the docstring of the module says


def test_one_step_is_the_mean():
    """v*(z, 0) = MEAN - KEPT z, so x = z + v = MEAN + sigma_min z."""
    torch.testing.assert_close(drawn(exact(), 1), torch.full((MANY, TIME, 1), MEAN), rtol=0, atol=1e-3)


@pytest.mark.parametrize("temperature", [0.0, 0.5, 2.0])
def test_temperature_scales_the_std(temperature):
    x = drawn(exact(), 16, temperature=temperature)
    torch.testing.assert_close(x - MEAN, temperature * (drawn(exact(), 16) - MEAN), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("solver", ["euler", "midpoint"])
@pytest.mark.parametrize("nfe", [1, 2, 3, 7, 16])
def test_nfe_is_what_is_counted(solver, nfe):
    adapter = with_backbone(FlowMatching, 2, solver=solver)
    with torch.no_grad(), CallCounter(adapter.networks()["generator"]) as counter:
        adapter.sample(empty(2, 5), nfe, noise(2))
    assert counter.calls == nfe


@pytest.mark.parametrize("nfe", [8, 9])
def test_the_midpoint_rule_is_of_second_order(nfe):
    """Against the exact flow of the Gaussian, x_1 = MEAN + STD z, at equal numbers of calls."""
    start = noise(MANY).normal(empty(MANY, TIME).mask, 1)
    errors = {}
    for solver in ("euler", "midpoint"):
        for calls in (nfe, 4 * nfe):
            found = drawn(exact(solver=solver), calls)
            errors[solver, calls] = float((found - MEAN - STD * start).square().mean().sqrt())
    assert errors["midpoint", nfe] < errors["euler", nfe]
    assert errors["euler", nfe] / errors["euler", 4 * nfe] == pytest.approx(4, rel=0.25)
    assert errors["midpoint", nfe] / errors["midpoint", 4 * nfe] > 7  # 16 in the limit, where the steps are all pairs


def test_two_correlated_channels():
    """A Gaussian with a full covariance: the field is the matrix form of the one above."""
    covariance, identity = torch.tensor([[1.0, 0.6], [0.6, 0.5]]), torch.eye(2)

    def matrix_field(x, t):
        t, a = t[0, 0, 0], 1 - KEPT * t[0, 0, 0]
        gain = (t * covariance - KEPT * a * identity) @ torch.linalg.inv(a**2 * identity + t**2 * covariance)
        return x @ gain.T

    x = drawn(with_field(FlowMatching, matrix_field, channels=2, prediction="velocity"), 256)
    torch.testing.assert_close(x.flatten(0, 1).T.cov(), covariance, rtol=0.05, atol=0.02)


# Learning


@pytest.mark.parametrize("prediction", ["data", "velocity"])
def test_it_restores_the_spread_that_regression_loses(prediction):
    l2 = restored(fit(with_backbone(L2, 2)), 1)
    adapter = fit(with_backbone(FlowMatching, 2, prediction=prediction))
    flow = restored(adapter, 16)
    assert l2.std < 0.5
    assert 0.8 < flow.std < 1.1
    assert abs(flow.bias) < 0.3
    assert l2.diversity == 0
    assert flow.diversity > 0.8
    assert restored(adapter, 1).std < 0.5  # one step is the conditional mean


def test_wrong_options_get_a_sentence():
    with pytest.raises(ConfigError, match=r"no solver 'heun'; choose one of euler, midpoint"):
        exact(solver="heun")
    with pytest.raises(ConfigError, match=r"no prediction 'x0'; choose one of data, velocity"):
        exact(prediction="x0")
    with pytest.raises(ConfigError, match=r"0 <= sigma_min < 1, got 1\.5"):
        exact(sigma_min=1.5)
    with pytest.raises(ConfigError, match=r"no network 'dit'; set the option network to backbone or unet"):
        exact(network="dit")


# The U-Net


def unet(time=True, in_channels=3, levels=2):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return UNet(in_channels, 3, DIM, time, dim=16, levels=levels, middle=1, head_dim=8).eval()


@pytest.mark.parametrize(("levels", "length"), [(1, 9), (2, 8), (2, 9), (3, 9), (3, 1)])
def test_padding_and_neighbours_change_no_real_step_of_the_unet(levels, length):
    network, t = unet(levels=levels), torch.tensor([0.3, 0.8])
    x, sequence = 10 * randn(2, 14, 3), 10 * randn(2, 14, DIM, seed=1)
    together = network(x, sequence, condition(sequence, [length, 14]).mask, t)
    alone = network(x[:1, :length], sequence[:1, :length], torch.ones(1, length, dtype=torch.bool), t[:1])
    torch.testing.assert_close(together[:1, :length], alone, rtol=1e-4, atol=1e-5)
    assert not together[0, length:].any()


def test_group_normalisation_is_that_of_torch_over_real_steps():
    x = 3 + 2 * randn(2, 16, 10)
    mask = condition(x.transpose(1, 2), [10, 6]).mask.unsqueeze(1)
    found = group_norm(x, mask, 8)
    for row, length in enumerate([10, 6]):
        expected = torch.nn.functional.group_norm(x[row : row + 1, :, :length], 8)
        torch.testing.assert_close(found[row : row + 1, :, :length], expected, rtol=1e-4, atol=1e-5)


def test_the_unet_looks_at_the_whole_utterance_and_learns():
    network, x = unet(), randn(1, 31, 3).requires_grad_()
    out = network(x, randn(1, 31, DIM, seed=1), torch.ones(1, 31, dtype=torch.bool), torch.tensor([0.4]))
    out[0, 15].sum().backward()
    assert bool((x.grad[0].abs().sum(dim=1) > 0).all())
    out = network(x, randn(1, 31, DIM, seed=1), torch.ones(1, 31, dtype=torch.bool), torch.tensor([0.4]))
    out.square().sum().backward()
    assert all(bool(parameter.grad.any()) for parameter in network.parameters())


def test_the_unet_is_called_as_the_backbone_is():
    mask, sequence = torch.ones(1, 5, dtype=torch.bool), randn(1, 5, DIM)
    assert unet(time=False, in_channels=0)(None, sequence, mask).shape == (1, 5, 3)
    with pytest.raises(ValueError, match="x must be given"):
        unet()(None, sequence, mask, torch.zeros(1))
    with pytest.raises(ValueError, match="t must be given"):
        unet()(randn(1, 5, 3), sequence, mask)


def test_the_unet_serves_the_adapter():
    adapter = with_backbone(FlowMatching, 3, network="unet")
    batch = bimodal(2, 7)
    parameters = sum(parameter.numel() for parameter in adapter.networks()["generator"].parameters())
    assert 10e6 < parameters < 12e6
    with torch.no_grad():
        assert adapter.sample(batch.cond, 2, noise(2)).shape == (2, 7, 3)


@pytest.fixture(scope="module")
def guided():
    return fit(with_backbone(GuidedFlowMatching, 2, condition_dropout=0.3), 400)


def test_guidance_goes_beyond_the_condition(guided):
    """What the condition tells of the target is a slope of .25; guidance makes it steeper, and 0 takes it away."""
    cond = bimodal(256, seed=5).cond
    told = cond.sequence[..., 0]

    def slope(guidance):
        with torch.no_grad(), CallCounter(guided.networks()["generator"]) as counter:
            drawn = guided.sample(cond, 16, noise(256, 3), guidance=guidance)[..., 0]
        assert counter.calls == 16
        return float((drawn * told).mean() / told.square().mean())

    none, usual, strong = slope(0.0), slope(1.0), slope(2.0)
    assert abs(none) < 0.06 < 0.18 < usual < 0.3 < 0.4 < strong


def test_guided_velocities_lie_on_a_line(guided):
    adapter, cond = copy.deepcopy(guided), bimodal(3).cond
    x, t = randn(3, 8, 2), torch.full((3,), 0.4)
    found = []
    for guidance in (0.0, 1.0, 3.0):
        adapter.guidance = guidance
        with torch.no_grad():
            found.append(adapter.velocity(x, cond, t))
    torch.testing.assert_close(found[2], 3 * found[1] - 2 * found[0])


def test_a_share_of_the_training_is_without_condition():
    adapter, batch = with_backbone(GuidedFlowMatching, 2, condition_dropout=0.25), bimodal(2000)
    seen = []
    adapter.network.register_forward_pre_hook(lambda _, given: seen.append(given[4]))
    adapter.losses(batch, 0, noise(2000, 1))
    assert float(seen[0].float().mean()) == pytest.approx(0.25, abs=0.04)
    with pytest.raises(ConfigError, match="0 < condition_dropout < 1"):
        with_backbone(GuidedFlowMatching, 2, condition_dropout=0.0)
