"""Flow matching against known results for Gaussians, on a toy problem where regression fails, and its U-Net.

For data N(m, s^2) the pair (x_t, velocity) is jointly Gaussian:

    var x_t = (1 - t)^2 + t^2 s^2,   v*(x, t) = m + (t s^2 - (1 - t)) / var x_t (x - t m)
    var(velocity | x_t) = s^2 / var x_t

The mean of the last over uniform t is s pi / 2 (substitute w = s t / (1 - t)).
"""

import copy
import itertools
import math

import pytest
import torch
from toytargets import DIM, bimodal, condition, empty, fit, noise, randn, restored, with_backbone, with_field

from baselines.flow_matching import FlowMatching, GuidedFlowMatching
from baselines.regression import L2
from ttsbench import Batch, ConfigError, Teacher
from ttsbench.models.metering import CallCounter
from ttsbench.nn.noise_levels import ratio_grid
from ttsbench.nn.unet import UNet, group_norm

MEAN, STD = 1.5, 0.5
MANY, TIME = 256, 40


def field(x, t):
    """The optimal velocity for N(MEAN, STD^2)."""
    return MEAN + (t * STD**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * STD**2) * (x - t * MEAN)


def output(x, t):
    """The network's output for that velocity."""
    variance = t**2 + (1 - t) ** 2
    return (field(x, t) - (2 * t - 1) / variance * x) * variance**0.5


def exact(**options):
    return with_field(FlowMatching, output, **options)


def gaussian(batch=MANY, time=TIME, seed=5):
    return Batch(MEAN + STD * randn(batch, time, 1, seed=seed), empty(batch, time))


def drawn(adapter, nfe, **options):
    return adapter.sample(empty(MANY, TIME), nfe, noise(MANY), **options)


# The loss


def test_the_loss_at_the_optimum_is_the_conditional_variance():
    adapter = exact(times="uniform")
    losses = [float(adapter.losses(gaussian(seed=seed), 0, noise(MANY, seed))["generator"]) for seed in range(8)]
    assert sum(losses) / len(losses) == pytest.approx(STD * math.pi / 2, rel=0.03)


def test_predicted_data_are_the_same_field():
    """The optimal estimate of the data gives the optimal velocity; its loss has the factor (1 - t)^2."""

    def estimate(x, t):
        return (1 - t) * field(x, t) + x

    by_data = with_field(FlowMatching, estimate, prediction="data", times="uniform")
    torch.testing.assert_close(drawn(by_data, 16), drawn(exact(), 16), rtol=1e-3, atol=1e-3)
    x, t = randn(MANY, TIME, 1), torch.full((MANY,), 0.7)
    torch.testing.assert_close(by_data.velocity(x, empty(MANY, TIME), t), field(x, t.view(-1, 1, 1)))
    expected = exact().predict_data(x, empty(MANY, TIME), t)
    torch.testing.assert_close(by_data.predict_data(x, empty(MANY, TIME), t), expected)
    losses = [float(by_data.losses(gaussian(seed=seed), 0, noise(MANY, seed))["generator"]) for seed in range(8)]
    w = torch.linspace(0, 1, 100_001)
    expected = float(((1 - w) ** 2 * STD**2 / ((1 - w) ** 2 + w**2 * STD**2)).mean())
    assert sum(losses) / len(losses) == pytest.approx(expected, rel=0.03)


def test_the_interface_of_a_teacher():
    adapter = exact()
    assert isinstance(adapter, Teacher)
    share, rest = adapter.levels(adapter.time_at(torch.tensor([0.25])))
    assert (float(share), float(rest)) == (0.75, 0.25)


# Sampling


def product_of_steps(nfe):
    """Standard deviation after Euler steps from one of 1, in plain floats."""
    std, times = 1.0, [1 / (1 + ratio) for ratio in ratio_grid(nfe)]
    for t, later in itertools.pairwise(times):
        std *= 1 + (t * STD**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * STD**2) * (later - t)
    return std


@pytest.mark.parametrize("nfe", [2, 4, 16, 128])
def test_euler_has_the_product_of_its_steps_as_deviation(nfe):
    x = drawn(exact(solver="euler"), nfe)
    assert float(x.std()) == pytest.approx(product_of_steps(nfe), rel=0.02)
    assert float(x.mean()) == pytest.approx(MEAN, abs=0.02)


