"""Data types that stages exchange and that plug-ins receive.

Shapes: B batch, T time (frames, or phones for a prosody model), P phones, M mel bins, C channels of a target,
D conditioning width, N samples. Masks are True at real steps and False at padding.
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

from ttsbench.devices import upload

Role = Literal["acoustic", "prosody"]
Samples = NDArray[np.float32]
F = TypeVar("F")
SILENCE = "SIL"  # label of every pause, whichever aligner found it


@dataclass(frozen=True)
class Utterance:
    """A recording as a corpus lists it, before its audio is read.

    ``attributes`` holds further facts about the recording (JSON values only), which are saved in the manifest: the
    `espeak` corpus stores the prosody that each phrase was rendered with.
    """

    id: str
    speaker: str
    text: str
    audio: Path
    textgrid: Path | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Phone:
    """A phone of an alignment: label, start and end in seconds. Silence has the label ``SIL``."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Prompt:
    """About 3 s of another recording of the target speaker."""

    values: Tensor  # (B, T', C), normalised like a target, 0 at padding
    mask: Tensor  # (B, T') bool
    states: Tensor  # (B, P', D), encoder states of its phones
    phone_mask: Tensor  # (B, P') bool


@dataclass(frozen=True)
class Condition:
    """The conditioning of a batch.

    ``sequence`` is aligned with the target. For an acoustic model it holds the encoder states repeated over frames,
    with the position in the phone and F0; for a prosody model it holds the encoder states themselves.
    """

    phones: Tensor  # (B, P) int64, 0 at padding
    phone_mask: Tensor  # (B, P) bool
    speaker: Tensor  # (B,) int64
    states: Tensor  # (B, P, D)
    sequence: Tensor  # (B, T, D)
    mask: Tensor  # (B, T) bool
    durations: Tensor | None = None  # (B, P) int64, frames; None for a prosody model
    alignment: Tensor | None = None  # (B, T) int64, the phone of each frame; None for a prosody model
    sources: Mapping[str, Condition] = field(default_factory=dict)  # the conditioning of each of ``context.sources``
    prompt: Prompt | None = (
        None  # for an adapter that uses one (``Prompted``); nothing else then identifies the speaker
    )

    @property
    def lengths(self) -> Tensor:
        """Number of real steps per utterance, (B,) int64."""
        return self.mask.sum(dim=1)


@dataclass(frozen=True)
class Batch:
    """Training targets, normalised to zero mean and unit variance over the training split, and their condition."""

    target: Tensor  # (B, T, C), 0 at padding
    cond: Condition
    waveform: Tensor | None = None  # (B, T * hop_length) samples of these frames, if ``info.waveform`` asks for them

    @property
    def mask(self) -> Tensor:
        """(B, T) bool, True at real steps."""
        return self.cond.mask


@dataclass(frozen=True)
class ModelContext:
    """The arguments with which an adapter is built: its role, its shapes, and the shared backbone family.

    ``backbone(in_channels, out_channels, time=0, share=1.0, residual=False)`` returns a network of the experiment's
    size, or the first ``share`` of its layers. The network has ``forward(x, cond, mask, t=None)``: x (B, T,
    in_channels), or None if ``in_channels`` is 0, cond (B, T, D), mask (B, T), t (B,) in [0, 1], or (B, 2) for the two
    times of a network with ``time=2`` -> (B, T, out_channels). With ``start_from`` it starts with the weights of a
    regression model, output included; the output of a ``residual`` network starts at zero instead.

    ``sources`` holds the trained, frozen models that the adapter starts from (``AdapterInfo.starts_from``). Each has
    ``adapter`` and ``sample(cond.sources[name], nfe, rng, temperature)`` -> (B, T, C).
    """

    role: Role
    channels: int
    cond_dim: int
    backbone: Callable[..., nn.Module]
    sources: Mapping[str, nn.Module] = field(default_factory=dict)
    n_phones: int = 0  # number of phone labels, which are numbered from 1
    n_speakers: int = 0
    steps: int = 0  # optimizer steps of the training, for schedules; 0 in a model that is only sampled


