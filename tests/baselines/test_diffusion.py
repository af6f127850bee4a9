"""Diffusion against what is known of Gaussians, and on the toy where regression fails.

For a target N(m, s^2), the prior mean mu and d = m - mu, the optimal estimate of the residual y - mu from u = x_t - mu
is d + alpha s^2 / (alpha^2 s^2 + sigma^2) (u - alpha d), with variance s^2 sigma^2 / (alpha^2 s^2 + sigma^2).
"""

import copy
import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from toytargets import bimodal, empty, fit, noise, randn, restored, with_backbone, with_field

from baselines.diffusion import Diffusion, beta, levels
from baselines.regression import L2
from ttsbench import Batch, ConfigError
from ttsbench.models.metering import CallCounter

MEAN, STD, PRIOR = 1.5, 0.5, 1.0
MANY, TIME = 256, 40
PREDICTIONS = ("x0", "v", "epsilon")


def alpha_sigma(t):
    """In plain floats, from Grad-TTS's time, 1 - t."""
    age = 1 - t
    integral = 0.05 * age + 0.5 * (20 - 0.05) * age**2
    return math.exp(-integral / 2), math.sqrt(-math.expm1(-integral))


def outputs(residual, u, t):
    """What a network must give for this estimate of the residual, by prediction."""
    alpha, sigma = levels(t.flatten())
    return {
        "x0": residual,
        "v": (alpha * u - residual) / sigma,
        "epsilon": (u - alpha * residual) / sigma,
    }


def exact(prediction="v", **options):
    """An adapter whose network is optimal for N(MEAN, STD^2) and whose mean is PRIOR."""

    def field(u, t):
        alpha, sigma = levels(t.flatten())
        gain = alpha * STD**2 / (alpha**2 * STD**2 + sigma**2)
        offset = MEAN - PRIOR
        return outputs(offset + gain * (u - alpha * offset), u, t)[prediction]

    return at_prior(with_field(Diffusion, field, prediction=prediction, **options))


def at_prior(adapter):
    """The mean becomes PRIOR whatever the condition."""
    with torch.no_grad():
        adapter.denoiser.prior.weight.zero_()
        adapter.denoiser.prior.bias.fill_(PRIOR)
    return adapter


def gaussian(batch=MANY, time=TIME, seed=5):
    return Batch(MEAN + STD * randn(batch, time, 1, seed=seed), empty(batch, time))


def drawn(adapter, nfe, **options):
    with torch.no_grad():
        return adapter.sample(empty(MANY, TIME), nfe, noise(MANY), **options)


def start():
    return noise(MANY).normal(empty(MANY, TIME).mask, 1)


# The process


def test_levels_are_those_of_the_integrated_rate():
    for t in (0.0, 0.2, 0.7, 0.99, 1.0):
        integral, _ = quad(beta, t, 1)
        alpha, sigma = (float(value) for value in levels(torch.tensor([t])))
        assert alpha == pytest.approx(math.exp(-integral / 2), rel=1e-5)
        assert sigma == pytest.approx(math.sqrt(1 - math.exp(-integral)), rel=1e-4, abs=1e-7)
        assert alpha**2 + sigma**2 == pytest.approx(1, abs=1e-6)
    assert beta(0) == 20
    assert beta(1) == 0.05


@pytest.mark.parametrize("t", [0.0, 0.4, 0.8, 1.0])
def test_marginals_have_the_stated_moments(t):
    adapter, batch = exact(), gaussian()
    mean = adapter.mean(batch.cond)
    x = adapter.diffuse(batch.target, mean, randn(MANY, TIME, 1), torch.full((MANY,), t)).detach()
    alpha, sigma = alpha_sigma(t)
    assert float(x.mean()) == pytest.approx(PRIOR + alpha * (MEAN - PRIOR), abs=0.03)
    assert float(x.std()) == pytest.approx(math.hypot(alpha * STD, sigma), rel=0.02)