def test_many_steps_reach_mean_and_deviation():
    x = drawn(exact(), 256)
    assert float(x.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(x.std()) == pytest.approx(STD, rel=0.03)


def test_one_step_is_nearly_the_mean():
    """A step from a ratio of 80, t = 1 / 81, to the expected data there."""
    torch.testing.assert_close(drawn(exact(), 1), torch.full((MANY, TIME, 1), MEAN), rtol=0, atol=0.05)


@pytest.mark.parametrize("temperature", [0.0, 0.5, 2.0])
def test_temperature_scales_the_deviation(temperature):
    still = drawn(exact(), 16, temperature=0.0)
    x = drawn(exact(), 16, temperature=temperature)
    torch.testing.assert_close(x - still, temperature * (drawn(exact(), 16) - still), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("solver", ["multistep", "euler", "midpoint"])
@pytest.mark.parametrize("nfe", [1, 2, 3, 7, 16])
def test_the_number_of_calls_is_nfe(solver, nfe):
    adapter = with_backbone(FlowMatching, 2, solver=solver)
    with torch.no_grad(), CallCounter(adapter.networks()["generator"]) as counter:
        adapter.sample(empty(2, 5), nfe, noise(2))
    assert counter.calls == nfe


def test_higher_order_solvers_err_less():
    """Against the exact flow of the Gaussian from the first level of the grid on, at equal numbers of calls."""
    start = noise(MANY).normal(empty(MANY, TIME).mask, 1)
    t = 1 / (1 + ratio_grid(2)[0])
    goal = MEAN + STD * (start - t * MEAN) / math.hypot(1 - t, t * STD)
    errors = {
        (solver, calls): float((drawn(exact(solver=solver), calls) - goal).square().mean().sqrt())
        for solver in ("euler", "midpoint", "multistep")
        for calls in (16, 64)
    }
    for solver in ("midpoint", "multistep"):
        assert errors[solver, 16] < errors["euler", 16]
        assert errors[solver, 16] / errors[solver, 64] > 6  # 16 in the limit
    assert errors["euler", 16] / errors["euler", 64] == pytest.approx(4, rel=0.3)


def test_two_correlated_channels():
    """A Gaussian with a full covariance: the field is the matrix form of the one above."""
    covariance, identity = torch.tensor([[1.0, 0.6], [0.6, 0.5]]), torch.eye(2)

    def matrix_field(x, t):
        t, a = t[0, 0, 0], 1 - t[0, 0, 0]
        gain = (t * covariance - a * identity) @ torch.linalg.inv(a**2 * identity + t**2 * covariance)
        variance = t**2 + a**2
        return (x @ gain.T - (t - a) / variance * x) * variance**0.5

    x = drawn(with_field(FlowMatching, matrix_field, channels=2), 256)
    torch.testing.assert_close(x.flatten(0, 1).T.cov(), covariance, rtol=0.05, atol=0.02)


# Learning


@pytest.mark.parametrize("prediction", ["data", "velocity"])
def test_it_restores_the_spread_that_regression_loses(prediction):
    l2 = restored(fit(with_backbone(L2, 2)), 1)
    adapter = fit(with_backbone(FlowMatching, 2, prediction=prediction))
    flow = restored(adapter, 16)
    assert l2.std < 0.5
    assert 0.8 < flow.std < 1.15
    assert abs(flow.bias) < 0.3
    assert l2.diversity == 0
    assert flow.diversity > 0.8
    assert restored(adapter, 1).std < 0.7  # one step is nearly the conditional mean


def test_unknown_options_are_refused():
    with pytest.raises(ConfigError, match=r"no solver 'heun'; choose one of multistep, euler, midpoint"):
        exact(solver="heun")
    with pytest.raises(ConfigError, match=r"no prediction 'x0'; choose one of velocity, data"):
        exact(prediction="x0")
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
    """The target depends on the condition with slope .25; guidance above 1 makes it steeper, guidance 0 removes it."""
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
    left_out = []
    adapter.network.register_forward_pre_hook(lambda _, given: left_out.append(given[3]))
    adapter.losses(batch, 0, noise(2000, 1))
    assert float(left_out[0].float().mean()) == pytest.approx(0.25, abs=0.04)
    with pytest.raises(ConfigError, match="0 < condition_dropout < 1"):
        with_backbone(GuidedFlowMatching, 2, condition_dropout=0.0)
