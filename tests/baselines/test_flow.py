"""Normalizing flow: exact inverses and determinants, densities that integrate to one, learnt to the entropy."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from jacobians import LENGTHS, jacobian_log_det, perturb
from lightning.fabric import Fabric
from safetensors.torch import load_file
from tinycorpus import prepared, tiny_corpus
from tinytraining import ignore_progress, job_of, same, state, step, trainer_of, with_train
from toytargets import DIM, backbone_of, bimodal, condition, empty, fit, noise, randn, restored, with_backbone

from baselines.flow import Flow, Glow
from baselines.regression import L2
from ttsbench import Batch, ConfigError, ModelContext
from ttsbench.config.schema import ModelSize
from ttsbench.models.metering import CallCounter
from ttsbench.models.speech_model import SpeechModel
from ttsbench.nn.invertible import (
    ActNorm,
    squeeze,
    unsqueeze,
)
from ttsbench.stages import train

MEAN_MODEL = "l2-acoustic-seed0"  # the folder in which jobs of the tests look for their source
BITS_OF_NORMAL = 0.5 * math.log2(2 * math.pi * math.e)  # differential entropy of N(0, 1)


def glow(channels, coupling="affine", steps=3, network="backbone", width=8, scale=0.3):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        flow = Glow(channels, DIM, steps, coupling, network, width)
    return perturb(flow.double().eval(), scale)


# The whole flow


@pytest.mark.parametrize("network", ["backbone", "wavenet"])
@pytest.mark.parametrize("coupling", ["affine", "spline"])
@pytest.mark.parametrize("channels", [20, 2, 3])
def test_the_flow_is_invertible(channels, coupling, network):
    """In single precision, with padding, odd lengths and an utterance of one frame."""
    flow = glow(channels, coupling, network=network, scale=0.05 if network == "backbone" else 0.01).float()
    cond = condition(randn(3, 37, DIM), [37, 24, 1])
    steps = cond.mask.unsqueeze(-1)
    x = torch.where(steps, randn(3, 37, channels, seed=1), 0.0)
    pairs, real = squeeze(cond.sequence * steps), squeeze(steps.expand_as(x))
    z, _ = flow.chain(squeeze(x), pairs, real)
    assert float((z - squeeze(x)).abs().max()) > 0.5
    torch.testing.assert_close(unsqueeze(flow.chain.inverse(z, pairs, real), 37), x, rtol=0, atol=1e-4)
    mean, log_scale = flow.moments(pairs)
    eps = unsqueeze(torch.where(real, (z - mean) / log_scale.exp(), 0.0), 37)
    torch.testing.assert_close(flow(eps, cond.sequence, cond.mask), x, rtol=0, atol=1e-4)


@pytest.mark.parametrize("coupling", ["affine", "spline"])
@pytest.mark.parametrize("channels", [4, 2, 1])
def test_the_likelihood_of_a_draw_follows_from_the_jacobian(channels, coupling):
    """By the change of variables from the other side: log p(x) = log N(eps) - log |det dx / d eps|."""
    flow = glow(channels, coupling)
    cond = condition(randn(3, 5, DIM).double(), LENGTHS)
    real = cond.mask.unsqueeze(-1).expand(3, 5, channels)
    eps = torch.where(real, randn(3, 5, channels, seed=2).double(), 0.0)
    x = flow(eps, cond.sequence, cond.mask)
    log_det = jacobian_log_det(lambda values: flow(values, cond.sequence, cond.mask), eps, real)
    normal = torch.distributions.Normal(0, 1).log_prob(eps) * real
    expected = normal.sum(dim=(1, 2)) - log_det
    torch.testing.assert_close(flow.log_likelihood(x, cond.sequence, cond.mask), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("time", "channels", "offset"), [(1, 2, 0), (2, 1, 0), (2, 1, 1)])
def test_the_density_integrates_to_one(time, channels, offset):
    """Two numbers in all: one frame without a partner, one pair, and two frames that each lack their partner."""
    flow = glow(channels, steps=2, scale=0.1)
    cond = condition(randn(1, time, DIM).double())
    grid = torch.linspace(-12, 12, 161, dtype=torch.float64)
    x = torch.cartesian_prod(grid, grid).view(-1, time, channels)
    many = condition(cond.sequence.expand(len(x), -1, -1))
    with torch.no_grad():
        total = flow.log_likelihood(x, many.sequence, many.mask, offset).exp().sum() * (grid[1] - grid[0]) ** 2
    assert float(total) == pytest.approx(1, abs=1e-3)


def test_padding_and_neighbours_change_no_likelihood():
    flow = glow(3)
    cond = condition(randn(3, 5, DIM).double(), LENGTHS)
    x = randn(3, 5, 3, seed=1).double()
    for offset in (0, 1):
        together = flow.log_likelihood(x, cond.sequence, cond.mask, offset)
        for row, length in enumerate(LENGTHS):
            part = (slice(row, row + 1), slice(0, length))
            alone = flow.log_likelihood(x[part], cond.sequence[part], cond.mask[part], offset)
            torch.testing.assert_close(alone, together[row : row + 1], rtol=0, atol=1e-9)


# The adapter


def fit_to(adapter, target_of, steps=150, rate=3e-3):
    """Train on fresh targets (B, T, C) under a condition that says nothing."""
    optimizer = torch.optim.Adam(adapter.network.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for number in range(steps):
        target = target_of(number)
        batch = Batch(target, empty(*target.shape[:2]))
        loss = adapter.losses(batch, number, noise(len(target), number))["generator"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    adapter.network.eval()
    return adapter


def test_a_gaussian_is_learnt_to_its_entropy():
    """The differential entropy of N(3, 2^2) is 1/2 log2(2 pi e 4) = 3.047 bits; no model of it can do better."""
    adapter = fit_to(with_backbone(Flow, 1, steps=4, dither=0.0), lambda number: 3 + 2 * randn(16, 9, 1, seed=number))
    target = 3 + 2 * randn(512, 9, 1, seed=12_345)
    with torch.no_grad():
        bits = adapter.losses(Batch(target, empty(512, 9)), 0, noise(512))["generator"]
        drawn = adapter.sample(empty(512, 9), 1, noise(512, 1))
    of_the_true_density = float(BITS_OF_NORMAL + 1 + ((target - 3).square() / 4 - 1).mean() / (2 * math.log(2)))
    assert float(bits) == pytest.approx(of_the_true_density, abs=0.02)
    assert float(drawn.mean()) == pytest.approx(3, abs=0.2)
    assert float(drawn.std()) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(("coupling", "share"), [("affine", 0.8), pytest.param("spline", 0.6, marks=pytest.mark.slow)])
def test_a_prosody_of_two_modes_keeps_its_spread_and_both(coupling, share):
    """L2 restores a quarter of the spread, and a Gaussian of this spread has half of its mass between the modes."""
    adapter = fit(with_backbone(Flow, 2, role="prosody", coupling=coupling, dither=0.0), steps=300)
    found = restored(adapter, 1)
    assert 0.8 < found.std < 1.2
    assert found.diversity > 1
    with torch.no_grad():
        held_out = bimodal(256, seed=99_999)
        means = adapter.sample(held_out.cond, 1, noise(256, 7)).mean(dim=(1, 2))
    assert float((means.abs() > 2 / 3).float().mean()) > share
    assert 0.3 < float((means > 0).float().mean()) < 0.7
    assert restored(fit(with_backbone(L2, 2), steps=50), 1).std < 0.5


def small(channels=4, **options):
    adapter = with_backbone(Flow, channels, **options)
    perturb(adapter.network, 0.1).eval()
    return adapter


def test_temperature_zero_is_the_same_for_all_seeds_and_more_spreads_more():
    adapter, cond = small(), condition(randn(40, 7, DIM))
    with torch.no_grad():
        cold = [adapter.sample(cond, 1, noise(40, seed), 0.0) for seed in (1, 2)]
        spread = [float((adapter.sample(cond, 1, noise(40, 1), t) - cold[0]).square().mean()) for t in (0.3, 0.6, 1.0)]
    assert torch.equal(*cold)
    assert 0 < spread[0] < spread[1] < spread[2]


def test_a_draw_is_one_call_of_the_generator():
    adapter, cond = small(), empty(2, 5)
    with CallCounter(adapter.networks()["generator"]) as counter:
        adapter.losses(Batch(randn(2, 5, 4), cond), 0, noise(2))
        assert counter.calls == 0
        assert adapter.sample(cond, 1, noise(2)).shape == (2, 5, 4)
    assert counter.calls == 1


def test_an_odd_number_of_frames_is_drawn_with_one_more():
    """Of phones it is not: what follows the last phone is nothing."""
    adapter, sequence = small(), randn(2, 6, DIM)
    sequence[0, 5] = sequence[0, 4]  # of five frames the last is repeated
    short, whole = condition(sequence, [5, 6]), condition(sequence)
    with torch.no_grad():
        drawn, longer = (adapter.sample(cond, 1, noise(2)) for cond in (short, whole))
        torch.testing.assert_close(drawn[0, :5], longer[0, :5])
        torch.testing.assert_close(drawn[1], longer[1])
        assert adapter.sample(condition(sequence[:1, :5]), 1, noise(1)).shape == (1, 5, 4)
        adapter.prosody = True
        eps = noise(2).normal(short.mask, 4)
        assert torch.equal(adapter.sample(short, 1, noise(2)), adapter.network(eps, sequence, short.mask))
        assert not torch.allclose(adapter.sample(short, 1, noise(2))[0, :5], drawn[0, :5], atol=0.01)


def test_the_loss_is_in_bits_per_dimension():
    """A flow that does nothing gives a standard normal its own entropy, whatever the lengths."""
    adapter = with_backbone(Flow, 6, dither=0.0)
    adapter.network.eval()
    cond = condition(torch.zeros(400, 9, DIM), [9, 4, 1, 6] * 100)
    bits = adapter.losses(Batch(randn(400, 9, 6), cond), 0, noise(400))["generator"]
    assert float(bits) == pytest.approx(BITS_OF_NORMAL, abs=0.03)
    doubled = adapter.losses(Batch(2 * randn(400, 9, 6), cond), 0, noise(400))["generator"]
    assert float(doubled) == pytest.approx(BITS_OF_NORMAL + 3 / (2 * math.log(2)), abs=0.1)  # misjudged by 4 - 1


def test_noise_is_added_where_the_target_has_no_density():
    """A constant target: without noise its likelihood grows without bound, with it at most to -log2(width)."""
    adapter = fit_to(with_backbone(Flow, 2, steps=4, dither=0.25), lambda _: torch.full((16, 6, 2), -2.0))
    with torch.no_grad():
        target = torch.full((64, 6, 2), -2.0)
        bits = float(adapter.losses(Batch(target, empty(64, 6)), 0, noise(64))["generator"])
        drawn = adapter.sample(empty(64, 6), 1, noise(64))
    assert math.log2(0.25) < bits < math.log2(0.25) + 0.6
    assert float((drawn + 2).abs().mean()) < 0.2
    assert with_backbone(Flow, 2).dither == 0.05  # of an acoustic model


@pytest.mark.parametrize(("role", "channels"), [("acoustic", 80), ("prosody", 2)])
@pytest.mark.parametrize("coupling", ["affine", "spline"])
def test_parameters_are_those_of_the_regression(role, channels, coupling):
    shape = {"n_phones": 40, "n_speakers": 2, "channels": channels}
    l2 = SpeechModel("l2", {}, role, ModelSize(), shape)
    flow = SpeechModel("flow", {"coupling": coupling}, role, ModelSize(), shape, {"l2": l2})
    own, total, mean = flow.saved_modules(), flow.parameter_count(), l2.parameter_count()
    assert sum(parameter.numel() for parameter in own.parameters()) == total - mean
    assert 0.97 < (total - mean) / mean < 1.03


def test_options_that_make_no_flow_get_a_sentence():
    for options, sentence in (
        ({"coupling": "cubic"}, "no coupling 'cubic'.*affine, spline"),
        ({"network": "unet"}, "no network 'unet'.*backbone, wavenet"),
        ({"steps": 1}, "at least 2 steps, got 1"),
        ({"dither": -0.1}, "dither of at least 0, got -0.1"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            with_backbone(Flow, 4, **options)


# In the training loop


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("flow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TTSBENCH_CACHE", str(root / "cache"))
        run = prepared(root, tiny_corpus(root / "corpus"), adapters={"flow": {}}, prosody=["same"])
        mean = trainer_of(Fabric(accelerator="cpu", devices=1), with_train(run), job_of(run, "l2", name=MEAN_MODEL))
        step(mean, 1)
        mean.save()
        yield run


@pytest.fixture(scope="module")
def fabric():
    return Fabric(accelerator="cpu", devices=1)


def test_actnorm_begins_on_the_first_batch_and_the_average_with_it(fabric, run):
    trainer = trainer_of(fabric, with_train(run), job_of(run, "flow", name="begins"))
    network = trainer._model.groups["generator"]
    assert not any(bool(layer.initialised) for layer in network.modules() if isinstance(layer, ActNorm))
    step(trainer, 1)
    assert all(bool(layer.initialised) for layer in network.modules() if isinstance(layer, ActNorm))
    assert network.chain.layers[0].log_scale.abs().max() > 0.01
    assert same(trainer._average.module.state_dict(), trainer._model.saved_modules().state_dict())


def test_a_resumed_training_reaches_the_same_bits(fabric, run):
    run = with_train(run)
    straight = trainer_of(fabric, run, job_of(run, "flow", name="straight"))
    step(straight, 6)
    straight.save()
    job = job_of(run, "flow", name="resumed")
    first = trainer_of(fabric, run, job)
    step(first, 3)
    first._checkpoint()
    second = trainer_of(fabric, run, job)
    assert same(state(first), state(second))
    step(second, 3)
    second.save()
    assert same(state(straight), state(second))
    weights, again = (
        load_file(run.folder / "train" / name / "weights.safetensors") for name in ("straight", "resumed")
    )
    assert same(weights, again)
    assert all(bool(value) for name, value in weights.items() if name.endswith("initialised"))


@pytest.mark.slow
def test_two_devices_begin_alike(run):
    """The statistics of the first batch are summed over the devices, each of which sees a part of it."""
    found = {}
    for devices in (1, 2):
        compute = run.experiment.compute.model_copy(update={"devices": devices})
        here = with_train(run, steps=2)
        here = replace(here, experiment=here.experiment.model_copy(update={"compute": compute}))
        job = job_of(here, "flow", name=f"devices{devices}")
        train.work(here, job, {}, ignore_progress)
        found[devices] = load_file(job.path(here) / "weights.safetensors")
    for name, value in found[1].items():  # Adam makes a step even of what is rounding alone
        torch.testing.assert_close(found[2][name], value, rtol=1e-3, atol=1e-3)


def test_couplings_read_the_states_of_the_first_half_of_the_backbone():
    regression, adapter = with_backbone(L2, 6), with_backbone(Flow, 6)
    reader = adapter.network.reader
    reader.initialise_from(regression.network)
    assert len(reader.blocks) == len(regression.network.blocks) / 2
    for name, value in reader.state_dict().items():
        assert torch.equal(value, regression.network.state_dict()[name]), name
    perturb(adapter.network, 0.1).eval()
    cond, x = condition(randn(3, 8, DIM), [8, 4, 2]), randn(3, 8, 6)
    with torch.no_grad():
        before = adapter.network.log_likelihood(x, cond.sequence, cond.mask)
        reader.norm.bias.add_(0.5)
        assert not torch.allclose(adapter.network.log_likelihood(x, cond.sequence, cond.mask), before)
    assert with_backbone(Flow, 6, role="prosody").network.reader is None


def test_the_prior_learns_its_scale():
    """The target has standard deviation 3; an actnorm that was not initialised on it leaves the scale to the prior."""
    adapter = with_backbone(Flow, 2, steps=2, dither=0.0)
    for layer in adapter.network.modules():
        if isinstance(layer, ActNorm):
            layer.initialised.fill_(True)
            for parameter in layer.parameters():
                parameter.requires_grad_(False)
    fit_to(adapter, lambda number: 3 * randn(16, 6, 2, seed=number), steps=200, rate=1e-2)
    pairs = squeeze(adapter.network._read(empty(1, 6).sequence, empty(1, 6).mask))
    assert float(adapter.network.moments(pairs)[1].detach().mean()) > 0.3


def test_whitening_does_not_change_the_unit_of_the_loss():
    """Around a mean of zero: bits of the target, whatever the scale of the residual."""
    zero = SimpleNamespace(sample=lambda cond, *_: torch.zeros(*cond.mask.shape, 2), adapter=L2)
    context = ModelContext("acoustic", 2, DIM, backbone_of(), {"l2": zero})
    adapter = Flow(context, dither=0.0)
    cond = condition(torch.zeros(400, 9, DIM))
    cond = replace(cond, sources={"l2": cond})
    target = 0.25 * randn(400, 9, 2)
    for layer in adapter.network.modules():
        if isinstance(layer, ActNorm):
            layer.initialised.fill_(True)
    bits = adapter.losses(Batch(target, cond), 0, noise(400))["generator"]
    torch.testing.assert_close(adapter.residual.scale, torch.full((2,), 0.25), rtol=0.05, atol=0)
    assert float(bits) == pytest.approx(BITS_OF_NORMAL - 2, abs=0.03)
