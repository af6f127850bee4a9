"""As large as the shared backbone: how networks of other kinds keep the controlled track's word."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable

import torch
from torch import nn


def match_width(network: Callable[[int], nn.Module], peer: Callable[[], nn.Module], widths: range) -> int:
    """The width at which ``network(width)`` has most nearly as many parameters as ``peer()``, which it rises with.

    Both are counted without being made, so that no random number is drawn.
    """

    def parameters(width: int) -> int:
        return _count(network(width))

    with torch.device("meta"):
        wanted = _count(peer())
        above = min(bisect(widths, wanted, key=parameters), len(widths) - 1)
        return min(widths[max(0, above - 1) : above + 1], key=lambda width: abs(parameters(width) - wanted))


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
