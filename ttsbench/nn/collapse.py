"""Detection of a collapsed distillation: a fake score that no longer follows, a discriminator at chance level."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttsbench.errors import TtsbenchError

EXPLODED = 20.0  # times its running mean: the fake score's loss
CHANCE, PATIENCE = 0.02, 1000  # distance of the accuracy to one half, and discriminator steps that it may stay there
MEMORY = 0.98  # of the running means
CHECK_EVERY = 50  # updates between two readings, for each of which the host waits for the device


class CollapseMonitor(nn.Module):
    """Running means of the fake score's loss and of the discriminator's accuracy.

    They are buffers, so a resumed training continues with them.
    """

    fake: Tensor
    accuracy: Tensor
    at_chance: Tensor
    exploded: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, value in {"fake": 0.0, "accuracy": 1.0, "at_chance": 0.0}.items():
            self.register_buffer(name, torch.tensor(value))
        self.register_buffer("exploded", torch.zeros(2))  # loss and usual loss at the first explosion
        self._updates = 0

    @torch.no_grad()
    def update(self, fake: Tensor, accuracy: Tensor | None) -> None:
        """Record one training step; every ``CHECK_EVERY`` steps raise ``TtsbenchError`` if there was a collapse."""
        first = (self.fake > 0) & (fake > EXPLODED * self.fake) & (self.exploded[1] == 0)
        self.exploded.copy_(torch.where(first, torch.stack([fake, self.fake]), self.exploded))
        self.fake.copy_(torch.where(self.fake == 0, fake, MEMORY * self.fake + (1 - MEMORY) * fake))
        if accuracy is not None:
            self.accuracy.mul_(MEMORY).add_((1 - MEMORY) * accuracy)
            is_chance = (self.accuracy - 0.5).abs() < CHANCE
            self.at_chance.copy_(torch.where(is_chance, self.at_chance + 1, 0.0))
        self._updates += 1
        if self._updates % CHECK_EVERY == 0:
            self.check()

    def check(self) -> None:
        """Raise ``TtsbenchError`` if a collapse was recorded."""
        loss, usual, at_chance = torch.cat([self.exploded, self.at_chance.view(1)]).tolist()
        if usual:
            raise TtsbenchError(
                f"dmd: the fake score's loss is {loss:.3g}, {loss / usual:.0f} times its usual level: it no "
                "longer follows the student. Raise fake_updates, or lower learning_rate or adversarial."
            )
        if at_chance > PATIENCE:
            raise TtsbenchError(
                f"dmd: the discriminator's accuracy has been one half for {PATIENCE} steps, so it gives the student no "
                "gradient. Set adversarial to 0, or train longer before distilling."
            )
