"""Every registered adapter and metric conforms, and each way of not conforming is found by the check meant for it."""

import random
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from ttsbench import AdapterInfo, ConfigError, MetricInfo, masked_mean, registry
from ttsbench.audio.usable import require_usable
from ttsbench.check import check
from ttsbench.cli import main
from ttsbench.conformance.randomness import drawn_from
from ttsbench.conformance.speech import clip_of, unusable, voice
from ttsbench.hub import missing


def failures(name):
    return {finding.what: finding.detail for finding in check(name) if not finding.ok}


@pytest.mark.parametrize("name", sorted(registry.registered("adapters")))
def test_registered_adapter_conforms(name):
    assert not failures(name)


@pytest.mark.parametrize("name", sorted(registry.registered("metrics")))
def test_registered_metric_conforms(name):
    lacking = missing(registry.load("metrics", name)())
    if lacking:
        pytest.skip(lacking)  # with tiny models in their places: tests of hub, speaker and perceptual metrics
    assert not failures(name)


class Adapter:
    """One pass, mean square error, and learnt constant noise: conforms."""

    info = AdapterInfo(name="planted", title="Planted", paper="none", stochastic=True)

    def __init__(self, context):
        self.channels = context.channels
        self.network = Noisy(context)

    def networks(self):
        return {"generator": self.network}

    def losses(self, batch, step, rng):
        drawn = self.network(batch.cond, rng)
        return {"generator": masked_mean((drawn - batch.target) ** 2, batch.mask)}

    def sample(self, cond, nfe, rng, temperature=1.0):
        return self.network(cond, rng, temperature)


class Noisy(nn.Module):
    def __init__(self, context):
        super().__init__()
        self.backbone = context.backbone(0, context.channels)
        self.scale = nn.Parameter(torch.full((context.channels,), 0.5))

    def forward(self, cond, rng, temperature=1.0):
        noise = rng.normal(cond.mask, len(self.scale))
        return self.backbone(None, cond.sequence, cond.mask) + temperature * self.scale * noise


class Metric:
    """Difference of log-energies: conforms."""

    def __init__(self):
        self.info = MetricInfo("planted", "Planted", "dB", False, ("difference",), "planted|v1", "none")

    def measure(self, clip, reference):
        require_usable(clip, reference)
        return (abs(float(np.log(np.mean(clip.samples**2) / np.mean(reference.samples**2)))),)

    def reduce(self, rows):
        return float(rows[:, 0].mean())


@pytest.fixture
def plant(monkeypatch):
    """Register a class under the name 'planted', beside the real ones."""

    def register(kind, cls):
        real_registered, real_load = registry.registered, registry.load
        entry = EntryPoint("planted", f"{__name__}:{cls.__name__}", f"ttsbench.{kind}")

        def registered(asked):
            entries: Mapping = real_registered(asked)
            return MappingProxyType({**entries, "planted": entry}) if asked == kind else entries

        def load(asked, name):
            return cls if (asked, name) == (kind, "planted") else real_load(asked, name)

        monkeypatch.setattr(registry, "registered", registered)
        monkeypatch.setattr(registry, "load", load)
        return failures("planted")

    return register


def test_planted_adapter_conforms_until_it_is_broken(plant):
    assert plant("adapters", Adapter) == {}


def test_demanding_adapter_conforms(plant):
    assert plant("adapters", Demanding) == {}


def test_planted_metric_conforms_until_it_is_broken(plant):
    assert plant("metrics", Metric) == {}


class Demanding(Adapter):
    """All at once: a frozen source, a critic that rests every other step, time, gradients in sampling."""

    info = AdapterInfo("planted", "Planted", "none", nfe=(4, 1, 1000), stochastic=True, starts_from=("l2",))

    def __init__(self, context):
        self.source = context.sources["l2"]
        self.network = context.backbone(context.channels, context.channels, time=True)
        self.critic = context.backbone(context.channels, 1)

    def networks(self):
        return {"generator": self.network, "critic": self.critic}

    def losses(self, batch, step, rng):
        noise, t = rng.normal(batch.mask, batch.target.shape[-1]), rng.time()
        mixed = t.view(-1, 1, 1) * batch.target + (1 - t.view(-1, 1, 1)) * noise
        drawn = self.network(mixed, batch.cond.sequence, batch.mask, t)
        with torch.no_grad():
            taught = self.source.sample(batch.cond, 1, rng, 1.0)
        verdict = self.critic(drawn, batch.cond.sequence, batch.mask)
        losses = {"generator": masked_mean((drawn - taught) ** 2 + verdict, batch.mask)}
        if step % 2:
            real = self.critic(batch.target, batch.cond.sequence.detach(), batch.mask)
            fake = self.critic(drawn.detach(), batch.cond.sequence.detach(), batch.mask)
            losses["critic"] = masked_mean((real - 1) ** 2 + fake**2, batch.mask)
        return losses

    def sample(self, cond, nfe, rng, temperature=1.0):
        x = temperature * rng.normal(cond.mask, self.network.output.out_features)
        for index in range(nfe):
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                energy = self.network(x, cond.sequence, cond.mask, torch.full((len(x),), index / nfe)).square().sum()
                (slope,) = torch.autograd.grad(energy, x)
            x = x.detach() - slope / nfe
        return x


