"""Diffusion against known results for Gaussians, and on a toy problem where regression loses the spread.

For data N(m, s^2) the optimal estimate of the data from x_t is m + alpha s^2 / (alpha^2 s^2 + sigma^2) (x_t - alpha m),
with variance s^2 sigma^2 / (alpha^2 s^2 + sigma^2).
"""

import copy
import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from toytargets import empty, fit, noise, randn, restored, with_backbone, with_field

from baselines.diffusion import Diffusion, beta, levels, time_of_ratio
from baselines.regression import L2
from ttsbench import Batch, ConfigError, Teacher
from ttsbench.models.metering import CallCounter
from ttsbench.nn.noise_levels import LOG_MEAN, LOG_STD, ratio_grid

MEAN, STD = 1.5, 0.5
MANY, TIME = 256, 40
PREDICTIONS = ("x0", "v", "epsilon")


def alpha_sigma(ratio):
    """In plain floats, of a noise ratio sigma / alpha."""
    return 1 / math.hypot(1, ratio), ratio / math.hypot(1, ratio)


def levels_of_share(share):
    """Alpha and sigma from the network's time, alpha / (alpha + sigma)."""
    ratio = (1 - share) / share.clamp_min(1e-6)
    alpha = 1 / torch.sqrt(1 + ratio**2)
    return alpha, ratio * alpha


def outputs(data, x, alpha, sigma):
    """Output of a network that estimates these data, by prediction."""
    return {"x0": data, "v": (alpha * x - data) / sigma, "epsilon": (x - alpha * data) / sigma}


def exact(prediction="v", **options):
    """An adapter whose network is optimal for N(MEAN, STD^2)."""

    def field(x, share):
        alpha, sigma = levels_of_share(share)
        gain = alpha * STD**2 / (alpha**2 * STD**2 + sigma**2)
        return outputs(MEAN + gain * (x - alpha * MEAN), x, alpha, sigma)[prediction]

    return with_field(Diffusion, field, prediction=prediction, **options)


def gaussian(batch=MANY, time=TIME, seed=5):
    return Batch(MEAN + STD * randn(batch, time, 1, seed=seed), empty(batch, time))


def drawn(adapter, nfe, **options):
    with torch.no_grad():
        return adapter.sample(empty(MANY, TIME), nfe, noise(MANY), **options)


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


def test_the_time_of_a_ratio_has_that_ratio():
    ratios = torch.tensor([0.02, 0.5, 1.0, 10.0, 80.0])
    alpha, sigma = levels(time_of_ratio(ratios))
    torch.testing.assert_close((sigma / alpha).flatten(), ratios, rtol=1e-3, atol=1e-4)
    assert time_of_ratio(torch.tensor([0.0, 1e4])).tolist() == [1.0, 0.0]


def test_training_levels_are_log_normal():
    ratios = []

    def field(x, share):
        ratios.append((1 - share) / share)
        return 0 * x

    with_field(Diffusion, field).losses(Batch(randn(4000, 1, 1), empty(4000, 1)), 0, noise(4000))
    logs = ratios[0].log()
    assert float(logs.mean()) == pytest.approx(LOG_MEAN, abs=0.1)
    assert float(logs.std()) == pytest.approx(LOG_STD, rel=0.05)


