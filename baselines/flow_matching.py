"""Conditional flow matching along straight paths.

"Flow matching for generative modeling", Lipman et al. 2023, https://arxiv.org/abs/2210.02747 (optimal-transport paths);
"Matcha-TTS", Mehta et al. 2024, https://arxiv.org/abs/2309.03199 (the same for speech). With noise z ~ N(0, I), target
y and s = 1e-4:

    x_t = (1 - (1 - s) t) z + t y,    t ~ U(0, 1), 0 = noise, 1 = data
    L   = mean over valid elements of (v(x_t, t, c) - (y - (1 - s) z))^2
    sample: x_0 = temperature * z, then dx = v dt by Euler steps of 1 / nfe

A single step gives the conditional mean. The exact field of a Gaussian target of standard deviation 0.5, solved with
1, 2, 4, 8, 16, 32, 64 and 128 Euler steps, keeps 0, 40, 68, 83, 91, 95, 98 and 99 % of it: what is missing of the
spread in a table of few evaluations is the solver's doing (tests/test_flow_matching.py checks this against the product
of the steps).

Matcha-TTS also trains its encoder with a prior loss, which its alignment search needs; alignments are given here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from ttsbench import AdapterInfo, Batch, Condition, ConfigError, ModelContext, Noise, masked_mean
from ttsbench.nn.unet import Track, make_network

SOLVERS = ("euler", "midpoint")


class FlowMatching:
    """A network of the velocity that carries noise to speech.

    ``solver``: ``euler``, or ``midpoint`` (two calls a step, an odd last one by Euler; ``nfe`` calls in all).
    ``network``: ``backbone`` of the controlled track or ``unet`` of the paper's size.
    """

    info = AdapterInfo(
        name="flow_matching",
        title="Flow matching",
        paper="Lipman et al. 2023, https://arxiv.org/abs/2210.02747; Mehta et al. 2024, "
        "https://arxiv.org/abs/2309.03199",
        nfe=(16, 1, 2, 4, 8, 32, 64, 128),
        stochastic=True,
        step_cost=1.1,
    )

    def __init__(
        self,
        context: ModelContext,
        sigma_min: float = 1e-4,
        solver: Literal["euler", "midpoint"] = "euler",
        network: Track = "backbone",
    ) -> None:
        if solver not in SOLVERS:
            raise ConfigError(f"flow_matching has no solver '{solver}'; choose one of {', '.join(SOLVERS)}.")
        if not 0 <= sigma_min < 1:
            raise ConfigError(f"flow_matching needs 0 <= sigma_min < 1, got {sigma_min}; the papers use 1e-4.")
        self.network = make_network(context, network, context.channels, context.channels, time=True)
        self.channels, self.sigma_min, self.solver = context.channels, sigma_min, solver

    def networks(self) -> Mapping[str, nn.Module]:
        """One network, one group."""
        return {"generator": self.network}

    def path(self, target: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Target and noise (B, T, C), t (B,) -> x_t and its velocity, both (B, T, C)."""
        t = t.view(-1, 1, 1)
        kept = 1 - self.sigma_min
        return (1 - kept * t) * noise + t * target, target - kept * noise

    def velocity(self, x: Tensor, cond: Condition, t: Tensor) -> Tensor:
        """The network's velocity (B, T, C) at x (B, T, C) and t (B,): one function evaluation."""
        velocity: Tensor = self.network(x, cond.sequence, cond.mask, t)
        return velocity

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Mean squared error of the velocity, at one time per utterance."""
        t = rng.time(batch.target.device)
        x, velocity = self.path(batch.target, rng.normal(batch.mask, self.channels), t)
        error = self.velocity(x, batch.cond, t) - velocity
        return {"generator": masked_mean(error.square(), batch.mask)}

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """Draw (B, T, C) with ``nfe`` >= 1 calls, each worth 1 / nfe of the way; temperature scales the start."""
        x = temperature * rng.normal(cond.mask, self.channels)
        call = 0
        while call < nfe:
            calls = 2 if self.solver == "midpoint" and call + 2 <= nfe else 1
            at = x  # the second call is at the point half a step ahead, and moves from where the first one did
            for inner in range(calls):
                t = x.new_full(x.shape[:1], (call + inner) / nfe)
                velocity = self.velocity(at, cond, t)
                at = x + velocity * (1 + inner) / nfe
            x, call = at, call + calls
        return x