@dataclass(frozen=True)
class AdapterInfo:
    """Description of an objective for tables, plans and the conformance check."""

    name: str
    title: str
    paper: str  # authors, year and address of the paper; choices that a reconstruction made
    nfe: tuple[int, ...] = (1,)  # supported numbers of function evaluations; the first is the default
    stochastic: bool = False  # whether two samples for one input may differ
    starts_from: tuple[str, ...] = ()  # models that must be trained first (a teacher, an initial hypothesis)
    free_running: bool = False  # predicts the length of its output: see ``SampledSequence``
    step_cost: float = 1.0  # cost of a training step relative to `l1`, in passes of the backbone
    learning_rates: Mapping[str, float] = field(
        default_factory=dict
    )  # optimizer group -> factor on the learning rate; default 1
    schedule: Literal["cosine", "constant"] = "cosine"  # of the learning rate, after the warm-up
    waveform: bool = False  # an acoustic model whose training reads ``batch.waveform``
    search: Mapping[str, tuple[float, ...]] = field(
        default_factory=dict
    )  # `temperature`, `nfe` or option of `sample` -> values that tuning may choose
    keep: Literal["best", "last"] = "best"  # checkpoint by the generator's validation loss, or the last one
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
    """Guaranteed behaviour of a metric, which ``ttsbench selftest`` tests on the user's own recordings.

    All limits are in the metric's unit. None means that nothing is guaranteed.
    """

    identity: float | None = None  # value for a recording against itself
    gain: float | None = None  # largest change if the clip is 12 dB quieter or louder
    shift: float | None = None  # largest change if the clip starts 50 ms later
    resample: float | None = None  # largest change after resampling to 48 kHz and back
    symmetric: float | None = None  # largest change if clip and reference are swapped
    worsens: frozenset[Degradation] = frozenset()  # stronger degradations never improve the value
    silence: Answer | None = "refused"
    noise: Answer | None = "answered"  # white noise