# Output of the network


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_predictions_convert_into_one_another(prediction):
    """With known data and noise z, a network that returns y, v or z gives the same data."""
    target, z = randn(6, 5, 1, seed=1), randn(6, 5, 1, seed=2)
    times = torch.tensor([0.05, 0.2, 0.4, 0.6, 0.8, 0.99])
    alpha, sigma = levels(times)
    x = alpha * target + sigma * z
    right = {"x0": target, "v": alpha * z - sigma * target, "epsilon": z}[prediction]
    adapter = with_field(Diffusion, lambda *_: right, prediction=prediction)
    torch.testing.assert_close(adapter.predict_data(x, empty(6, 5), times), target, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(outputs(target, x, alpha, sigma)[prediction], right, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_weighted_error_of_the_data_is_the_error_of_the_output(prediction):
    target, z, wrong = (randn(4, 5, 1, seed=seed) for seed in (1, 2, 3))
    times = torch.tensor([0.05, 0.3, 0.7, 0.99])
    alpha, sigma = levels(times)
    adapter = with_field(Diffusion, lambda *_: wrong, prediction=prediction)
    x = alpha * target + sigma * z
    right = outputs(target, x, alpha, sigma)[prediction]
    weighted = adapter.denoiser.weight(times) * (adapter.predict_data(x, empty(4, 5), times) - target).square()
    torch.testing.assert_close(weighted, (wrong - right).square(), rtol=2e-3, atol=1e-4)


def test_v_prediction_is_the_preconditioning_of_karras():
    """D = c_skip x + c_out F(c_in x) and the weight 1 / c_out^2 for data of unit variance (EDM, table 1)."""
    output, x = randn(3, 5, 1, seed=1), randn(3, 5, 1, seed=2)
    ratios = torch.tensor([0.1, 1.0, 7.0])
    sigma = ratios.view(-1, 1, 1)
    skip, out, scale = 1 / (1 + sigma**2), sigma / torch.sqrt(1 + sigma**2), 1 / torch.sqrt(1 + sigma**2)
    adapter = with_field(Diffusion, lambda *_: -output, prediction="v")  # F is -v
    t = time_of_ratio(ratios)
    found = adapter.predict_data(scale * x, empty(3, 5), t)
    torch.testing.assert_close(found, skip * x + out * output, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(adapter.denoiser.weight(t), out**-2, rtol=1e-3, atol=1e-4)


def test_the_epsilon_loss_is_that_of_grad_tts():
    """|sigma score + z|^2 with score = -output / sigma, for a network that is wrong."""
    wrong, batch = randn(MANY, TIME, 1, seed=3), gaussian()
    adapter = with_field(Diffusion, lambda *_: wrong, prediction="epsilon", times="uniform")
    rng = noise(MANY, 4)
    rng.time()
    expected = (rng.normal(batch.mask, 1) - wrong).square().mean()
    assert float(adapter.losses(batch, 0, noise(MANY, 4))["generator"]) == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_loss_at_the_optimum_is_its_analytic_value(prediction):
    def at(log_ratio):
        alpha, sigma = alpha_sigma(math.exp(log_ratio))
        variance = STD**2 * sigma**2 / (alpha**2 * STD**2 + sigma**2)
        density = math.exp(-0.5 * ((log_ratio - LOG_MEAN) / LOG_STD) ** 2) / (LOG_STD * math.sqrt(2 * math.pi))
        return density * variance * {"x0": 1, "v": sigma**-2, "epsilon": (alpha / sigma) ** 2}[prediction]

    adapter = exact(prediction)
    losses = [float(adapter.losses(gaussian(seed=seed), 0, noise(MANY, seed))["generator"]) for seed in range(8)]
    expected, _ = quad(at, -9, 9)
    assert np.mean(losses) == pytest.approx(expected, rel=0.03)


# Sampling


def after_exponential(nfe, stochastic=False):
    """Standard deviation in plain floats, step by step; DDIM with eta 0 or 1 (Song et al. 2021, equations 12, 16)."""
    variance, ratios = 1.0, ratio_grid(nfe)
    for step in range(nfe):
        (a, s), (a1, s1) = (alpha_sigma(ratios[index]) for index in (step, step + 1))
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
        alpha = math.exp(-(0.05 * tau + 0.5 * (20 - 0.05) * tau**2) / 2)
        score = -1 / (alpha**2 * STD**2 + 1 - alpha**2)  # of N(0, .), times x
        slope = -0.5 - score if stochastic else 0.5 * (-1 - score)
        variance = variance * (1 - slope * rate * h) ** 2 + (rate * h if stochastic else 0)
    return math.sqrt(variance)


@pytest.mark.parametrize("sampler", ["ode", "sde"])
@pytest.mark.parametrize("solver", ["exponential", "euler"])
@pytest.mark.parametrize("nfe", [1, 4, 16, 64])
def test_samplers_have_the_product_of_their_steps_as_deviation(sampler, solver, nfe):
    x = drawn(exact(sampler=sampler, solver=solver), nfe)
    expected = {"exponential": after_exponential, "euler": after_euler}[solver](nfe, sampler == "sde")
    assert float(x.std()) == pytest.approx(expected, rel=0.02, abs=2e-3)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize(("solver", "sampler"), [("multistep", "ode"), ("exponential", "sde"), ("euler", "ode")])
def test_many_steps_reach_mean_and_deviation(prediction, sampler, solver):
    x = drawn(exact(prediction, sampler=sampler, solver=solver), 256)
    assert float(x.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(x.std()) == pytest.approx(STD, rel=0.03)


def test_the_multistep_solver_loses_less_spread_than_ddim():
    few = {solver: float(drawn(exact(solver=solver), 16).std()) / STD for solver in ("multistep", "exponential")}
    assert few["exponential"] == pytest.approx(after_exponential(16) / STD, rel=0.02)
    assert few["exponential"] < 0.93
    assert few["multistep"] > 0.96


@pytest.mark.parametrize("sampler", ["ode", "sde"])
@pytest.mark.parametrize("temperature", [0.0, 0.5, 2.0])
def test_temperature_scales_the_deviation(sampler, temperature):
    """The exact estimate is linear, so draws are the one without noise plus temperature times the rest."""
    adapter = exact(sampler=sampler)
    still = drawn(adapter, 16, temperature=0.0)
    x = drawn(adapter, 16, temperature=temperature)
    torch.testing.assert_close(x - still, temperature * (drawn(adapter, 16) - still), rtol=1e-3, atol=1e-3)
    assert float(still.std()) < 1e-5


@pytest.mark.parametrize("options", [{}, {"sampler": "sde"}, {"solver": "euler"}, {"solver": "exponential"}])
@pytest.mark.parametrize("nfe", [1, 3, 16])
def test_the_number_of_calls_is_nfe(options, nfe):
    adapter = with_backbone(Diffusion, 2, **options)
    with torch.no_grad(), CallCounter(adapter.networks()["generator"]) as counter:
        adapter.sample(empty(2, 5), nfe, noise(2))
    assert counter.calls == nfe


def test_a_student_is_a_trainable_copy():
    adapter = with_backbone(Diffusion, 2)
    adapter.denoiser.requires_grad_(False).eval()
    student = adapter.student()
    assert isinstance(adapter, Teacher)
    assert all(parameter.requires_grad for parameter in student.denoiser.parameters())
    assert not any(parameter.requires_grad for parameter in adapter.denoiser.parameters())
    x, t, cond = randn(2, 5, 2), torch.tensor([0.3, 0.6]), empty(2, 5)
    torch.testing.assert_close(student.predict_data(x, cond, t), adapter.predict_data(x, cond, t))
    with torch.no_grad():
        copied = copy.deepcopy(student)
        copied.denoiser.network.output.bias.add_(1.0)
    assert not torch.equal(copied.denoiser.network.output.bias, student.denoiser.network.output.bias)


def test_unknown_options_are_refused():
    with pytest.raises(ConfigError, match=r"no prediction 'x1'; choose one of v, x0, epsilon"):
        exact(prediction="x1")
    with pytest.raises(ConfigError, match=r"no sampler 'dpm'; choose one of ode, sde"):
        exact(sampler="dpm")
    with pytest.raises(ConfigError, match=r"no solver 'heun'; choose one of multistep, exponential, euler"):
        exact(solver="heun")
    with pytest.raises(ConfigError, match=r"no times 'cosine'; choose one of lognormal, uniform"):
        exact(times="cosine")
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
