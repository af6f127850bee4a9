"""What travels between the stages, and what plug-ins are handed.

Shapes: B batch, T time (frames, or phones for a prosody model), P phones, M mel bins, C channels of a target,
D conditioning width, N samples. Masks are True where there is something real.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Role = Literal["acoustic", "prosody"]
Samples = NDArray[np.float32]
F = TypeVar("F")
SILENCE = "SIL"  # the label of every pause, whichever aligner found it


@dataclass(frozen=True)
class Utterance:
    """One recording as a corpus lists it; nothing has been read from the audio yet.

    ``attributes`` holds whatever else the corpus knows (JSON values only) and is kept in the manifest: the `espeak`
    corpus puts there the prosody each phrase was rendered with.
    """

    id: str
    speaker: str
    text: str
    audio: Path
    textgrid: Path | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Phone:
    """One phone of an alignment: label and where it lies, in seconds. Silence is labelled ``SIL``."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Prompt:
    """Another recording of whoever is to speak, of about 3 s."""

    values: Tensor  # (B, T', C), normalised as a target is, 0 at padding
    mask: Tensor  # (B, T') bool
    states: Tensor  # (B, P', D), of its phones
    phone_mask: Tensor  # (B, P') bool


@dataclass(frozen=True)
class Condition:
    """What a model may condition on, for a batch.

    ``sequence`` is aligned with the target: encoder states repeated over frames (with position in the phone and F0)
    for an acoustic model, the encoder states themselves for a prosody model.
    """

    phones: Tensor  # (B, P) int64, 0 at padding
    phone_mask: Tensor  # (B, P) bool
    speaker: Tensor  # (B,) int64
    states: Tensor  # (B, P, D)
    sequence: Tensor  # (B, T, D)
    mask: Tensor  # (B, T) bool
    durations: Tensor | None = None  # (B, P) int64, frames; None for a prosody model
    alignment: Tensor | None = None  # (B, T) int64, the phone of each frame; None for a prosody model
    sources: Mapping[str, Condition] = field(default_factory=dict)  # the same, as each of ``context.sources`` takes it
    prompt: Prompt | None = None  # for an adapter that asks for one (``Prompted``): then nothing else says who speaks

    @property
    def lengths(self) -> Tensor:
        """Real steps per utterance, (B,) int64."""
        return self.mask.sum(dim=1)


@dataclass(frozen=True)
class Batch:
    """Training targets, normalised to zero mean and unit variance over the training split, and their condition."""

    target: Tensor  # (B, T, C), 0 at padding
    cond: Condition

    @property
    def mask(self) -> Tensor:
        """(B, T) bool, True where the target is real."""
        return self.cond.mask


@dataclass(frozen=True)
class ModelContext:
    """What an adapter is built with: its task, its shapes, and the shared backbone family.

    ``backbone(in_channels, out_channels, time=False, share=1.0)`` makes a network of the experiment's size, or of the
    first ``share`` of its layers, with
    ``forward(x, cond, mask, t=None)``: x (B, T, in_channels) or None when ``in_channels`` is 0, cond (B, T, D),
    mask (B, T), t (B,) in [0, 1] -> (B, T, out_channels). ``sources`` holds the trained models that the adapter starts
    from (``AdapterInfo.starts_from``), frozen; each has ``adapter`` and
    ``sample(cond.sources[name], nfe, rng, temperature)`` -> (B, T, C).
    """

    role: Role
    channels: int
    cond_dim: int
    backbone: Callable[..., nn.Module]
    sources: Mapping[str, nn.Module] = field(default_factory=dict)
    n_phones: int = 0  # kinds of phones; they are numbered from 1
    n_speakers: int = 0


@dataclass(frozen=True)
class AdapterInfo:
    """What the tables, the plan and the conformance check need to know of an objective."""

    name: str
    title: str
    paper: str  # authors, year, address of the paper, or what was chosen where it is a reconstruction
    nfe: tuple[int, ...] = (1,)  # function evaluations it can sample with; the first is the default
    stochastic: bool = False  # whether two samples of one input may differ
    starts_from: tuple[str, ...] = ()  # adapters that must be trained first (a teacher, an initial hypothesis)
    free_running: bool = False  # reads phones and decides itself how long what it speaks is: see ``SampledSequence``
    step_cost: float = 1.0  # forward and backward passes of the backbone in one training step, relative to `l1`
    learning_rates: Mapping[str, float] = field(default_factory=dict)  # of groups, times the budget's; 1 where left out
    version: int = 1


class SampledSequence(NamedTuple):
    """Draw of a free-running model. Utterances that hit the length limit are truncated and count as failures."""

    values: Tensor  # (B, T, C), T of its own
    lengths: Tensor  # (B,) int64, real steps of each
    stopped: Tensor  # (B,) bool, False for truncated utterances


Degradation = Literal["noise", "low_pass", "flat_f0", "stretch", "smoothing"]
Answer = Literal["refused", "answered"]


