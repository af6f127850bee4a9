"""Detection of a collapsed distillation: a fake score that no longer follows, a discriminator at chance level."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttsbench.errors import TtsbenchError

EXPLODED = 20.0  # times its running mean: the fake score's loss
CHANCE, PATIENCE = 0.02, 1000  # distance of the accuracy to one half, and discriminator steps that it may stay there
MEMORY = 0.98  # of the running means


class CollapseMonitor(nn.Module):
    """Running means of the fake score's loss and of the discriminator's accuracy.

    They are buffers, so a resumed training continues with them.
    """

    fake: Tensor
    accuracy: Tensor
    at_chance: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, value in {"fake": 0.0, "accuracy": 1.0, "at_chance": 0.0}.items():
            self.register_buffer(name, torch.tensor(value))

    def update(self, fake: Tensor, accuracy: float | None) -> None:
        """Record one training step; raises ``TtsbenchError`` on a collapse."""
        loss = float(fake.detach())
        if self.fake > 0 and loss > EXPLODED * float(self.fake):
            raise TtsbenchError(
                f"dmd: the fake score's loss is {loss:.3g}, {loss / float(self.fake):.0f} times its usual level: it no "
                "longer follows the student. Raise fake_updates, or lower learning_rate or adversarial."
            )
        self.fake.fill_(loss if self.fake == 0 else MEMORY * float(self.fake) + (1 - MEMORY) * loss)
        if accuracy is None:
            return
        self.accuracy.fill_(MEMORY * float(self.accuracy) + (1 - MEMORY) * accuracy)
        self.at_chance.fill_(float(self.at_chance) + 1 if abs(float(self.accuracy) - 0.5) < CHANCE else 0.0)
        if self.at_chance > PATIENCE:
            raise TtsbenchError(
                f"dmd: the discriminator's accuracy has been one half for {PATIENCE} steps, so it gives the student no "
                "gradient. Set adversarial to 0, or train longer before distilling."
            )