# What the network predicts


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_predictions_convert_into_one_another(prediction):
    """Residual r and noise z known: a network that gives r, v or z leads to the same data."""
    target, z = randn(6, 5, 1, seed=1), randn(6, 5, 1, seed=2)
    times = torch.tensor([0.05, 0.2, 0.4, 0.6, 0.8, 0.99])
    wanted = {}

    def field(u, t):
        alpha, sigma = levels(t.flatten())
        wanted.update({"x0": target - PRIOR, "v": alpha * z - sigma * (target - PRIOR), "epsilon": z})
        return wanted[prediction]

    adapter = at_prior(with_field(Diffusion, field, prediction=prediction))
    cond = empty(6, 5)
    x = adapter.diffuse(target, adapter.mean(cond), z, times)
    torch.testing.assert_close(adapter.predict_data(x, cond, times), target, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(outputs(target - PRIOR, x - PRIOR, times)[prediction], wanted[prediction],
                               rtol=1e-3, atol=1e-4)  # fmt: skip


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_weighted_error_of_the_data_is_the_error_of_the_output(prediction):
    target, z, wrong = (randn(4, 5, 1, seed=seed) for seed in (1, 2, 3))
    times = torch.tensor([0.05, 0.3, 0.7, 0.99])
    adapter = at_prior(with_field(Diffusion, lambda u, t: wrong, prediction=prediction))
    cond = empty(4, 5)
    x = adapter.diffuse(target, adapter.mean(cond), z, times)
    right = outputs(target - PRIOR, x - PRIOR, times)[prediction]
    weighted = adapter.denoiser.weight(times) * (adapter.predict_data(x, cond, times) - target).square()
    torch.testing.assert_close(weighted, (wrong - right).square(), rtol=2e-3, atol=1e-4)


def test_the_epsilon_loss_is_that_of_grad_tts():
    """|sigma score + z|^2 with score = -output / sigma, on a network that is wrong."""
    wrong, batch = randn(MANY, TIME, 1, seed=3), gaussian()
    adapter = at_prior(with_field(Diffusion, lambda u, t: wrong, prediction="epsilon"))
    rng = noise(MANY, 4)
    rng.time()
    expected = (rng.normal(batch.mask, 1) - wrong).square().mean() + 0.5 * (batch.target - PRIOR).square().mean()
    assert float(adapter.losses(batch, 0, noise(MANY, 4))["generator"]) == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_loss_at_the_optimum_is_its_analytic_value(prediction):
    def at(t):
        alpha, sigma = alpha_sigma(t)
        variance = STD**2 * sigma**2 / (alpha**2 * STD**2 + sigma**2)
        return variance * {"x0": 1, "v": sigma**-2, "epsilon": (alpha / sigma) ** 2}[prediction]

    adapter = exact(prediction)
    losses = [float(adapter.losses(gaussian(seed=seed), 0, noise(MANY, seed))["generator"]) for seed in range(8)]
    denoising, _ = quad(at, 1e-5, 1 - 1e-5)
    prior = 0.5 * (STD**2 + (MEAN - PRIOR) ** 2)
    assert np.mean(losses) == pytest.approx(denoising + prior, rel=0.02)


def test_the_mean_learns_from_the_prior_loss_alone():
    adapter = with_backbone(Diffusion, 2)
    batch = bimodal(4)
    adapter.losses(batch, 0, noise(4))["generator"].backward()
    found = adapter.denoiser.prior.weight.grad
    expected, = torch.autograd.grad(
        0.5 * (adapter.mean(batch.cond) - batch.target).square().mean(), [adapter.denoiser.prior.weight]
    )  # fmt: skip
    torch.testing.assert_close(found, expected)


# Sampling


def after_exponential(nfe, stochastic=False):
    """Standard deviation in plain floats, step by step; DDIM with eta 0 or 1 (Song et al. 2021, equations 12, 16)."""
    variance = 1.0
    for step in range(nfe):
        (a, s), (a1, s1) = (alpha_sigma(1 - (1 - index / nfe) ** 2) for index in (step, step + 1))
        gain = a * STD**2 / (a**2 * STD**2 + s**2)
        fresh = (s1 / s) ** 2 * (1 - a**2 / a1**2) if stochastic else 0.0
        variance = variance * (a1 * gain + math.sqrt(max(s1**2 - fresh, 0)) * (1 - a * gain) / s) ** 2 + fresh
    return math.sqrt(variance)


def after_euler(nfe, stochastic=False):
    """Standard deviation in plain floats, Grad-TTS's update in its own time tau = 1 - t."""
    variance, h = 1.0, 1 / nfe
    for step in range(nfe):
        tau = 1 - (step + 0.5) * h
        rate = 0.05 + (20 - 0.05) * tau
        alpha, sigma = alpha_sigma(1 - tau)
        score = -1 / (alpha**2 * STD**2 + sigma**2)  # of N(0, .), times x
        slope = -0.5 - score if stochastic else 0.5 * (-1 - score)
        variance = variance * (1 - slope * rate * h) ** 2 + (rate * h if stochastic else 0)
    return math.sqrt(variance)


@pytest.mark.parametrize("sampler", ["ode", "sde"])
@pytest.mark.parametrize("solver", ["exponential", "euler"])
@pytest.mark.parametrize("nfe", [1, 4, 16, 128])
def test_samplers_reach_what_their_steps_multiply_to(sampler, solver, nfe):
    x = drawn(exact(sampler=sampler, solver=solver), nfe)
    expected = {"exponential": after_exponential, "euler": after_euler}[solver](nfe, sampler == "sde")
    assert float(x.std()) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("sampler", ["ode", "sde"])
@pytest.mark.parametrize("solver", ["exponential", "euler"])
def test_many_steps_reach_mean_and_std(prediction, sampler, solver):
    x = drawn(exact(prediction, sampler=sampler, solver=solver), 256)
    assert float(x.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(x.std()) == pytest.approx(STD, rel=0.03)


def test_the_spread_that_is_left_after_few_steps():
    """As the docstring of the module says."""
    steps = [2**power for power in range(8)]
    assert [round(100 * after_exponential(nfe) / STD) for nfe in steps] == [0, 41, 66, 81, 90, 95, 97, 99]
    assert [round(100 * after_exponential(nfe, True) / STD) for nfe in steps] == [0, 41, 54, 70, 82, 90, 95, 97]


def test_one_step_is_the_estimate_from_noise_alone():
    """By hand: u = z, so x = mu + d + k (z - alpha d), k = alpha s^2 / (alpha^2 s^2 + sigma^2) = 0.0017 at t = 0."""
    alpha, sigma = alpha_sigma(0)
    gain = alpha * STD**2 / (alpha**2 * STD**2 + sigma**2)
    offset = MEAN - PRIOR
    expected = PRIOR + offset + gain * (start() - alpha * offset)
    torch.testing.assert_close(drawn(exact(), 1), expected, rtol=1e-4, atol=1e-4)
    assert gain == pytest.approx(0.00166, abs=1e-5)


@pytest.mark.parametrize("sampler", ["ode", "sde"])
@pytest.mark.parametrize("temperature", [0.0, 0.5, 2.0])
def test_temperature_scales_the_std(sampler, temperature):
    """The exact estimate is linear, so its draws are the one without noise plus temperature times the rest."""
    adapter = exact(sampler=sampler)
    still = drawn(adapter, 16, temperature=0.0)
    x = drawn(adapter, 16, temperature=temperature)
    torch.testing.assert_close(x - still, temperature * (drawn(adapter, 16) - still), rtol=1e-3, atol=1e-4)
    assert float(still.std()) < 1e-5


@pytest.mark.parametrize("options", [{}, {"sampler": "sde"}, {"solver": "euler"}])
@pytest.mark.parametrize("nfe", [1, 3, 16])
def test_nfe_is_what_is_counted(options, nfe):
    adapter = with_backbone(Diffusion, 2, **options)
    with torch.no_grad(), CallCounter(adapter.networks()["generator"]) as counter:
        adapter.sample(empty(2, 5), nfe, noise(2))
    assert counter.calls == nfe


def test_a_student_can_be_made_of_the_public_parts():
    """A copy of the generator, called on noise, is the one-step sampler; re-noised and called again it goes on."""
    adapter, cond = exact(), empty(MANY, TIME)
    student, mean = copy.deepcopy(adapter.networks()["generator"]), adapter.mean(cond).detach()
    with torch.no_grad():
        data = student(mean + start(), cond, torch.zeros(MANY))
        torch.testing.assert_close(data, drawn(adapter, 1))
        for level in (0.25, 0.5, 0.75):
            t = torch.full((MANY,), level)
            data = student(adapter.diffuse(data, mean, randn(MANY, TIME, 1, seed=int(100 * level)), t), cond, t)
    assert float(data.mean()) == pytest.approx(MEAN, abs=0.02)
    alpha, sigma = adapter.levels(torch.tensor([0.3]))
    assert (float(alpha), float(sigma)) == pytest.approx(alpha_sigma(0.3), rel=1e-5)


def test_wrong_options_get_a_sentence():
    with pytest.raises(ConfigError, match=r"no prediction 'x1'; choose one of x0, v, epsilon"):
        exact(prediction="x1")
    with pytest.raises(ConfigError, match=r"no sampler 'dpm'; choose one of ode, sde"):
        exact(sampler="dpm")
    with pytest.raises(ConfigError, match=r"no solver 'heun'; choose one of exponential, euler"):
        exact(solver="heun")
    with pytest.raises(ConfigError, match=r"no network 'dit'"):
        exact(network="dit")


# Learning


def test_it_restores_the_spread_that_regression_loses():
    l2, diffusion = restored(fit(with_backbone(L2, 2)), 1), restored(fit(with_backbone(Diffusion, 2)), 16)
    assert l2.std < 0.5
    assert 0.8 < diffusion.std < 1.1
    assert abs(diffusion.bias) < 0.3
    assert l2.diversity == 0
    assert diffusion.diversity > 0.8


@pytest.mark.slow
def test_epsilon_underfits_a_short_budget():
    """The table in the docstring of the module: shown with -s, over three sets of weights and data."""
    table = {}
    for prediction in PREDICTIONS:
        for steps in (250, 1000):
            runs = [restored(fit(with_backbone(Diffusion, 2, seed=seed, prediction=prediction), steps, seed=seed), 16)
                    for seed in range(3)]  # fmt: skip
            table[prediction, steps] = [run.std for run in runs]
            print(prediction, steps, [f"{run.std:.2f}" for run in runs], [f"{run.bias:+.2f}" for run in runs])
    for steps in (250, 1000):
        assert all(0.8 < std < 1.1 for prediction in ("x0", "v") for std in table[prediction, steps])
        assert all(std > 1.25 for std in table["epsilon", steps])
