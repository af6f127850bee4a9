"""Plug-ins that tests register like those of an installed package: see ``install`` in tinycorpus.py."""

import copy
import os
import signal

import numpy as np
import torch

from ttsbench import AdapterInfo, MetricInfo, masked_mean

PAPER = "none, made for the tests"
LOUD = 0.3  # peak above which the faulty plug-ins fail


class Echo:
    """Transcribes quiet clips as the first word of the vocabulary and loud clips as all of its words."""

    signature = "echo|v1"
    sample_rate = 16000

    def __init__(self, vocabulary):
        self._words = list(vocabulary)
        self.vocabulary_size = len(self._words)

    def transcribe(self, samples):
        loud = float(abs(samples).mean()) > 0.05
        return " ".join(self._words if loud else self._words[:1])


def die():
    """End the process as a crash in a native library does."""
    os.kill(os.getpid(), signal.SIGKILL)


class MortalEcho(Echo):
    """Kills its process on a loud clip."""

    def transcribe(self, samples):
        if abs(samples).max() > LOUD:
            die()
        return super().transcribe(samples)


class Level:
    """Peak of a clip; raises on loud ones."""

    info = MetricInfo(
        name="level",
        title="Level",
        unit="ratio",
        higher_is_better=None,
        columns=("peak",),
        signature="level|peak|v1",
        paper=PAPER,
        needs=frozenset(),
    )

    def measure(self, clip, reference):
        if abs(clip.samples).max() > LOUD:
            raise ZeroDivisionError("too loud")
        return (float(abs(clip.samples).max()),)

    def reduce(self, rows):
        return float(np.mean(rows))


class MortalLevel(Level):
    """Kills its process on a loud clip."""

    info = MetricInfo(
        name="mortal_level",
        title="Level",
        unit="ratio",
        higher_is_better=None,
        columns=("peak",),
        signature="mortal_level|peak|v1",
        paper=PAPER,
        needs=frozenset(),
    )

    def measure(self, clip, reference):
        if abs(clip.samples).max() > LOUD:
            die()
        return super().measure(clip, reference)


class Faulty(Level):
    """Returns no values for one clip, text for another, and tries to end the process at a third."""

    info = MetricInfo(
        name="faulty",
        title="Level",
        unit="ratio",
        higher_is_better=None,
        columns=("peak",),
        signature="faulty|peak|v1",
        paper=PAPER,
        needs=frozenset(),
    )

    def measure(self, clip, reference):
        match clip.id:
            case "none":
                return None
            case "text":
                return ("loud",)
            case "exit":
                raise SystemExit("leaving")
        return super().measure(clip, reference)


class Irreducible(Level):
    """Measures every clip, and returns nothing for any number of them."""

    info = MetricInfo(
        name="irreducible",
        title="Level",
        unit="ratio",
        higher_is_better=None,
        columns=("peak",),
        signature="irreducible|peak|v1",
        paper=PAPER,
        needs=frozenset(),
    )

    def reduce(self, rows):
        return None


class TwoGroups:
    """A generator and a critic that has no loss at odd steps; neither loss detaches the other network's output."""

    info = AdapterInfo(name="two_groups", title="Two groups", paper=PAPER)

    def __init__(self, context, nan_at=None):
        self.generator = context.backbone(0, context.channels)
        self.critic = context.backbone(context.channels, 1)
        self.nan_at = nan_at

    def networks(self):
        return {"generator": self.generator, "critic": self.critic}

    def losses(self, batch, step, rng):
        drawn = self.sample(batch.cond, 1, rng)
        judged = masked_mean(self.critic(drawn, batch.cond.sequence, batch.mask), batch.mask)
        real = masked_mean(self.critic(batch.target, batch.cond.sequence, batch.mask), batch.mask)
        fit = masked_mean((drawn - batch.target + 0.1 * rng.normal(batch.mask, drawn.shape[-1])).square(), batch.mask)
        losses = {"generator": fit + judged}
        if step % 2 == 0:
            losses["critic"] = (judged - real).tanh() + judged.square()
        if step == self.nan_at:
            losses["generator"] = losses["generator"] * torch.nan
        return losses

    def sample(self, cond, nfe, rng, temperature=1.0):
        return self.generator(None, cond.sequence, cond.mask)


class Pupil(TwoGroups):
    """Starts from a trained l1."""

    info = AdapterInfo(name="pupil", title="Pupil", paper=PAPER, starts_from=("l1",))


