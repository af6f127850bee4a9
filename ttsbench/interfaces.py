"""Protocols of plug-ins. There are no base classes: any class with these methods is a plug-in.

A plug-in is registered in an entry-point group: ``ttsbench.adapters``, ``ttsbench.judges``, ``ttsbench.metrics``,
``ttsbench.corpora``, ``ttsbench.vocoders``, ``ttsbench.codecs``, ``ttsbench.transcribers``, ``ttsbench.normalisers`` or
``ttsbench.figures``. The options of an experiment become keyword arguments of the constructor
(``ttsbench.factories``), and are checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ttsbench.types import (
    AdapterInfo,
    Batch,
    Clip,
    Condition,
    MetricInfo,
    Noise,
    SampledSequence,
    Samples,
    Utterance,
)


@runtime_checkable
class Adapter(Protocol):
    """An objective: a model of a target sequence (B, T, C) given a conditioning sequence (B, T, D).

    Built as ``cls(context: ModelContext, **options)``. The same adapter serves as acoustic model (C = mel bins,
    T = frames) and as prosody model (C = 2: phone log-F0 and log-duration, T = phones).

    An adapter that starts from others names them in ``info.starts_from``; where that depends on its options, it has a
    static method ``starts_from(**options)`` that names them instead.
    """

    info: ClassVar[AdapterInfo]

    def networks(self) -> Mapping[str, nn.Module]:
        """Optimizer group -> network. Sampling uses only ``generator``, which is saved."""
        ...

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Optimizer group, or several as "a+b" -> scalar loss over valid elements. Other groups are not updated."""
        ...

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor | SampledSequence:
        """Draw a target (B, T, C) with ``nfe`` calls of the generator; padding is ignored by the caller.

        Further parameters are the adapter's own sampling options and need defaults; an experiment sets them under
        ``sampling``. Raises ``ClipError`` when sampling diverges; the clip then counts as failed.

        A free-running adapter (``info.free_running``) is an acoustic model, trains on whole utterances, reads only
        phones, their states and the speaker from ``cond``, and returns a ``SampledSequence``.
        """
        ...


@runtime_checkable
class StatefulAdapter(Protocol):
    """An adapter with state that is not optimised, such as a moving average of a network."""

    def state(self) -> Mapping[str, nn.Module | Tensor]:
        """Name -> module or tensor; the name of a tensor is the attribute of the adapter that holds it.

        State is saved and moved to the device. With ``start_from`` its backbones start as those of ``networks()`` do.
        Sampling must not need it: only ``generator`` is in the saved model.
        """
        ...


class Judge(Protocol):
    """A recogniser or speaker encoder trained on recordings, whose loss an adapter can minimise.

    It is registered under ``ttsbench.judges`` and built like an adapter. Adapters list it in ``starts_from`` and find
    it frozen in ``context.sources``. It is never a row of a table and never used for evaluation.
    """

    info: ClassVar[AdapterInfo]

    def networks(self) -> Mapping[str, nn.Module]:
        """Optimizer group -> network; ``generator`` is saved."""
        ...

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Optimizer group -> scalar training loss on recorded targets."""
        ...

    def judge(self, y: Tensor, reference: Tensor, cond: Condition) -> Tensor:
        """Differentiable loss of y (B, T, C) against the recorded ``reference`` (B, T, C), one value per utterance."""
        ...


@runtime_checkable
class Teacher(Adapter, Protocol):
    """A denoising adapter that ``dmd`` can distil: it maps noisy data at any level to the expected data.

    Data are what the adapter denoises, for example whitened residuals: ``to_data`` and ``from_data`` convert targets.
    Noisy data are x_t = alpha y + sigma z with (alpha, sigma) = ``levels(t)``, t = 0 noise, t = 1 data.
    """

    def to_data(self, target: Tensor, cond: Condition) -> Tensor:
        """Data (B, T, C) of a target (B, T, C)."""
        ...

    def from_data(self, data: Tensor, cond: Condition) -> Tensor:
        """Target (B, T, C) of data (B, T, C)."""
        ...

    def levels(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Scales alpha of the data and sigma of the noise at t (B,), each (B, 1, 1)."""
        ...

    def time_at(self, share: Tensor) -> Tensor:
        """Times t (B,) at which sigma / (alpha + sigma) equals ``share`` (B,) in [0, 1]."""
        ...

    def denoising_loss(self, data: Tensor, cond: Condition, rng: Noise) -> Tensor:
        """Scalar training loss of the denoiser on data (B, T, C)."""
        ...

    def predict_data(self, x: Tensor, cond: Condition, t: Tensor) -> Tensor:
        """Expected data (B, T, C) given x_t (B, T, C) and t (B,): one function evaluation."""
        ...

    def student(self, sources: Mapping[str, nn.Module] | None = None) -> Teacher:
        """Return a trainable copy with its own networks and without guidance, on ``sources`` in place of its own."""
        ...

    def shared_parameters(self) -> list[nn.Parameter]:
        """Parameters that teacher and fake score must share (text upsampling); they stay frozen."""
        ...


@runtime_checkable
class RefiningAdapter(Protocol):
    """An adapter that refines a draw of another model, whose cost counts as its own."""

    @property
    def refines(self) -> str:
        """Name of the adapter that is sampled first; empty where the options leave it out."""
        ...


@runtime_checkable
class FineTunedAdapter(Protocol):
    """An adapter that continues the training of a source model: its conditioner starts from that model's."""

    @property
    def fine_tunes(self) -> str:
        """Name of the source adapter."""
        ...