class IgnoresMaskInLoss(Adapter):
    def losses(self, batch, step, rng):
        drawn = self.network(batch.cond, rng)
        return {"generator": ((drawn - batch.target) ** 2).mean()}


class LooksAtPadding(Adapter):
    def __init__(self, context):
        super().__init__(context)
        self.network.neighbours = nn.Conv1d(context.cond_dim, context.channels, 3, padding=1)

    def sample(self, cond, nfe, rng, temperature=1.0):
        drawn = self.network(cond, rng, temperature)
        return drawn + self.network.neighbours(cond.sequence.transpose(1, 2)).transpose(1, 2)

    def losses(self, batch, step, rng):
        return {"generator": masked_mean((self.sample(batch.cond, 1, rng) - batch.target) ** 2, batch.mask)}


class DrawsGlobally(Adapter):
    def sample(self, cond, nfe, rng, temperature=1.0):
        drawn = self.network(cond, rng, 0.0)
        return drawn + torch.randn(drawn.shape)


class LearnsFromGlobalNoise(Adapter):
    def losses(self, batch, step, rng):
        losses = super().losses(batch, step, rng)
        return {"generator": losses["generator"] * (1 + random.random())}


class UnusedParameter(Adapter):
    def __init__(self, context):
        super().__init__(context)
        self.network.forgotten = nn.Linear(3, 3)


class OutsideParameter(Adapter):
    def __init__(self, context):
        super().__init__(context)
        self.outside = nn.Linear(context.cond_dim, context.channels)

    def sample(self, cond, nfe, rng, temperature=1.0):
        return self.network(cond, rng, temperature) + self.outside(cond.sequence)


class WrongShape(Adapter):
    def sample(self, cond, nfe, rng, temperature=1.0):
        return self.network(cond, rng, temperature)[:, :-1]


class WrongOrder(Adapter):
    def sample(self, cond, nfe, rng, temperature=1.0):
        return self.network(cond, rng, temperature).transpose(1, 2)


class GivesNan(Adapter):
    def sample(self, cond, nfe, rng, temperature=1.0):
        return self.network(cond, rng, temperature) / temperature * 0 / (temperature - 1)


class NormalisesOverBatch(Adapter):
    def sample(self, cond, nfe, rng, temperature=1.0):
        drawn = self.network(cond, rng, temperature)
        return drawn - drawn.mean(dim=0, keepdim=True)


class RestsForever(Adapter):
    def __init__(self, context):
        super().__init__(context)
        self.critic = context.backbone(context.channels, 1)

    def networks(self):
        return {"generator": self.network, "critic": self.critic}


class UnknownGroup(Adapter):
    def losses(self, batch, step, rng):
        return {"generater": super().losses(batch, step, rng)["generator"]}


class LossPerUtterance(Adapter):
    def losses(self, batch, step, rng):
        return {"generator": super().losses(batch, step, rng)["generator"].repeat(3)}


class DetachedLoss(Adapter):
    def losses(self, batch, step, rng):
        return {"generator": super().losses(batch, step, rng)["generator"].detach()}


class InfiniteLoss(Adapter):
    def losses(self, batch, step, rng):
        return {"generator": super().losses(batch, step, rng)["generator"] / 0}


class SharedNetworks(Adapter):
    def networks(self):
        return {"generator": self.network, "critic": self.network.backbone}


class NoGenerator(Adapter):
    def networks(self):
        return {"network": self.network}


class NotStochastic(Adapter):
    def sample(self, cond, nfe, rng, temperature=1.0):
        return self.network(cond, rng, 0.0)


class SecretlyStochastic(Adapter):
    info = AdapterInfo(name="planted", title="Planted", paper="none")


class OnePassForAnyNfe(Adapter):
    info = AdapterInfo(name="planted", title="Planted", paper="none", nfe=(1, 2, 4), stochastic=True)


class AroundTheCounter(Adapter):
    def sample(self, cond, nfe, rng, temperature=1.0):
        return self.network.forward(cond, rng, temperature)


class NeedsTemperatureOne(Adapter):
    def sample(self, cond, nfe, rng):
        return self.network(cond, rng)


