"""An adapter that conforms, one that uses every feature of the protocol, and adapters with one fault each."""

import copy
import random
from dataclasses import replace

import torch
from tinyplugins import Variational
from torch import nn

from ttsbench import AdapterInfo, masked_mean


class Adapter:
    """A conforming adapter: one pass, mean square error, and learnt constant noise."""

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


class Demanding(Adapter):
    """A frozen source, a critic that rests every other step, time, state, and gradients in sampling."""

    info = AdapterInfo(
        "planted", "Planted", "none", nfe=(4, 1, 1000), stochastic=True, starts_from=("l2",), step_cost=3.0
    )

    def __init__(self, context):
        self.source = context.sources["l2"]
        self.network = context.backbone(context.channels, context.channels, time=True)
        self.critic = context.backbone(context.channels, 1)
        self.average = copy.deepcopy(self.network)
        self.scale = torch.ones(())

    def networks(self):
        return {"generator": self.network, "critic": self.critic}

    def state(self):
        return {"average": self.average, "scale": self.scale}

    def losses(self, batch, step, rng):
        with torch.no_grad():
            for average, value in zip(self.average.parameters(), self.network.parameters(), strict=True):
                average.lerp_(value, 0.5)
        self.scale = 0.5 * self.scale + 0.5 * masked_mean(batch.target.abs(), batch.mask)
        noise, t = rng.normal(batch.mask, batch.target.shape[-1]), rng.time(batch.mask.device)
        mixed = t.view(-1, 1, 1) * batch.target + (1 - t.view(-1, 1, 1)) * noise
        drawn = self.network(mixed, batch.cond.sequence, batch.mask, t)
        with torch.no_grad():
            taught = self.source.sample(batch.cond, 1, rng, 1.0)
            smooth = self.average(mixed, batch.cond.sequence, batch.mask, t)
        verdict = self.critic(drawn, batch.cond.sequence, batch.mask)
        error = (drawn - taught) ** 2 + (drawn - smooth) ** 2
        losses = {"generator": masked_mean(error + verdict, batch.mask) * self.scale}
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
                t = torch.full((len(x),), index / nfe, device=x.device)
                energy = self.network(x, cond.sequence, cond.mask, t).square().sum()
                (slope,) = torch.autograd.grad(energy, x)
            x = x.detach() - slope / nfe
        return x


class MissesANetwork(Variational):
    info = replace(Variational.info, name="planted")

    def losses(self, batch, step, rng):
        (loss,) = super().losses(replace(batch, target=0 * batch.target), step, rng).values()
        drawn = self.decoder(rng.normal(batch.mask, 2), batch.cond.sequence, batch.mask, rng_times(batch))
        return {"generator+posterior": 0 * loss.detach() + masked_mean((drawn - batch.target) ** 2, batch.mask)}


class PaysTwice(Variational):
    info = replace(Variational.info, name="planted")

    def losses(self, batch, step, rng):
        (loss,) = super().losses(batch, step, rng).values()
        return {"generator+posterior": loss, "posterior": loss}


class HearsPadding(Variational):
    info = replace(Variational.info, name="planted")

    def losses(self, batch, step, rng):
        (loss,) = super().losses(batch, step, rng).values()
        return {"generator+posterior": loss if batch.waveform is None else loss + batch.waveform.square().mean()}


def rng_times(batch):
    return torch.zeros(len(batch.mask), 2, device=batch.mask.device)


class IgnoresMaskInLoss(Adapter):
    def losses(self, batch, step, rng):
        drawn = self.network(batch.cond, rng)
        return {"generator": ((drawn - batch.target) ** 2).mean()}


