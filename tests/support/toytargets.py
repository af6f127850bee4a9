"""Targets with a known distribution, and adapters with a known function in the place of their network."""

import inspect
from types import SimpleNamespace

import torch
from torch import nn

from ttsbench import Batch, Condition, ModelContext, Noise
from ttsbench.nn.backbone import Backbone

DIM = 4  # conditioning width


class Field(nn.Module):
    """A network that computes ``function(x, t)``, t (B, 1, 1)."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x, cond, mask, t):
        return self.function(x, t.view(-1, 1, 1)) * mask.unsqueeze(-1)


def with_field(adapter, function, channels=1, **options):
    """An adapter of the target itself whose network is a known function."""
    options.setdefault("mean", "")
    return adapter(ModelContext("acoustic", channels, DIM, lambda *_, **__: Field(function)), **options)


def with_backbone(adapter, channels, dim=32, layers=2, seed=0, role="acoustic", **options):
    """An adapter of the target itself with a small backbone; ``seed`` determines its weights."""
    if "mean" in inspect.signature(adapter).parameters:
        options.setdefault("mean", "")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return adapter(ModelContext(role, channels, DIM, backbone_of(dim, layers)), **options)


def backbone_of(dim=32, layers=2):
    """A factory of small backbones."""

    def make(in_channels, out_channels, time=False, share=1.0, residual=False):
        count = max(1, round(share * layers))
        return Backbone(in_channels, out_channels, DIM, dim, count, 3, time, layers, residual)

    return make


def condition(sequence, lengths=None):
    """A condition of which only sequence (B, T, D) and mask matter."""
    batch, time, _ = sequence.shape
    lengths = torch.full((batch,), time) if lengths is None else torch.tensor(lengths)
    mask = torch.arange(time) < lengths.unsqueeze(1)
    ids = torch.ones(batch, time, dtype=torch.long)
    return Condition(ids, mask, torch.zeros(batch, dtype=torch.long), sequence, sequence, mask)


def empty(batch, time):
    """A condition of zeros."""
    return condition(torch.zeros(batch, time, DIM))


def noise(batch, seed=0):
    """A stream per utterance."""
    return Noise([seed * 100_000 + row for row in range(batch)])


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def bimodal(batch, time=8, seed=0):
    """Two channels that are both near +1 or both near -1 for a whole utterance, at random.

    The conditioning explains a quarter of the standard deviation, which is all that L2 can predict.
    """
    sign = randn(batch, 1, 1, seed=3 * seed).sign()
    sequence = randn(batch, time, DIM, seed=3 * seed + 1)
    explained = 0.25 * sequence[..., :1]
    target = sign + explained + 0.1 * randn(batch, time, 2, seed=3 * seed + 2)
    return Batch(target / 1.04, condition(sequence))


def fit(adapter, steps=250, batch=32, rate=3e-3, seed=0):
    """Train all networks by Adam, each on its own loss, with a new bimodal batch at every step."""
    networks = adapter.networks()
    optimizers = {name: torch.optim.Adam(network.parameters(), rate) for name, network in networks.items()}
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps) for optimizer in optimizers.values()]
    for step in range(steps):
        fresh = seed * steps + step + 1
        losses = adapter.losses(bimodal(batch, seed=fresh), step, noise(batch, fresh))
        for name, loss in losses.items():
            trained = [parameter for group in name.split("+") for parameter in networks[group].parameters()]
            for group in name.split("+"):
                optimizers[group].zero_grad()
            loss.backward(inputs=[parameter for parameter in trained if parameter.requires_grad], retain_graph=True)
        for optimizer, schedule in zip(optimizers.values(), schedules, strict=True):
            optimizer.step()
            schedule.step()
    for network in networks.values():
        network.eval()
    return adapter


def restored(adapter, nfe, batch=256):
    """Compare a sample with held-out bimodal targets: ratio of standard deviations, difference of means.

    ``diversity`` is the root mean square difference of two draws for the same input.
    """
    held_out = bimodal(batch, seed=99_999)
    with torch.no_grad():
        drawn, again = (adapter.sample(held_out.cond, nfe, noise(batch, seed)) for seed in (7, 8))
    return SimpleNamespace(
        std=float(drawn.std() / held_out.target.std()),
        bias=float(drawn.mean() - held_out.target.mean()),
        diversity=float((drawn - again).square().mean().sqrt()),
    )


def speech(batch=32, seed=0):
    """Targets that are the first two channels of the conditioning with a little noise."""
    sequence = randn(batch, 12, DIM, seed=seed)
    cond = condition(sequence)
    cond = type(cond)(**{**vars(cond), "sources": {"l2": cond}})
    return Batch(sequence[..., :2] + 0.1 * randn(batch, 12, 2, seed=seed + 1), cond)
