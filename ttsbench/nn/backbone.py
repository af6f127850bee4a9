"""The backbone family of the controlled track: the same residual stack whatever the objective asks it to predict."""

from __future__ import annotations

from torch import Tensor, nn

from ttsbench.nn.blocks import ConvBlock, time_embedding

TIME_SHARE = 8


class Backbone(nn.Module):
    """A stack of masked ConvNeXt blocks on the conditioning sequence, with an optional input and an optional time.

    Input x (B, T, in_channels) is projected and added to the conditioning; t (B,) in [0, 1], 0 = noise and 1 = data,
    modulates every block. Parameters differ between objectives only by the input and time projections; the time's
    vector is narrow (``dim / TIME_SHARE``), so that a time costs a few percent of parameters and not a fifth.
    """

    def __init__(
        self, in_channels: int, out_channels: int, cond_dim: int, dim: int, layers: int, kernel: int, time: bool,
        whole: int | None = None,
    ) -> None:  # fmt: skip
        """``whole``: layers of the backbone of which this is the first part, where it is one."""
        super().__init__()
        self.condition = nn.Linear(cond_dim, dim)
        self.input = nn.Linear(in_channels, dim) if in_channels else None
        vector = max(4, dim // TIME_SHARE) if time else 0
        self.time = nn.Sequential(nn.Linear(dim, vector), nn.SiLU()) if time else None
        self.blocks = nn.ModuleList([ConvBlock(dim, kernel, vector=vector) for _ in range(layers)])
        self.norm = nn.LayerNorm(dim)
        self.output = nn.Linear(dim, out_channels)
        self.dim, self.whole = dim, whole or layers
        self.starts_deaf = True

    def initialise_from(self, other: Backbone) -> None:
        """Take over what another backbone of the same width and depth has learnt; others are left as they are.

        The first part of such a backbone takes over that part, and what its output is made by.
        Where only this one has an input, its projection starts at zero: what noise says is learnt from then on. Not so
        where ``starts_deaf`` is False: an energy that has no input tells nothing apart, and stays so for long, because
        negatives that lie around speech on all sides pull its projection in no direction.
        """
        if (self.dim, self.whole) != (other.dim, len(other.blocks)):
            return
        own = self.state_dict()
        learnt = {name: value for name, value in other.state_dict().items() if name in own}
        self.load_state_dict(
            {name: value for name, value in learnt.items() if value.shape == own[name].shape}, strict=False
        )
        if self.input is not None and other.input is None and self.starts_deaf:
            nn.init.zeros_(self.input.weight)
            nn.init.zeros_(self.input.bias)

    def forward(self, x: Tensor | None, cond: Tensor, mask: Tensor, t: Tensor | None = None) -> Tensor:
        """X (B, T, in_channels) or None, cond (B, T, D), mask (B, T), t (B,) or None -> (B, T, out_channels)."""
        output: Tensor = self.output(self.states(x, cond, mask, t))
        return output * mask.unsqueeze(-1)

    def states(self, x: Tensor | None, cond: Tensor, mask: Tensor, t: Tensor | None = None) -> Tensor:
        """What the output is a projection of, (B, T, dim)."""
        if (x is None) != (self.input is None):
            raise ValueError("x must be given exactly where the backbone was made with in_channels > 0.")
        if (t is None) != (self.time is None):
            raise ValueError("t must be given exactly where the backbone was made with time=True.")
        hidden = self.condition(cond)
        if self.input is not None:
            hidden = hidden + self.input(x)
        vector = self.time(time_embedding(t, self.dim)) if self.time is not None and t is not None else None
        for block in self.blocks:
            hidden = block(hidden, mask, vector)
        states: Tensor = self.norm(hidden)
        return states
