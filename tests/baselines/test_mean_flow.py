"""Mean flow: the exact average velocity of known targets is its optimum, and a single step keeps the spread."""

import pytest
import torch
from torch import nn
from toytargets import Field, bimodal, empty, fit, noise, randn, restored, with_backbone

from baselines.flow_matching import FlowMatching
from baselines.mean_flow import MeanFlow
from ttsbench import Batch, ModelContext

STD = 0.5


def with_network(network, **options):
    return MeanFlow(ModelContext("acoustic", 1, 4, lambda *_, **__: network), **options)


def test_loss_is_zero_for_the_average_velocity_of_a_constant_target():
    """All paths to one point are straight: the data is that point at every t and r."""
    adapter = with_network(Field(lambda x, t: 0 * x[..., :1] + 0.7), interval=1.0)
    batch = Batch(torch.full((8, 5, 1), 0.7), empty(8, 5))
    assert float(adapter.losses(batch, 0, noise(8))["generator"]) < 1e-6


class GaussianFlow(nn.Module):
    """Data prediction of the exact average velocity for targets N(0, STD^2), times a factor.

    The flow is x_t = a(t) x_1 / a(1) with a(t)^2 = (1 - t)^2 STD^2 + t^2, so the average velocity from r to t is
    x_t (1 - a(r) / a(t)) / (t - r), and the velocity at t its limit.
    """

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x, cond, mask, times):
        t, span = (1 - times[:, :1]).unsqueeze(2), times[:, 1:].unsqueeze(2)
        average = (1 - self.scale(t - span) / self.scale(t)) / span.clamp_min(1e-6)
        slope = (t - (1 - t) * STD**2) / self.scale(t) ** 2
        return x - t * self.factor * x * torch.where(span < 1e-3, slope, average)

    def scale(self, t):
        return ((1 - t) ** 2 * STD**2 + t**2).sqrt()


def test_average_velocity_of_a_gaussian_target_is_stationary():
    """The gradient with respect to a factor on the exact field is zero on average, and not so for another factor."""

    def gradient(factor):
        network = GaussianFlow(factor)
        adapter = with_network(network, interval=1.0)
        batch = Batch(STD * randn(400, 50, 1), empty(400, 50))
        return float(torch.autograd.grad(adapter.losses(batch, 0, noise(400))["generator"], network.factor)[0])

    assert abs(gradient(1.0)) < 0.03
    assert gradient(1.2) > 0.1 and gradient(0.8) < -0.1


@pytest.mark.parametrize("nfe", [1, 2, 4])
def test_exact_average_velocity_gives_the_target_distribution_in_any_number_of_steps(nfe):
    drawn = with_network(GaussianFlow()).sample(empty(4, 5000), nfe, noise(4))
    assert float(drawn.detach().std()) == pytest.approx(STD, rel=0.03)


@pytest.mark.slow
def test_one_step_keeps_the_spread_that_flow_matching_loses():
    mean_flow, flow_matching = (restored(fit(with_backbone(cls, 2), 400), 1).std for cls in (MeanFlow, FlowMatching))
    assert mean_flow > 0.65 > 0.55 > flow_matching


def test_time_inputs_change_the_output():
    adapter, batch = with_backbone(MeanFlow, 2), bimodal(2)
    for block in adapter.network.blocks:
        torch.nn.init.normal_(block.modulation.weight, std=0.5)  # it starts at zero
    x, t = randn(2, 8, 2), torch.full((2,), 0.8)
    outputs = [adapter.velocity(batch.cond, x, torch.full((2,), r), t) for r in (0.0, 0.8)]
    assert not torch.allclose(*outputs)
