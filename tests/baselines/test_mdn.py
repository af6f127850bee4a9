"""Mixture density network: its likelihood is torch's, and its samples follow the mixture."""

import pytest
import torch
from torch import distributions, nn
from toytargets import bimodal, condition, empty, fit, noise, randn, restored, with_backbone

from baselines.mdn import Mdn
from ttsbench import ModelContext


def mixture_of(adapter, cond):
    logits, mean, log_std = adapter._mixture(cond)
    components = distributions.Independent(distributions.Normal(mean, log_std.exp()), 1)
    return distributions.MixtureSameFamily(distributions.Categorical(logits=logits), components)


def test_loss_is_the_negative_log_likelihood_of_torch_per_channel():
    adapter = with_backbone(Mdn, 2)
    batch = bimodal(3)
    loss = adapter.losses(batch, 0, noise(3))["generator"]
    expected = -mixture_of(adapter, batch.cond).log_prob(batch.target).mean() / 2
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_loss_ignores_padding():
    adapter = with_backbone(Mdn, 2)
    cond = condition(randn(2, 6, 4), [6, 2])
    batch = bimodal(2, time=6)
    padded = type(batch)(batch.target, cond)
    loss = adapter.losses(padded, 0, noise(2))["generator"]
    likelihood = mixture_of(adapter, cond).log_prob(batch.target)
    assert float(loss) == pytest.approx(float(-likelihood[cond.mask].mean() / 2), rel=1e-5)


class Constant(nn.Module):
    """Two components of one channel: weights 1/4 and 3/4, means -2 and 1, standard deviations 0.5 and 0.1."""

    def forward(self, x, cond, mask):
        logits, means, stds = torch.tensor([0.25, 0.75]).log(), torch.tensor([-2.0, 1.0]), torch.tensor([0.5, 0.1])
        return torch.stack([logits, means, stds.log()], dim=1).flatten().expand(*mask.shape, 6)


def test_samples_follow_the_mixture_and_its_mode_at_temperature_0():
    adapter = Mdn(ModelContext("acoustic", 1, 4, lambda *_: Constant()), components=2)
    cond = empty(4, 5000)
    drawn = adapter.sample(cond, 1, noise(4))
    low = drawn < -0.5
    assert float(low.float().mean()) == pytest.approx(0.25, abs=0.02)
    assert float(drawn[low].mean()) == pytest.approx(-2.0, abs=0.03)
    assert float(drawn[low].std()) == pytest.approx(0.5, abs=0.03)
    assert float(drawn[~low].std()) == pytest.approx(0.1, abs=0.01)
    assert torch.equal(adapter.sample(cond, 1, noise(4), 0.0), torch.ones(4, 5000, 1))


def test_trained_mixture_keeps_the_spread_of_a_bimodal_target():
    result = restored(fit(with_backbone(Mdn, 2)), 1)
    assert result.std == pytest.approx(1.0, abs=0.1) and abs(result.bias) < 0.2
