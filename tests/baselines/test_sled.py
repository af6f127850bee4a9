"""The energy distance on what is known of Gaussians, and patches drawn one after another."""

import math

import pytest
import torch
from toytargets import bimodal, condition, fit, noise, randn, restored, with_backbone

from baselines.sled import Sled
from ttsbench import Batch, ConfigError
from ttsbench.models.metering import CallCounter
from ttsbench.nn.energy_distance import TINY, EnergyDistance, NoiseHead, patches
from ttsbench.nn.transformer import Cache

MANY = 200_000
SCALES = (0.5, 0.8, 1.0, 1.25, 2.0)


# The distance


def distance(mean, scale, beta, repulsion=1.0):
    """Expected loss of draws N(mean, scale^2) for a standard normal target."""
    target, one, other = (randn(MANY, 1, seed=seed) for seed in range(3))
    real = torch.ones(MANY, 1, dtype=torch.bool)
    return float(EnergyDistance(beta, repulsion)(mean + scale * one, mean + scale * other, target, real).mean())


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5])
def test_below_two_it_is_least_at_the_truth(beta):
    """C14."""
    by_scale = [distance(0.0, scale, beta) for scale in SCALES]
    assert min(by_scale) == by_scale[SCALES.index(1.0)]
    by_mean = [distance(mean, 1.0, beta) for mean in (-0.5, 0.0, 0.5)]
    assert min(by_mean) == by_mean[1]


def test_at_two_it_is_flat_in_scale_and_sees_the_mean():
    """C14: 2 E (h - y)^2 - E (h - h')^2 = 2 (m^2 + s^2 + 1) - 2 s^2 = 2 m^2 + 2."""
    for scale in SCALES:
        assert distance(0.0, scale, 2.0) == pytest.approx(2.0, abs=0.06)
    assert distance(0.5, 1.0, 2.0) == pytest.approx(2.5, abs=0.06)


def test_at_one_it_is_the_known_value_for_gaussians():
    """E |N(0, v)| = sqrt(2 v / pi): 2 sqrt(2 (1 + s^2) / pi) - 2 s / sqrt(pi)."""
    for scale in SCALES:
        expected = 2 * math.sqrt(2 * (1 + scale**2) / math.pi) - 2 * scale / math.sqrt(math.pi)
        assert distance(0.0, scale, 1.0) == pytest.approx(expected, abs=0.01)


def test_without_repulsion_no_spread_is_best():
    losses = [distance(0.0, scale, 1.0, repulsion=0.0) for scale in (0.0, *SCALES)]
    assert losses == sorted(losses)


def test_it_is_a_mean_over_real_elements():
    one, other, target = (randn(2, 3, 4, seed=seed) for seed in range(3))
    real = torch.ones(2, 3, 4, dtype=torch.bool)
    real[..., 2:] = False
    half = EnergyDistance()(one, other, target, real)
    torch.testing.assert_close(half, EnergyDistance()(*(x[..., :2] for x in (one, other, target, real))))
    alike = EnergyDistance()(target, target, target, real)
    torch.testing.assert_close(alike, torch.full((2, 3), TINY**0.5))


# The network


def sled(channels=2, **options):
    return with_backbone(Sled, channels, **{"dim": 32, "layers": 2, **options})


def test_the_head_starts_at_zero_and_depends_on_its_noise():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = NoiseHead(8, 4, 16, 2)
    z = randn(5, 8)
    assert not head(z, randn(5, 64, seed=1)).any()  # zero at first
    for parameter in head.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(2))
    assert not torch.allclose(head(z, randn(5, 64, seed=1)), head(z, randn(5, 64, seed=2)))


@pytest.mark.parametrize("patch", [1, 2, 3])
def test_sampling_with_a_cache_equals_a_pass_over_the_whole_sequence(patch):
    """The states of a whole sequence, step by step with a cache."""
    adapter, batch = sled(patch=patch), bimodal(3, time=7)
    previous = torch.nn.functional.pad(patches(batch.target, patch), (0, 0, 1, -1))
    draws = noise(3).normal(adapter._real(batch.cond).any(dim=-1), 64)
    network = adapter.network.eval()
    for parameter in network.head.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        given = network.read(batch.cond)
        whole = network.head(network.states(previous, given), draws)
        cache = Cache(network.transformer, 3, given.shape[1])
        steps = [network(previous[:, k], given[:, k], draws[:, k], cache) for k in range(given.shape[1])]
    torch.testing.assert_close(torch.stack(steps, dim=1), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("patch", "time", "calls"), [(1, 7, 7), (2, 7, 4), (4, 8, 2)])
def test_each_patch_is_one_call(patch, time, calls):
    adapter = sled(patch=patch)
    with torch.no_grad(), CallCounter(adapter.networks()["generator"]) as counter:
        drawn = adapter.sample(bimodal(2, time=time).cond, 1, noise(2))
    assert drawn.shape == (2, time, 2)
    assert counter.calls == calls


def test_it_restores_the_spread_that_is_lost_without_repulsion():
    """C13 on a toy: the same network, with and without the distance between two draws."""
    whole, collapsed = (restored(fit(sled(repulsion=repulsion, patch=1)), 1) for repulsion in (1.0, 0.0))
    assert whole.std > 0.8
    assert whole.diversity > 0.7
    assert abs(whole.bias) < 0.3
    assert collapsed.diversity < 0.4


def test_guidance_of_one_is_no_guidance_and_more_goes_further():
    adapter = sled(condition_dropout=0.5)
    for parameter in adapter.network.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(2))
    cond, drawn = bimodal(2).cond, {}
    for guidance in (1.0, 1.0 + 1e-6, 2.0):
        with torch.no_grad():
            drawn[guidance] = adapter.sample(cond, 1, noise(2), guidance=guidance)
    torch.testing.assert_close(drawn[1.0], drawn[1.0 + 1e-6], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(drawn[1.0], drawn[2.0], atol=1e-2)


def test_states_do_not_depend_on_a_condition_that_is_left_out():
    adapter = sled(condition_dropout=0.5)
    previous = randn(2, 6, 4, seed=1)
    given = adapter.network.read(condition(randn(2, 12, 4)))
    left_out = torch.tensor([True, False])
    some = adapter.network.states(previous, given, left_out)
    others = adapter.network.states(previous, given + 1, left_out)
    assert torch.equal(some[0], others[0])
    assert not torch.equal(some[1], others[1])


def test_a_patch_that_is_half_padding_is_read_and_scored_without_it():
    adapter = sled(patch=4)
    whole = bimodal(2, time=8)
    cond = condition(whole.cond.sequence, [8, 6])
    batch = Batch(whole.target, cond)
    dirty = whole.target.clone()
    dirty[1, 6:] = 100.0
    losses = [
        float(adapter.losses(Batch(one, cond), 0, noise(2))["generator"].detach()) for one in (batch.target, dirty)
    ]
    assert losses[0] == losses[1]


def test_wrong_options_get_a_sentence():
    with pytest.raises(ConfigError, match=r"0 < beta <= 2 and repulsion >= 0, got 3\.0 and 1\.0"):
        sled(beta=3.0)
    with pytest.raises(ConfigError, match=r"condition_dropout is the share .* got 1\.0"):
        sled(condition_dropout=1.0)
    with pytest.raises(ConfigError, match=r"guidance 2 needs .* condition_dropout such as"):
        sled().sample(bimodal(1).cond, 1, noise(1), guidance=2)