class ReadsEveryRow(Adapter):
    def losses(self, batch, step, rng):
        drawn = self.network(batch.cond, rng)
        errors = ((drawn - batch.target) ** 2 * batch.mask.unsqueeze(-1)).sum(dim=(1, 2))
        self.worst = max(float(error.detach()) for error in errors)
        self.longest = [int(length) for length in batch.mask.sum(dim=1)]
        return {"generator": masked_mean((drawn - batch.target) ** 2, batch.mask)}


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
    """A statistic of the data outside its networks, which is lost when the weights are loaded."""

    mean = 0.0

    def losses(self, batch, step, rng):
        self.mean = float(batch.target.abs().mean())
        return super().losses(batch, step, rng)

    def sample(self, cond, nfe, rng, temperature=1.0):
        return super().sample(cond, nfe, rng, temperature) + self.mean


class BadInfo(Adapter):
    info = AdapterInfo(name="planted", title="Planted", paper="none", nfe=(), stochastic=True)


class RatesOfNobody(Adapter):
    info = AdapterInfo(name="planted", title="Planted", paper="none", stochastic=True, learning_rates={"critic": 0.5})


class NoRate(Adapter):
    info = AdapterInfo(name="planted", title="Planted", paper="none", stochastic=True, learning_rates={"generator": 0})


class UnknownTeacher(Adapter):
    info = AdapterInfo(name="planted", title="Planted", paper="none", stochastic=True, starts_from=("teacher",))


class NoInfo(Adapter):
    info = "planted"


class HiddenAverage(Adapter):
    """A moving average of the network that is in neither ``networks`` nor ``state``."""

    def __init__(self, context):
        super().__init__(context)
        self.average = copy.deepcopy(self.network).requires_grad_(False)

    def losses(self, batch, step, rng):
        for average, value in zip(self.average.parameters(), self.network.parameters(), strict=True):
            average.lerp_(value.detach(), 0.1)
        gap = self.network(batch.cond, rng) - self.average(batch.cond, rng, 0.0)
        return {"generator": super().losses(batch, step, rng)["generator"] + masked_mean(gap**2, batch.mask)}


class HiddenCount(Adapter):
    """A number that changes the loss and is not saved."""

    count = 0

    def losses(self, batch, step, rng):
        self.count += 1
        return {"generator": self.count * super().losses(batch, step, rng)["generator"]}


class LosesTheDevice(Adapter):
    """Makes its constants on the CPU."""

    def losses(self, batch, step, rng):
        weight = torch.linspace(0, 1, self.channels)
        drawn = self.network(batch.cond, rng)
        return {"generator": masked_mean(weight * (drawn - batch.target) ** 2, batch.mask)}

    def sample(self, cond, nfe, rng, temperature=1.0):
        return self.network(cond, rng, temperature) + torch.zeros(1, 1, self.channels)


class SwapsLosses(Adapter):
    """The loss of the critic under the name of the generator, and the other way round."""

    def __init__(self, context):
        super().__init__(context)
        self.critic = context.backbone(context.channels, 1)

    def networks(self):
        return {"generator": self.network, "critic": self.critic}

    def losses(self, batch, step, rng):
        cond, drawn = batch.cond, self.network(batch.cond, rng)
        real, fake = (self.critic(y, cond.sequence.detach(), batch.mask) for y in (batch.target, drawn.detach()))
        return {
            "generator": masked_mean((real - 1) ** 2 + fake**2, batch.mask),
            "critic": masked_mean((drawn - batch.target) ** 2, batch.mask),
        }


class CostsMore(Adapter):
    """Calls its network ten times a step and declares the cost of one call."""

    def losses(self, batch, step, rng):
        losses = [super(CostsMore, self).losses(batch, step, rng)["generator"] for _ in range(10)]
        return {"generator": sum(losses)}


class Raises(Adapter):
    """Fails in its own code, below a function of torch."""

    def losses(self, batch, step, rng):
        return {"generator": torch.cat([batch.target, batch.cond.sequence]).mean()}  # their widths differ


class TakesOption(Adapter):
    """Conforms only with ``scale=1``."""

    def __init__(self, context, scale=0.0):
        super().__init__(context)
        self.scale = scale

    def sample(self, cond, nfe, rng, temperature=1.0):
        return self.network(cond, rng, temperature * self.scale)
