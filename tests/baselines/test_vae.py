"""Variational autoencoder: the bound is torch's, both networks minimise it, and the latent is used."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from toytargets import bimodal, fit, noise, restored, with_backbone

from baselines.vae import Vae


def test_loss_is_the_evidence_lower_bound_of_torch():
    adapter = with_backbone(Vae, 2, latents=3, beta=0.7)
    batch = bimodal(4)
    sequence, mask = batch.cond.sequence, batch.mask
    mean, log_std = adapter.encoder(batch.target, sequence, mask).chunk(2, dim=-1)
    posterior = Normal(mean, log_std.exp())
    decoded = adapter.decoder(mean + log_std.exp() * noise(4).normal(mask, 3), sequence, mask)
    std = (decoded - batch.target).square().mean().sqrt()
    constant = Normal(0.0, 1.0).entropy()  # of a Gaussian with the standard deviation that fits the batch best
    likelihood = Normal(decoded, std).log_prob(batch.target).mean() + constant
    divergence = kl_divergence(posterior, Normal(0.0, 1.0)).sum(-1).mean() / 2
    losses = adapter.losses(batch, 0, noise(4))
    assert list(losses) == ["generator+posterior"], "one loss, hence one backward pass for both networks"
    assert float(losses["generator+posterior"]) == pytest.approx(float(-likelihood + 0.7 * divergence), rel=1e-4)


def test_sampling_calls_the_decoder_alone():
    adapter = with_backbone(Vae, 2)
    cond = bimodal(2).cond
    before = adapter.sample(cond, 1, noise(2))
    for parameter in adapter.encoder.parameters():
        torch.nn.init.constant_(parameter, torch.nan)
    assert torch.equal(before, adapter.sample(cond, 1, noise(2)))


def test_trained_autoencoder_draws_both_modes():
    result = restored(fit(with_backbone(Vae, 2)), 1)
    assert result.std > 0.7 and result.diversity > 0.7
