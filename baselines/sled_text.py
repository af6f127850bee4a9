"""SLED as in its paper: free-running speech from text, with a stop decision.

"Efficient speech language modeling via energy distance in continuous latent space", Ma et al. 2025,
https://arxiv.org/abs/2505.13181. One causal Transformer reads the text and then the speech, patch by patch. At each
position one head draws the next patch and another predicts whether the speech has ended:

    [text_1 .. text_P, start, patch_1 .. patch_K]  ->  patch_1 .. patch_K, stop
    L = energy distance of two draws (``ttsbench/nn/energy_distance.py``) + cross-entropy of the stop at K + 1 positions
    p_0 = 0,   p_k = p_{k-1} + advance_k                        phones read before patch k + 1

Training drops the text of an utterance with probability ``text_dropout``. Sampling guides the patch; its advance and
the stop are those of the conditional branch, and speech ends at a stop probability of .8.

With ``interleave`` n:m speech starts before all text is read: n phones, m frames, n phones, ... and the rest of the
speech at the end of the text. ``stream`` yields chunks of m frames. The encoder looks a few phones ahead
(``ModelSize.encoder_reach``), so that much text must be available in addition to n.

With ``prompt`` the model first reads about 3 s of another recording of the speaker, phones and patches, which alone
identifies the speaker. The prompt is not part of the loss.

Choices of this reconstruction, for a corpus of minutes rather than thousands of hours: the text consists of the
encoder's phones and the speaker. A patch has one channel more than its frames, the number of phones by which it
advances, which is known from the alignment in training and drawn with the patch in sampling; its loss has the weight of
all frames together. The sums p_k give text and speech of the same moment the same rotary position: phone i is at i and
patch k + 1 at p_k, both times the patches per phone of the corpus (patches of a prompt, which has no alignment, are
counted). Training perturbs p by ``SHAKEN`` phones, and the advance corrects the perturbation. The stop has the weight
``STOP_WEIGHT``, where the paper has 100 for longer sequences. Patches of mel frames replace the latents of Encodec.
Utterances that have not stopped after ``LONGEST`` times the expected length are truncated and count as failures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttsbench import AdapterInfo, Batch, Condition, ConfigError, ModelContext, Noise, Prompt, SampledSequence
from ttsbench.nn.energy_distance import NOISE, EnergyDistance, NoiseHead, guided, patch_counts, patches, require_dropout
from ttsbench.nn.parameter_matching import match_width
from ttsbench.nn.transformer import Cache, Transformer

HEAD_DIM = 32  # of an attention head
HEAD_WIDTHS = range(8, 1025, 8)
STOP_WEIGHT, STOP_AT = 20.0, 0.8
SHAKEN = 0.1  # phones, standard deviation
LONGEST = 3.0  # times the expected length
CHUNK_FRAMES = 45  # of a stream whose text was all read first: as many as the paper's


class Text(NamedTuple):
    """The text as input of the Transformer."""

    inputs: Tensor  # (B, P, dim)
    places: Tensor  # (B, P)
    real: Tensor  # (B, P) bool

    def part(self, start: int, end: int) -> Text:
        """Return the phones from ``start`` to ``end``."""
        return Text(*(one[:, start:end] for one in self))


class Given(NamedTuple):
    """The inputs before the model's own speech: prompt and text."""

    past: Text  # the prompt's phones and patches, which are read first; none without a prompt
    text: Text
    offset: Tensor  # (B,) places of the past, after which text and speech begin