class WritesIntoCondition(Adapter):
    def sample(self, cond, nfe, rng, temperature=1.0):
        drawn = self.network(cond, rng, temperature)
        cond.sequence.zero_()
        return drawn


class RemembersTraining(Adapter):
    """Keeps what it learnt of the data outside its networks: lost when the weights are read back."""

    mean = 0.0

    def losses(self, batch, step, rng):
        self.mean = float(batch.target.abs().mean())
        return super().losses(batch, step, rng)

    def sample(self, cond, nfe, rng, temperature=1.0):
        return super().sample(cond, nfe, rng, temperature) + self.mean


class BadInfo(Adapter):
    info = AdapterInfo(name="planted", title="Planted", paper="none", nfe=(), stochastic=True)


class UnknownTeacher(Adapter):
    info = AdapterInfo(name="planted", title="Planted", paper="none", stochastic=True, starts_from=("teacher",))


class NoInfo(Adapter):
    info = "planted"


@pytest.mark.parametrize(
    ("cls", "what", "words"),
    [
        (IgnoresMaskInLoss, "losses do not depend on padding", "masked_mean"),
        (LooksAtPadding, "samples do not depend on padding", "other content of the padding"),
        (DrawsGlobally, "sampling leaves the global generators alone", "torch"),
        (DrawsGlobally, "samples depend on the seeds", "same seeds differ"),
        (LearnsFromGlobalNoise, "losses leave the global generators alone", "random"),
        (LearnsFromGlobalNoise, "losses depend on nothing but", "step 0"),
        (UnusedParameter, "gradients reach every parameter", "generator.forgotten.bias, generator.forgotten.weight"),
        (OutsideParameter, "every trainable parameter is in one", "outside.weight"),
        (OutsideParameter, "a saved generator samples the same", "outside 'generator'"),
        (WrongShape, "samples are (B, T, C)", "not (B, T, C) = (3,"),
        (WrongOrder, "samples are (B, T, C)", "not (B, T, C) = (3,"),
        (GivesNan, "samples are (B, T, C)", "NaN"),
        (GivesNan, "samples take a temperature", "temperature 0 gives NaN"),
        (NormalisesOverBatch, "samples do not depend on the rest of the batch", "differs by up to"),
        (RestsForever, "every network has a loss within", "critic"),
        (RestsForever, "gradients reach every parameter", "critic."),
        (UnknownGroup, "losses are finite scalars", "'generater'"),
        (LossPerUtterance, "losses are finite scalars", "shape (3,)"),
        (DetachedLoss, "losses are finite scalars", "no gradient"),
        (InfiniteLoss, "losses are finite scalars", "inf"),
        (SharedNetworks, "its networks share nothing", "is also in generator"),
        (NoGenerator, "can be built", "generator"),
        (NotStochastic, "samples depend on the seeds", "same sample"),
        (SecretlyStochastic, "samples depend on the seeds", "other samples"),
        (OnePassForAnyNfe, "sampling calls the generator", "1 at nfe 1, 1 at nfe 2, 1 at nfe 4"),
        (AroundTheCounter, "sampling calls the generator", "never called"),
        (NeedsTemperatureOne, "samples take a temperature", "TypeError"),
        (WritesIntoCondition, "sampling leaves its condition", "cond.sequence"),
        (RemembersTraining, "a saved generator samples the same", "differently by"),
        (BadInfo, "info is complete", "nfe is empty"),
        (UnknownTeacher, "info is complete", "teacher"),
        (NoInfo, "info is complete", "no info"),
    ],
)
def test_broken_adapter_is_caught_by_the_right_check(plant, cls, what, words):
    found = [detail for finding, detail in plant("adapters", cls).items() if what in finding]
    assert found and all(words in detail for detail in found), found
    assert len(found) == (1 if "info" in what and "seeds" not in what else 2)  # a fault shows in both roles


class NanMetric(Metric):
    def measure(self, clip, reference):
        super().measure(clip, reference)
        return (float("nan"),)


class TwoNumbers(Metric):
    def measure(self, clip, reference):
        return super().measure(clip, reference) * 2


class RandomMetric(Metric):
    def measure(self, clip, reference):
        return (super().measure(clip, reference)[0] + np.random.rand(),)  # noqa: NPY002


class Unseeded(Metric):
    def measure(self, clip, reference):
        return (super().measure(clip, reference)[0] + np.random.default_rng().random(),)


class WritesSamples(Metric):
    def measure(self, clip, reference):
        values = super().measure(clip, reference)
        reference.samples *= 0.5
        return values


class MeasuresSilence(Metric):
    def measure(self, clip, reference):
        return (float(np.nan_to_num(clip.samples).sum() - np.nan_to_num(reference.samples).sum()),)