@dataclass(frozen=True)
class Behaviour:
    """What a metric promises of itself; ``ttsbench selftest`` holds it to that on the user's own recordings.

    All limits are in the metric's unit. None promises nothing.
    """

    identity: float | None = None  # of a recording against itself
    gain: float | None = None  # most it moves where the clip is 12 dB quieter
    shift: float | None = None  # most it moves where the clip begins 50 ms later
    resample: float | None = None  # most it moves where the clip went through 48 kHz and back
    symmetric: float | None = None  # most it moves where clip and reference change places
    worsens: frozenset[Degradation] = frozenset()  # under these it never improves from one grade to the next
    silence: Answer | None = "refused"
    noise: Answer | None = "answered"  # white noise


@dataclass(frozen=True)
class MetricInfo:
    """What the tables and the runner need to know of a metric.

    ``columns`` names the sufficient statistics one clip yields; ``needs`` may hold "reference", "transcript", "cost",
    "phones" and "prompt": the runner fetches them before ``measure`` is called and counts a failure where one is
    missing.
    """

    name: str
    title: str
    unit: str
    higher_is_better: bool | None
    columns: tuple[str, ...]
    signature: str
    paper: str
    needs: frozenset[str] = frozenset({"reference"})
    sample_rate: int | None = None  # Hz; None takes a clip as it is
    behaviour: Behaviour = field(default_factory=lambda: Behaviour())


@dataclass(frozen=True)
class Cost:
    """What making one clip took."""

    sampling_s: float  # prosody and acoustic model together
    vocoder_s: float
    audio_s: float
    nfe: int  # measured calls of the acoustic model's generator network
    parameters: int  # of everything that runs at sampling time, vocoder left out
    flops: float | None = None  # of prosody and acoustic model; None where this clip's were not counted
    peak_bytes: float | None = None  # most bytes of tensors alive at once while sampling, parameters included
    first_chunk_s: float | None = None  # until the first samples of a stream; None where this clip was not streamed


@dataclass
class Clip:
    """Audio to be measured, with what is known of it.

    Metrics share what they compute through ``feature``: a function of a clip runs once per clip, so a reference is
    analysed once however many systems and metrics look at it.
    """

    id: str
    samples: Samples  # (N,) float32 in [-1, 1]
    sample_rate: int  # Hz
    text: str = ""
    speaker: str = ""
    transcript: str | None = None
    cost: Cost | None = None
    seed: int = 0  # training seed of the system that made it
    draw: int = 0  # number of the sample drawn for this utterance
    phones: tuple[Phone, ...] | None = None  # as the system timed them, or as they were aligned
    prompt: Clip | None = None  # another recording of the speaker
    attributes: Mapping[str, Any] = field(default_factory=dict)  # what the corpus knows of the utterance
    # Not an argument, so that a changed copy starts without what was computed from the original.
    _features: dict[object, Any] = field(init=False, default_factory=dict, repr=False, compare=False)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    def feature(self, function: Callable[[Clip], F]) -> F:
        """``function(self)``, computed at most once."""
        if function not in self._features:
            self._features[function] = function(self)
        result: F = self._features[function]
        return result

    def at(self, sample_rate: int | None) -> Clip:
        """The same clip at another sample rate (Hz), resampled at most once."""
        if sample_rate is None or sample_rate == self.sample_rate:
            return self
        key = ("at", sample_rate)
        if key not in self._features:
            samples = soxr.resample(self.samples, self.sample_rate, sample_rate, quality="VHQ")
            self._features[key] = replace(self, samples=samples.astype(np.float32, copy=False), sample_rate=sample_rate)
        clip: Clip = self._features[key]
        return clip


class Noise:
    """Random numbers for a batch, one generator per utterance.

    Each utterance draws from its own stream and only for its own length, so that what it is given depends neither on
    its neighbours in the batch nor on the padding. The numbers are drawn on the CPU and moved: every device sees the
    same ones.
    """

    def __init__(self, seeds: list[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def normal(self, mask: Tensor, channels: int) -> Tensor:
        """Standard normal numbers, (B, T, channels), 0 where ``mask`` (B, T) is False."""
        return self._fill(mask, channels, torch.randn)

    def uniform(self, mask: Tensor, channels: int) -> Tensor:
        """Numbers uniform on [0, 1), (B, T, channels), 0 where ``mask`` (B, T) is False."""
        return self._fill(mask, channels, torch.rand)

    def time(self, device: torch.device | str = "cpu") -> Tensor:
        """One number per utterance, uniform on [0, 1): (B,)."""
        return torch.cat([torch.rand(1, generator=generator) for generator in self._generators]).to(device)

    def _fill(self, mask: Tensor, channels: int, draw: Callable[..., Tensor]) -> Tensor:
        batch, time = mask.shape
        if batch != len(self._generators):
            raise ValueError(f"Noise was made for {len(self._generators)} utterances, the mask has {batch}.")
        out = torch.zeros(batch, time, channels)
        for row, (length, generator) in enumerate(zip(mask.sum(dim=1).tolist(), self._generators, strict=True)):
            out[row, :length] = draw(length, channels, generator=generator)
        return out.to(mask.device)
