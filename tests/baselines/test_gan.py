"""Adversarial network: its losses by hand, who learns from which, and that the noise is used."""

import pytest
import torch
from toytargets import bimodal, fit, noise, restored, with_backbone

from baselines.gan import Gan


def test_losses_are_those_of_the_papers():
    adapter = with_backbone(Gan, 2, reconstruction=3.0)
    batch, rng = bimodal(4), noise(4)
    sequence, mask = batch.cond.sequence, batch.mask
    x, other = (adapter.sample(batch.cond, 1, rng) for _ in range(2))
    real, fake = (adapter.discriminator(y, sequence, mask) for y in (batch.target, x))
    score = (batch.target - x).abs().mean() - 0.5 * (x - other).abs().mean()
    losses = adapter.losses(batch, 0, noise(4))
    assert float(losses["generator"]) == pytest.approx(float(((1 - fake) ** 2).mean() + 3 * score), rel=1e-5)
    assert float(losses["discriminator"]) == pytest.approx(float(((1 - real) ** 2 + fake**2).mean()), rel=1e-5)


def test_discriminator_trains_neither_generator_nor_encoder():
    adapter, batch = with_backbone(Gan, 2), bimodal(2)
    batch.cond.sequence.requires_grad_()
    loss = adapter.losses(batch, 0, noise(2))["discriminator"]
    inputs = [batch.cond.sequence, *adapter.network.parameters()]
    assert not any(grad is not None for grad in torch.autograd.grad(loss, inputs, allow_unused=True))


def test_energy_score_keeps_both_modes_where_a_distance_loses_them():
    result = restored(fit(with_backbone(Gan, 2)), 1)
    assert result.std > 0.7 and result.diversity > 0.7