class Turns(NamedTuple):
    """Alternation of phones and patches with ``interleave``."""

    phones: int
    patches: int

    def order(self, phones: int, count: int, device: torch.device) -> Tensor:
        """Return the reading order as indices into all phones followed by ``count`` patches."""
        text, speech = (torch.arange(size, device=device) for size in (phones, count))
        turn = torch.cat([2 * (text // self.phones), 2 * (speech // self.patches) + 1])
        return turn.argsort(stable=True)


class Reading:
    """State of reading: keys, values, and the mask of valid positions (B, known)."""

    def __init__(self, transformer: Transformer, offset: Tensor, capacity: int) -> None:
        """``offset`` (B,) is the place of the first patch."""
        self.cache, self.offset = Cache(transformer, len(offset), capacity), offset
        self.real = torch.zeros(len(offset), 0, dtype=torch.bool, device=offset.device)


class TextNetwork(nn.Module):
    """Read text and patches, draw the next patch and predict the end of the speech."""

    seen: Tensor

    def __init__(
        self, steps: int, channels: int, cond_dim: int, dim: int, layers: int, blocks: int, width: int
    ) -> None:
        """``steps`` and ``channels`` are a patch's."""
        super().__init__()
        self.steps, patch = steps, steps * channels
        self.text, self.previous = nn.Linear(cond_dim, dim), nn.Linear(patch, dim)
        self.start, self.no_text = nn.Parameter(torch.randn(dim)), nn.Parameter(torch.randn(dim))
        self.transformer = Transformer(dim, layers, max(1, dim // HEAD_DIM))
        self.head, self.stop = NoiseHead(dim, patch + 1, width, blocks), nn.Linear(dim, 1)
        self.register_buffer("seen", torch.tensor([2.0, 1.0]))  # patches and phones that training has seen

    @property
    def rate(self) -> Tensor:
        """Patches per phone of the corpus."""
        return self.seen[0] / self.seen[1]

    def read(self, cond: Condition, left_out: Tensor) -> Given:
        """Return prompt and text of a batch; utterances in left_out (B,) bool have only the speech of the prompt."""
        past, offset = self._past(cond.prompt, left_out, cond.states)
        text = self._text(cond.states, cond.phone_mask, left_out)
        return Given(past, text._replace(places=text.places + offset.unsqueeze(1)), offset)

    def _text(self, states: Tensor, mask: Tensor, left_out: Tensor) -> Text:
        inputs = torch.where(left_out.view(-1, 1, 1), self.no_text, self.text(states))
        places = torch.arange(inputs.shape[1], device=inputs.device) * self.rate
        return Text(inputs, places.expand(inputs.shape[:2]), mask)

    def _past(self, prompt: Prompt | None, left_out: Tensor, states: Tensor) -> tuple[Text, Tensor]:
        """Return a prompt with its whole patches after its phones, and the number of patches (B,)."""
        if prompt is None:
            nothing = self._text(states[:, :0], states[:, :0, 0].bool(), left_out)
            return nothing, states.new_zeros(len(states), dtype=torch.float)
        text = self._text(prompt.states, prompt.phone_mask, left_out)
        speech = self.previous(patches(prompt.values, self.steps))
        real = patches(prompt.mask.unsqueeze(-1), self.steps).all(dim=-1)
        places = torch.arange(real.shape[1], device=real.device).expand(real.shape)
        both = zip(text, (speech, places, real), strict=True)
        return Text(*(torch.cat(parts, dim=1) for parts in both)), real.sum(dim=1).float()

    def states(self, given: Given, previous: Tensor, read: Tensor, turns: Turns) -> Tensor:
        """Return states z (B, K, dim) of the inputs, previous patches (B, K, C'), the first empty, and p (B, K)."""
        past, text, offset = given
        count = previous.shape[1]
        speech = self._speech(previous, torch.arange(count, device=previous.device) == 0)
        places = read * self.rate + offset.unsqueeze(1)
        first = torch.arange(past.inputs.shape[1], device=previous.device)
        order = torch.cat([first, len(first) + turns.order(text.inputs.shape[1], count, previous.device)])
        z = self.transformer(
            torch.cat([past.inputs, text.inputs, speech], dim=1)[:, order], None,
            torch.cat([past.places, text.places, places], dim=1)[:, order],
            functional.pad(torch.cat([past.real, text.real], dim=1), (0, count), value=True)[:, order],
        )  # fmt: skip
        return z[:, order.argsort()[-count:]]  # type: ignore[no-any-return]

    def listen(self, text: Text, reading: Reading) -> None:
        """Read more of the text."""
        reading.real = torch.cat([reading.real, text.real], dim=1)
        self.transformer(text.inputs, reading.cache, text.places, reading.real)

    def forward(
        self, previous: Tensor, noise: Tensor, read: Tensor | None, reading: Reading, guidance: float
    ) -> Tensor:
        """Draw patch, advance and stop logit (B, C' + 2) from the previous patch (B, C'), noise (B, NOISE) and p (B,).

        Before the first patch p is None. With guidance other than 1 there are 2 B rows of reading, those without text
        last.
        """
        rows = len(reading.real)
        first = torch.full((1,), read is None, device=previous.device)
        speech = self._speech(previous.repeat(rows // len(previous), 1).unsqueeze(1), first)
        ahead = torch.zeros_like(reading.offset) if read is None else (read * self.rate).repeat(rows // len(read))
        places = (reading.offset + ahead).unsqueeze(1)
        reading.real = functional.pad(reading.real, (0, 1), value=True)
        z = self.transformer(speech, reading.cache, places, reading.real).squeeze(1)
        with_text = z[: len(previous)]
        drawn = self.head(with_text, noise)
        patch = drawn if guidance == 1 else self.head(guided(z, guidance), noise)
        return torch.cat([patch[:, :-1], drawn[:, -1:], self.stop(with_text)], dim=-1)

    def _speech(self, previous: Tensor, first: Tensor) -> Tensor:
        """Return patches (B, K, C') as inputs; where first (K,) is True there is no previous patch."""
        return torch.where(first.view(1, -1, 1), self.start, self.previous(previous))


class SledText:
    """Free-running SLED.

    ``patch``: frames in one draw. ``beta``, ``repulsion``: of the energy distance. ``text_dropout``: share of
    utterances without their text, which ``guidance`` at sampling needs. ``dim``, that of the condition where left out,
    and ``layers`` are the Transformer's, ``blocks`` the head's. ``interleave``: phones and frames that take turns, the
    latter rounded up to whole patches; left out, all text is read before anything is said. ``prompt``: whether another
    recording tells who speaks, which may then be anybody. ``positions``: places of the patches among the phones, from
    the ``alignment`` as above, or by ``count`` at the mean rate of the corpus: the alignment of text and speech is then
    not taught, and attention has to find it, as in the paper.
    """

    info = AdapterInfo(
        name="sled_text",
        title="Energy distance, from text alone",
        paper="Ma et al. 2025, https://arxiv.org/abs/2505.13181 (places of phones and patches of mel frames are ours)",
        stochastic=True,
        free_running=True,
        step_cost=1.5,
    )

    def __init__(
        self,
        context: ModelContext,
        patch: int = 3,
        beta: float = 1.0,
        repulsion: float = 1.0,
        text_dropout: float = 0.0,
        input_noise: float = 0.2,
        interleave: Sequence[int] | None = None,
        prompt: bool = False,
        positions: Literal["alignment", "count"] = "alignment",
        dim: int | None = None,
        layers: int = 3,
        blocks: int = 2,
    ) -> None:
        if context.role != "acoustic":
            raise ConfigError("sled_text is an acoustic model: it speaks from text, and needs no prosody.")
        if patch < 1:
            raise ConfigError(f"sled_text draws patches of at least 1 frame, got {patch}.")
        if interleave is not None and (len(interleave) != 2 or min(interleave) < 1):
            raise ConfigError(f"interleave is a number of phones and one of frames, as in [5, 20]; got {interleave}.")
        require_dropout("text_dropout", text_dropout)
        self.channels, self.patch, self.distance = context.channels, patch, EnergyDistance(beta, repulsion)
        self.text_dropout, self.input_noise, self.interleave = text_dropout, input_noise, interleave
        if positions not in ("alignment", "count"):
            raise ConfigError(f"sled_text has no positions '{positions}'; choose one of alignment, count.")
        self.prompted, self.aligned = prompt, positions == "alignment"
        network = partial(
            TextNetwork, patch, context.channels, context.cond_dim, dim or context.cond_dim, layers, blocks
        )
        peer = partial(context.backbone, 0, context.channels)
        self.network = network(match_width(network, peer, HEAD_WIDTHS))
        if not text_dropout:
            self.network.no_text.requires_grad_(False)

    def networks(self) -> Mapping[str, nn.Module]:
        """Return the only network, which is the generator."""
        return {"generator": self.network}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Return the energy distance at every patch plus the cross-entropy of the stop, averaged over positions."""
        mask, size = batch.mask.unsqueeze(-1), self.patch
        target, real = patches(batch.target * mask, size), patches(mask.expand_as(batch.target), size)
        read = patches((batch.target + self.input_noise * rng.normal(batch.mask, self.channels)) * mask, size)
        spoken = real.any(dim=-1)
        rng.remember(spoken, patch_counts(rng.lengths(batch.mask), size))
        if self.network.training:
            self.network.seen += torch.stack([spoken.sum(), batch.cond.phone_mask.sum()])
        given = self.network.read(batch.cond, rng.time(target.device) < self.text_dropout)
        place = self._places(batch.cond, spoken.shape[1] + 1)
        shaken = place + SHAKEN * functional.pad(rng.normal(spoken, 1).squeeze(-1), (1, 0)) * self.aligned
        z = self.network.states(given, functional.pad(read, (0, 0, 1, 0)), shaken, self._turns(batch.cond))
        target = torch.cat([target, (place[:, 1:] - shaken[:, :-1]).unsqueeze(-1)], dim=-1)
        real = torch.cat([real, spoken.unsqueeze(-1) & self.aligned], dim=-1)
        draws = [self.network.head(z[:, :-1], rng.normal(spoken, NOISE)) for _ in range(2)]
        one, other, wanted = (self._weighed(patch) for patch in (*draws, target))
        distances = self.distance(one, other, wanted, real)
        distance = (distances * spoken).sum() / spoken.sum().clamp_min(1)
        return {"generator": distance + self._stopping(self.network.stop(z).squeeze(-1), spoken.sum(dim=1))}

    def _weighed(self, patch: Tensor) -> Tensor:
        """Weight patches and their advance (..., C' + 1), so that the advance counts as much as all frames together."""
        return torch.cat([patch[..., :-1], (patch.shape[-1] - 1) ** 0.5 * patch[..., -1:]], dim=-1)

    def _stopping(self, logits: Tensor, counts: Tensor) -> Tensor:
        """Return the stop loss of logits (B, K + 1) after k patches; the target is a stop after all ``counts`` (B,)."""
        place = torch.arange(logits.shape[1], device=logits.device)
        over, asked = place == counts.unsqueeze(1), place <= counts.unsqueeze(1)
        weight = torch.full((), STOP_WEIGHT, device=logits.device)
        losses = functional.binary_cross_entropy_with_logits(logits, over.float(), reduction="none", pos_weight=weight)
        return (losses * asked).sum() / asked.sum()

    def sample(
        self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0, guidance: float = 1.0
    ) -> SampledSequence:
        """Sample until every utterance has stopped or is too long, with one call per patch; ``nfe`` is 1.

        ``guidance`` 1 is off; larger values follow the text more closely.
        """
        chunks = list(self.stream(cond, rng, temperature, guidance))
        values = torch.cat([chunk.values for chunk in chunks], dim=1)
        return SampledSequence(values, torch.stack([chunk.lengths for chunk in chunks]).sum(dim=0), chunks[-1].stopped)

    def stream(
        self, cond: Condition, rng: Noise, temperature: float = 1.0, guidance: float = 1.0
    ) -> Iterator[SampledSequence]:
        """Yield the same draw chunk by chunk; the last chunk, which may be empty, says which utterances stopped."""
        require_dropout("text_dropout", self.text_dropout, guidance)
        phones = cond.phone_mask.sum(dim=1)
        limits = (LONGEST * phones * self.network.rate).ceil().long().clamp_min(1)
        allowed = torch.arange(int(limits.max()), device=phones.device) < limits.unsqueeze(1)
        noise = temperature * rng.normal(allowed, NOISE)
        (past, text, offset), turns = self._read(cond, guidance), self._turns(cond)
        known = past.inputs.shape[1] + text.inputs.shape[1]
        reading = Reading(self.network.transformer, offset, known + allowed.shape[1])
        if past.inputs.shape[1]:
            self.network.listen(past, reading)
        previous = noise.new_zeros(len(phones), self.patch * self.channels)
        counts, drawn, place = limits.clone(), list[Tensor](), torch.zeros(len(phones), device=phones.device)
        speaking = torch.ones_like(limits, dtype=torch.bool)
        for k in range(allowed.shape[1]):
            if k % turns.patches == 0:
                if drawn:
                    yield self._chunk(drawn, counts - k + len(drawn), counts < 0)
                    drawn = []
                if (start := k // turns.patches * turns.phones) < text.inputs.shape[1]:
                    self.network.listen(text.part(start, start + turns.phones), reading)
            output = self.network(previous, noise[:, k], place if k else None, reading, guidance)
            over = speaking & (output[:, -1].sigmoid() >= STOP_AT) & (k > 0)  # nobody says nothing
            counts = torch.where(over, k, counts)
            speaking = speaking & ~over & (k < limits)
            if not bool(speaking.any()):
                break
            previous = output[:, :-2]
            advance = output[:, -2] if self.aligned else 1 / self.network.rate
            place = (place + advance).clamp_min(0).minimum(phones)
            drawn.append(previous)
        else:
            k = allowed.shape[1]
        yield self._chunk(drawn, counts - k + len(drawn), counts < limits)

    def _chunk(self, drawn: Sequence[Tensor], counts: Tensor, stopped: Tensor) -> SampledSequence:
        """Return the first ``counts`` (B,) of patches (B, C') as a chunk, with counts clipped to the valid range."""
        batch = len(counts)
        values = torch.stack(list(drawn), dim=1) if drawn else counts.new_zeros(batch, 0, dtype=torch.float)
        frames = values.reshape(batch, len(drawn) * self.patch, self.channels)
        return SampledSequence(frames, self.patch * counts.clamp(0, len(drawn)), stopped)

    def _places(self, cond: Condition, count: int) -> Tensor:
        """Return the number of phones before each of ``count`` patches (B, K), aligned or at the corpus' mean rate."""
        if self.aligned:
            return phones_read(cond, self.patch)
        even = torch.arange(count, device=cond.phones.device) / self.network.rate
        return even.minimum(cond.phone_mask.sum(dim=1, keepdim=True))

    def _turns(self, cond: Condition) -> Turns:
        phones, frames = self.interleave or (cond.phones.shape[1], CHUNK_FRAMES)
        return Turns(phones, -(-frames // self.patch))

    def _read(self, cond: Condition, guidance: float) -> Given:
        """Return prompt and text, and with guidance a second copy without text."""
        branches = [False] if guidance == 1 else [False, True]
        left_out = [torch.full((len(cond.phones),), branch, device=cond.phones.device) for branch in branches]
        pasts, texts, offsets = zip(*(self.network.read(cond, branch) for branch in left_out), strict=True)
        past, text = (Text(*(torch.cat(parts) for parts in zip(*ones, strict=True))) for ones in (pasts, texts))
        return Given(past, text, torch.cat(offsets))


def phones_read(cond: Condition, size: int) -> Tensor:
    """Return the number of phones that end before each patch of ``size`` frames, and in all: (B, K + 1)."""
    assert cond.alignment is not None  # of an acoustic model
    frames = functional.one_hot(cond.alignment, cond.phones.shape[1]) * cond.mask.unsqueeze(-1)
    counts = frames.sum(dim=1)
    starts = (counts.cumsum(dim=1) - counts).gather(1, cond.alignment)
    within = torch.arange(frames.shape[1], device=starts.device) - starts
    read = cond.alignment + within / counts.gather(1, cond.alignment).clamp_min(1)
    end = cond.phone_mask.sum(dim=1, keepdim=True).float()
    return torch.cat([torch.where(cond.mask, read, end)[:, ::size], end], dim=1)