@dataclass(frozen=True)
class MetricInfo:
    """Description of a metric for the tables and the runner.

    ``columns`` names the sufficient statistics of one clip. ``needs`` may contain "reference", "transcript", "cost",
    "phones", "prompt" and "draws": the runner provides them before it calls ``measure``, and counts a failure if one is
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
    sample_rate: int | None = None  # rate at which ``measure`` receives clips, Hz; None leaves a clip as it is
    timed: bool = False  # values depend on the device and the host that made the clip: see ``Cost.machine``
    band_hz: float | None = None  # clips whose measured bandwidth ends below it carry a warning; None never warns
    behaviour: Behaviour = field(default_factory=lambda: Behaviour())


@dataclass(frozen=True)
class Cost:
    """Cost of synthesizing one clip."""

    sampling_s: float  # prosody and acoustic model together
    vocoder_s: float
    audio_s: float
    nfe: int | None  # measured calls of the acoustic model's generator network; None if unknown
    parameters: int | None  # of everything that runs at sampling time, without the vocoder; None if unknown
    flops: float | None = None  # of prosody and acoustic model; None if not counted for this clip
    peak_bytes: float | None = None  # peak size of live tensors while sampling, with parameters
    first_chunk_s: float | None = None  # latency of the first samples; None if not streamed
    device: str = ""  # that computed the clip, such as "cpu" or "NVIDIA H100 80GB HBM3"
    host: str = ""  # name of its machine

    @property
    def machine(self) -> str:
        """Device and host, on which all times depend; empty if they were not recorded."""
        return f"{self.device} of {self.host}" if self.device else ""


@dataclass(frozen=True)
class Draws:
    """All draws of one utterance by one system, before the vocoder: K samples of the same input. A recording is one.

    A field is None if it cannot be compared with the recording: the mel of a system that does not use the recording's
    durations, or the prosody of a system that does not predict any. ``law`` belongs to a recording whose corpus can
    draw it again (``RedrawableCorpus``): a sample of the distribution of its mel, for the same text and prosody.
    """

    log_mel: NDArray[np.float32] | None = None  # (K, T, M) natural logarithm
    prosody: NDArray[np.float32] | None = None  # (K, P, 2) phone log-F0 and log-duration, standardised as in training
    failure: str = ""  # why there are no draws, for example because one of them diverged
    law: NDArray[np.float32] | None = None  # (L, T, M) natural logarithm


@dataclass
class Clip:
    """Audio to be measured, with its metadata.

    Metrics share their analyses through ``feature``, which runs a function once per clip: a reference is analysed once,
    whatever the number of systems and metrics.
    """

    id: str
    samples: Samples  # (N,) float32 in [-1, 1]
    sample_rate: int  # Hz
    text: str = ""
    speaker: str = ""
    transcript: str | None = None
    cost: Cost | None = None
    seed: int = 0  # training seed of the system that synthesized it
    draw: int = 0  # index of the draw for this utterance
    phones: tuple[Phone, ...] | None = None  # timed by the system, or aligned afterwards
    prompt: Clip | None = None  # another recording of the speaker
    attributes: Mapping[str, Any] = field(default_factory=dict)  # further facts from the corpus
    draws: Draws | None = None  # with the first draw of an utterance; None for clips that are not samples of a model
    language: str = ""  # of the text, such as "de"; empty for the language of the run
    # No constructor argument, so that a copy made by ``replace`` does not inherit results of the original.
    _features: dict[object, Any] = field(init=False, default_factory=dict, repr=False, compare=False)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    def feature(self, function: Callable[[Clip], F]) -> F:
        """Return ``function(self)``, computed at most once."""
        if function not in self._features:
            self._features[function] = function(self)
        result: F = self._features[function]
        return result

    def at(self, sample_rate: int | None) -> Clip:
        """Return the clip at another sample rate (Hz), resampled at most once; None returns the clip itself."""
        if sample_rate is None or sample_rate == self.sample_rate:
            return self
        key = ("at", sample_rate)
        if key not in self._features:
            samples = soxr.resample(self.samples, self.sample_rate, sample_rate, quality="VHQ")
            self._features[key] = replace(self, samples=samples.astype(np.float32, copy=False), sample_rate=sample_rate)
        clip: Clip = self._features[key]
        return clip


class Noise:
    """Random numbers for a batch, from one generator per utterance.

    Each utterance draws from its own stream and only for its own length, so its numbers depend neither on the other
    utterances of the batch nor on the padding. They are drawn on the CPU and then moved, so that every device uses the
    same numbers. Reading the lengths of a mask waits for its device, so they are read once per mask, and not at all for
    masks whose lengths are ``remember``ed.
    """

    def __init__(self, seeds: list[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._lengths: list[tuple[Tensor, list[int]]] = []  # masks, compared by identity

    def remember(self, mask: Tensor, lengths: list[int]) -> None:
        """Store the numbers of real steps of a mask (B, T), one per utterance."""
        self._lengths.append((mask, lengths))

    def normal(self, mask: Tensor, channels: int) -> Tensor:
        """Return standard normal numbers (B, T, channels), 0 where ``mask`` (B, T) is False."""
        return self._fill(mask, channels, torch.randn)

    def uniform(self, mask: Tensor, channels: int) -> Tensor:
        """Return numbers uniform on [0, 1) (B, T, channels), 0 where ``mask`` (B, T) is False."""
        return self._fill(mask, channels, torch.rand)

    def time(self, device: torch.device | str = "cpu") -> Tensor:
        """Return one number per utterance, uniform on [0, 1): (B,)."""
        drawn = torch.cat([torch.rand(1, generator=generator) for generator in self._generators])
        return upload(drawn, torch.device(device))

    def dropout(self, x: Tensor, mask: Tensor, rate: float) -> Tensor:
        """Return x (B, T, C) with a share ``rate`` of its values set to 0 and the rest divided by 1 - ``rate``.

        In place of ``nn.Dropout``, which draws from the global generator; call it in training only.
        """
        kept = self.uniform(mask, x.shape[-1]) >= rate
        return x * kept / (1 - rate)

    def _fill(self, mask: Tensor, channels: int, draw: Callable[..., Tensor]) -> Tensor:
        batch, time = mask.shape
        if batch != len(self._generators):
            raise ValueError(f"Noise was made for {len(self._generators)} utterances, the mask has {batch}.")
        out = torch.zeros(batch, time, channels)
        for row, (length, generator) in enumerate(zip(self.lengths(mask), self._generators, strict=True)):
            out[row, :length] = draw(length, channels, generator=generator)
        return upload(out, mask.device)

    def lengths(self, mask: Tensor) -> list[int]:
        """Return the number of real steps of each utterance of a mask (B, T)."""
        for known, lengths in self._lengths:
            if known is mask:
                return lengths
        self.remember(mask, mask.sum(dim=1).tolist())
        return self._lengths[-1][1]
