"""Widths at which other networks have as many parameters as the shared backbone, as the controlled track requires."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable

import torch
from torch import nn


def match_width(network: Callable[[int], nn.Module], peer: Callable[[], nn.Module], widths: range) -> int:
    """Return the width at which ``network(width)`` has the number of parameters closest to that of ``peer()``.

    The number must rise with the width. Networks are built on the meta device, so no random number is drawn.
    """

    def parameters(width: int) -> int:
        return _count(network(width))

    with torch.device("meta"):
        wanted = _count(peer())
        above = min(bisect(widths, wanted, key=parameters), len(widths) - 1)
        return min(widths[max(0, above - 1) : above + 1], key=lambda width: abs(parameters(width) - wanted))


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