@runtime_checkable
class MonitoredAdapter(Protocol):
    """An adapter that reports more of its training than losses, such as a classifier's accuracy."""

    def monitored(self) -> Mapping[str, float | Tensor]:
        """Numbers of the latest call of ``losses``, written to ``curve.csv`` as ``monitored_<name>``.

        Scalar tensors are read when a step is logged; an adapter that reads them itself makes the host wait for the
        device at every step.
        """
        ...


@runtime_checkable
class Prompted(Protocol):
    """A free-running adapter that can take the speaker's identity from another recording, ``cond.prompt``, alone."""

    @property
    def prompted(self) -> bool:
        """True if this instance uses a prompt."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """A free-running adapter that yields its output in chunks while it is still sampling."""

    def stream(self, cond: Condition, rng: Noise, temperature: float = 1.0) -> Iterator[SampledSequence]:
        """Yield what ``sample`` draws from the same noise, chunk by chunk.

        It takes the sampling options of ``sample``. Only the last chunk, which may be empty, must have the final
        ``stopped``.
        """
        ...


@runtime_checkable
class Metric(Protocol):
    """A number for a system, computed from sufficient statistics of its clips. Built as ``cls(**options)``."""

    @property
    def info(self) -> MetricInfo:
        """Name, unit, direction, columns, signature."""
        ...

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Sufficient statistics of one clip, one per ``info.columns``.

        Raises ``MeasurementError`` if the metric has no value for the clip. Unless ``info.needs`` contains
        "reference", ``reference`` is the clip itself.
        """
        ...

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """The metric over any multiset of rows (n, columns), n >= 1; NaN if it is undefined."""
        ...


@runtime_checkable
class WeightedMetric(Metric, Protocol):
    """A metric that reduces many resamples at once, 2 to 40 times faster (`benchmarks/intervals.py`)."""

    def reduce_weighted(self, rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """``reduce`` of R multisets of the rows (n, columns), (R,); weights (R, n) count each row in each multiset."""
        ...


@runtime_checkable
class FlooredMetric(Metric, Protocol):
    """A metric whose value stays above its ideal on finite samples, such as a divergence of histograms."""

    def floor(self, rows: NDArray[np.float64], rng: np.random.Generator) -> float:
        """Expected value of ``reduce`` on rows (n, columns) if clips and references had the same distribution."""
        ...


class Corpus(Protocol):
    """Recordings with text. Built as ``cls(path, **options)``; ``path`` is None for a generated corpus."""

    def utterances(self) -> Sequence[Utterance]:
        """All utterances, after generating or downloading them if the options ask for it; raises ``CorpusError``."""
        ...


@runtime_checkable
class RedrawableCorpus(Corpus, Protocol):
    """A corpus that draws a hidden part of its recordings from a known distribution, and can draw it again."""

    @property
    def redrawable(self) -> bool:
        """True if recordings have a hidden part, with the options of the corpus."""
        ...

    def redraw(self, utterances: Sequence[Utterance], draws: int) -> list[list[tuple[Samples, int]]]:
        """Return other recordings (N,) and their rate in Hz: ``draws`` of each utterance, of the recording's length.

        Text, speaker and all inputs of models are those of the utterance; the same list gives the same samples.
        """
        ...


@runtime_checkable
class PlannedCorpus(Corpus, Protocol):
    """A generated corpus that sets its own splits and knows their sizes before it is generated."""

    def split_sizes(self) -> Mapping[str, int]:
        """Return the numbers of utterances in the splits ``test`` and ``valid``."""
        ...


class Vocoder(Protocol):
    """Converts mel spectrograms to waveforms. Built as ``cls(mel: MelConfig, **options)``."""

    def synthesize(self, log_mel: Tensor) -> Tensor:
        """(T, M) natural-log mel -> (T * hop_length,) samples in [-1, 1]. Deterministic."""
        ...


@runtime_checkable
class StreamingVocoder(Protocol):
    """A vocoder that synthesizes a mel spectrogram in chunks, before its end is known."""

    def stream(self, log_mels: Iterable[Tensor]) -> Iterator[Tensor]:
        """Chunks (T_i, M) of one natural-log mel -> chunks of its samples, sum(T_i) * hop_length in total."""
        ...


class Codec(Protocol):
    """Encodes speech as continuous latents and decodes them. Built as ``cls(**options)``."""

    @property
    def sample_rate(self) -> int:
        """Sample rate of the speech, Hz."""
        ...

    @property
    def frame_rate(self) -> float:
        """Latents per second."""
        ...

    @property
    def channels(self) -> int:
        """Number of channels C of a latent."""
        ...

    def encode(self, samples: Samples) -> Tensor:
        """Mono samples (N,) at ``sample_rate`` -> latents (T, C)."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (T, C) -> samples (N,) in [-1, 1]. Deterministic."""
        ...


class Transcriber(Protocol):
    """A speech recogniser, ``cls(vocabulary, **options)``.

    One with a closed vocabulary has ``vocabulary_size``. A class that knows some languages only lists them in
    ``languages``; one with an option ``language`` is given that of the corpus.
    """

    signature: str
    sample_rate: int

    def transcribe(self, samples: Samples) -> str:
        """Mono samples at ``sample_rate`` -> what was said, as text; empty if nothing was recognised."""
        ...


@runtime_checkable
class Multilingual(Protocol):
    """A recogniser for clips of several languages; its option ``language`` names them all, such as ``de+en``."""

    def in_language(self, language: str) -> Transcriber:
        """Return the recogniser for clips in one of its languages; an empty name means the first of them."""
        ...


class Normaliser(Protocol):
    """Text normalisation, ``cls(language)``: from a text or a transcript to the units that error rates count."""

    signature: str
    unit: str  # "word" or "character"

    def units(self, text: str) -> list[str]:
        """Return the units of a text; raise ``ClipError`` for a text that cannot be read."""
        ...