class Aborting(TwoGroups):
    """Aborts its process as a crash in a native library does: in its loss, or when it is sampled."""

    info = AdapterInfo(name="aborting", title="Aborting", paper=PAPER)

    def __init__(self, context, where):
        super().__init__(context)
        self.where = where

    def losses(self, batch, step, rng):
        if self.where == "loss":
            os.abort()
        drawn = self.generator(None, batch.cond.sequence, batch.mask)
        judged = masked_mean(self.critic(drawn, batch.cond.sequence, batch.mask), batch.mask)
        return {"generator": masked_mean((drawn - batch.target).square(), batch.mask), "critic": judged}

    def sample(self, cond, nfe, rng, temperature=1.0):
        os.abort()


class Consistency:
    """A consistency model: the target network is a moving average, and its loss is divided by a running mean.

    Song et al. 2023, https://arxiv.org/abs/2303.01469, with two noise levels.
    """

    info = AdapterInfo(name="consistency", title="Consistency model", paper=PAPER, stochastic=True)

    def __init__(self, context):
        self.channels = context.channels
        self.network = context.backbone(context.channels, context.channels, time=True)
        self.target = copy.deepcopy(self.network)
        self.mean_loss = torch.ones(())

    def networks(self):
        return {"generator": self.network}

    def state(self):
        return {"target": self.target, "mean_loss": self.mean_loss}

    def losses(self, batch, step, rng):
        self.update_target()
        level, noise = rng.time(batch.mask.device), rng.normal(batch.mask, self.channels)
        fine = batch.target + (0.5 * level).view(-1, 1, 1) * noise
        coarse = batch.target + level.view(-1, 1, 1) * noise
        with torch.no_grad():
            wanted = fine + self.target(fine, batch.cond.sequence, batch.mask, 0.5 * level)
        given = coarse + self.network(coarse, batch.cond.sequence, batch.mask, level)
        loss = masked_mean((given - wanted).square(), batch.mask) + masked_mean(given - batch.target, batch.mask) ** 2
        self.mean_loss = 0.9 * self.mean_loss + 0.1 * loss.detach()
        return {"generator": loss / self.mean_loss}

    def update_target(self):
        with torch.no_grad():
            for average, value in zip(self.target.parameters(), self.network.parameters(), strict=True):
                average.lerp_(value, 0.1)

    def sample(self, cond, nfe, rng, temperature=1.0):
        x = temperature * rng.normal(cond.mask, self.channels)
        return x + self.network(x, cond.sequence, cond.mask, torch.ones(len(x), device=x.device))


class Variational:
    """An adapter with a joint loss of two networks that uses waveforms, seeded dropout and ``context.steps``."""

    info = AdapterInfo(
        name="variational", title="Variational", paper=PAPER, stochastic=True, waveform=True, step_cost=2.0
    )

    def __init__(self, context):
        self.steps = context.steps
        self.decoder = context.backbone(2, context.channels, time=2)
        self.encoder = context.backbone(context.channels, 2)
        self.encoder.register_parameter("scale", torch.nn.Parameter(torch.ones(1)))

    def networks(self):
        return {"generator": self.decoder, "posterior": self.encoder}

    def losses(self, batch, step, rng):
        sequence, mask = batch.cond.sequence, batch.mask
        latent = self.encoder(rng.dropout(batch.target, mask, 0.2), sequence, mask)
        share = torch.full((len(mask), 2), step / self.steps, device=mask.device)
        fit = (self.decoder(latent + rng.normal(mask, 2), sequence, mask, share) - batch.target).square()
        losses = masked_mean(fit, mask) + 0.1 * masked_mean(latent.square(), mask)
        if batch.waveform is not None:
            real = mask.repeat_interleave(batch.waveform.shape[1] // mask.shape[1], dim=1)
            level = (batch.waveform.square() * real).sum(1) / real.sum(1)
            losses = losses + ((level.sqrt() - self.encoder.scale) ** 2).mean()
        else:
            losses = losses + self.encoder.scale.square().mean()
        return {"generator+posterior": losses}

    def sample(self, cond, nfe, rng, temperature=1.0):
        return self.decoder(
            temperature * rng.normal(cond.mask, 2), cond.sequence, cond.mask, cond.mask.new_ones(len(cond.mask), 2)
        )
