"""The backbone family of the controlled track: one residual stack, whatever an objective asks it to predict.

Convolutions are dilated (1, 2, 4, 8, 16, 1 of six blocks: 193 frames) and every block sees means over the sequence and
over a window, so that a draw can be consistent over a whole phrase.
"""

from __future__ import annotations

from torch import Tensor, nn

from ttsbench.nn.blocks import ConvBlock, time_embedding

TIME_SHARE = 8
DILATIONS = (1, 2, 4, 8, 16, 1)


class Backbone(nn.Module):
    """A stack of masked ConvNeXt blocks on the conditioning sequence, with an optional input and optional times.

    The input x (B, T, in_channels) is projected and added to the conditioning; t in [0, 1], 0 = noise and 1 = data,
    modulates every block. Networks of different objectives differ only by the input and time projections. The vector
    of all times has ``dim / TIME_SHARE`` channels, which keeps parameter counts within a few percent of one another.
    """

    def __init__(
        self, in_channels: int, out_channels: int, cond_dim: int, dim: int, layers: int, kernel: int, time: int,
        whole: int | None = None, residual: bool = False,
    ) -> None:  # fmt: skip
        """Make a backbone; with ``out_channels`` 0 it has states but no output.

        ``time``: number of times that modulate it, such as 2 for the two ends of an interval. ``whole``: number of
        layers of the backbone of which this is the first part. ``residual``: the output is a correction of another
        prediction; it starts at zero and is not copied by ``initialise_from``.
        """
        super().__init__()
        self.condition = nn.Linear(cond_dim, dim)
        self.input = nn.Linear(in_channels, dim) if in_channels else None
        vector = max(4, dim // TIME_SHARE) if time else 0
        self.time = nn.Sequential(nn.Linear(time * dim, vector), nn.SiLU()) if time else None
        self.times = int(time)
        dilations = [DILATIONS[layer % len(DILATIONS)] for layer in range(layers)]
        self.blocks = nn.ModuleList(
            [ConvBlock(dim, kernel, vector=vector, dilation=dilation, context=True) for dilation in dilations]
        )
        self.norm = nn.LayerNorm(dim)
        self.output = nn.Linear(dim, out_channels) if out_channels else None
        self.dim, self.whole, self.residual = dim, whole or layers, residual
        if residual and self.output is not None:
            nn.init.zeros_(self.output.weight)
            nn.init.zeros_(self.output.bias)

    def initialise_from(self, other: Backbone) -> None:
        """Copy all weights that fit from a backbone of the same width and depth, or from its first layers.

        Other backbones are left as they are, and so are the input projection, where only this backbone has an input,
        and the output of a ``residual`` backbone.
        """
        if (self.dim, self.whole) != (other.dim, len(other.blocks)):
            return
        own = self.state_dict()
        fitting = {
            name: value
            for name, value in other.state_dict().items()
            if name in own and value.shape == own[name].shape and not (self.residual and name.startswith("output."))
        }
        self.load_state_dict(fitting, strict=False)

    def forward(self, x: Tensor | None, cond: Tensor, mask: Tensor, t: Tensor | None = None) -> Tensor:
        """Map x (B, T, in_channels) or None, cond (B, T, D) and mask (B, T) to (B, T, out_channels).

        t is (B,) or (B, 1) for one time, (B, times) for several, and None without any.
        """
        if self.output is None:
            raise ValueError("A backbone without out_channels has states only; call states().")
        output: Tensor = self.output(self.states(x, cond, mask, t))
        return output * mask.unsqueeze(-1)

    def states(self, x: Tensor | None, cond: Tensor, mask: Tensor, t: Tensor | None = None) -> Tensor:
        """States (B, T, dim) of which the output is a projection."""
        if (x is None) != (self.input is None):
            raise ValueError("x must be given exactly where the backbone was made with in_channels > 0.")
        if (t is None) != (self.time is None):
            raise ValueError("t must be given exactly where the backbone was made with time=1 or more.")
        hidden = self.condition(cond)
        if self.input is not None:
            hidden = hidden + self.input(x)
        vector = None
        if self.time is not None and t is not None:
            if t.numel() != len(cond) * self.times:
                raise ValueError(f"t has the shape {tuple(t.shape)}; it must be (B, {self.times}), B = {len(cond)}.")
            vector = self.time(time_embedding(t.reshape(-1), self.dim).view(len(cond), -1))
        for block in self.blocks:
            hidden = block(hidden, mask, vector)
        states: Tensor = self.norm(hidden)
        return states