class RaisesValueError(Metric):
    def measure(self, clip, reference):
        if not len(clip.samples):
            raise ValueError("no samples")
        return super().measure(clip, reference)


class ForgetsTheReference(Metric):
    def measure(self, clip, reference):
        require_usable(clip)
        level = np.mean(np.nan_to_num(reference.samples) ** 2) if len(reference.samples) else 1.0
        return (abs(float(np.log(np.mean(clip.samples**2) / (level + 1e-9)))),)


class LastRow(Metric):
    def reduce(self, rows):
        return float(rows[-1, 0])


class NeedsTwoRows(Metric):
    def reduce(self, rows):
        return float(rows[:2, 0].sum() / rows[1, 0] + len(rows))


class SortsRows(Metric):
    def reduce(self, rows):
        rows[:] = rows[np.argsort(-rows[:, 0])]
        rows[0] = 0
        return float(rows.mean())


class GivesArray(Metric):
    def reduce(self, rows):
        return rows.mean(axis=0)


class WrongDirection(Metric):
    def __init__(self):
        self.info = MetricInfo("planted", "Planted", "dB", True, ("difference",), "planted|v1", "none")


class Unsigned(Metric):
    def __init__(self):
        self.info = MetricInfo("planted", "Planted", "dB", False, ("difference",), "v1", "none")


class NeedsMusic(Metric):
    def __init__(self):
        needs = frozenset({"reference", "music"})
        self.info = MetricInfo("planted", "Planted", "dB", False, ("difference",), "planted|v1", "none", needs)


@pytest.mark.parametrize(
    ("cls", "what", "words"),
    [
        (NanMetric, "one finite number per column", "nan"),
        (TwoNumbers, "one finite number per column", "('difference',)"),
        (RandomMetric, "measure leaves the global generators alone", "numpy"),
        (Unseeded, "the same for the same clip", "and then"),
        (WritesSamples, "leaves the clips as they were", "samples of the reference"),
        (MeasuresSilence, "refuses an unusable clip", "is measured as"),
        (RaisesValueError, "refuses an unusable clip", "empty raises ValueError: no samples"),
        (ForgetsTheReference, "refuses an unusable clip", "a reference"),
        (LastRow, "order of the rows", "three orders"),
        (NeedsTwoRows, "single row", "IndexError"),
        (SortsRows, "reduce leaves rows", "writes into the rows"),
        (GivesArray, "finite number for several rows", "array"),
        (WrongDirection, "against itself", "higher_is_better"),
        (Unsigned, "info is complete", "'v1'"),
        (NeedsMusic, "info is complete", "music"),
    ],
)
def test_broken_metric_is_caught_by_the_right_check(plant, cls, what, words):
    found = [detail for finding, detail in plant("metrics", cls).items() if what in finding]
    assert len(found) == 1 and words in found[0], found


def test_unknown_name_is_compared_with_both_kinds():
    with pytest.raises(ConfigError, match="Did you mean 'mcd'"):
        check("mcdd")
    with pytest.raises(ConfigError, match=r"Unknown adapter or metric 'nonesuch'.*l1.*mcd"):
        check("nonesuch")


def test_command_prints_findings_and_fails_with_them(plant, capsys):
    plant("adapters", UnusedParameter)
    assert main(["check", "planted"]) == 1
    out = capsys.readouterr().out
    assert "FAIL  acoustic: gradients reach every parameter: no gradient" in out
    assert "ok    acoustic: can be built" in out
    assert main(["check", "l1"]) == 0


def test_checks_leave_the_global_generators_as_they_were():
    assert drawn_from(lambda: [check("l1"), check("nfe")]) == []
    for name, draw in (("torch", lambda: torch.rand(1)), ("numpy", np.random.rand), ("random", random.random)):
        assert drawn_from(draw) == [name]


def test_unusable_clips_are_unusable_and_the_voice_is_not():
    require_usable(clip_of(voice(140.0, 1.0)))
    for samples in unusable().values():
        with pytest.raises(registry.ConfigError.__base__):
            require_usable(clip_of(samples))


def test_name_of_both_kinds_is_checked_as_both(monkeypatch):
    entries = {"adapters": {"both": SimpleNamespace()}, "metrics": {"both": SimpleNamespace()}}
    classes = {
        "adapters": type("A", (Adapter,), {"info": AdapterInfo("both", "B", "none", stochastic=True)}),
        "metrics": Metric,
    }
    monkeypatch.setattr(registry, "registered", entries.__getitem__)
    monkeypatch.setattr(registry, "load", lambda kind, name: classes[kind])
    found = {finding.what.partition(":")[0] for finding in check("both")}
    assert found == {"adapter", "acoustic", "prosody", "metric"}
