"""What a plug-in must look like. No base class: anything of this shape will do.

Register one under an entry-point group: ``ttsbench.adapters``, ``ttsbench.metrics``, ``ttsbench.corpora``,
``ttsbench.vocoders``, ``ttsbench.codecs`` or ``ttsbench.transcribers``. Options from the experiment arrive as keyword
arguments of the constructor, so its signature is what a config is validated against.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ttsbench.types import AdapterInfo, Batch, Clip, Condition, MetricInfo, Noise, Samples, Spoken, Utterance


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
        """Optimizer group -> network. ``generator`` is what sampling calls, and what is saved."""
        ...

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Optimizer group -> scalar loss, averaged over valid elements. A group left out rests at this step."""
        ...

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor | Spoken:
        """Draw a target (B, T, C) with ``nfe`` calls of the generator; padding is ignored by the caller.

        Parameters after these are the adapter's own, each with a default: an experiment sets them under ``sampling``.
        Raises ``ClipError`` where what is sampled has diverged: the clip then counts as failed, for that reason. Where
        ``info.free_running`` it is acoustic only, learns from whole utterances, reads nothing of ``cond`` but phones,
        their states and the speaker when it samples, and returns ``Spoken``.
        """
        ...


class Judge(Protocol):
    """A model trained on recordings alone, by which an adapter may learn: a recogniser, a speaker encoder.

    Registered under ``ttsbench.judges`` and built as an adapter is. Adapters name it as one they start from, and find
    it frozen in ``context.sources``; it is no row of a table, and nothing is evaluated by it.
    """

    info: ClassVar[AdapterInfo]

    def networks(self) -> Mapping[str, nn.Module]:
        """Optimizer group -> network; ``generator`` is what is saved."""
        ...

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """What it learns by, from recorded targets."""
        ...

    def judge(self, y: Tensor, reference: Tensor, cond: Condition) -> Tensor:
        """What is wrong with y (B, T, C), differentiable, (B,); ``reference`` (B, T, C) is the recorded target."""
        ...


@runtime_checkable
class Refining(Protocol):
    """An adapter whose sampling begins with a draw of a model it starts from: that one's cost counts as its own."""

    @property
    def refines(self) -> str:
        """The adapter that is sampled first."""
        ...


@runtime_checkable
class Continuing(Protocol):
    """An adapter that goes on from a model it starts from: the encoder begins as that one's, whatever else does."""

    @property
    def continues(self) -> str:
        """The adapter whose model it is."""
        ...


@runtime_checkable
class Watched(Protocol):
    """An adapter that tells more of its training than its losses: a classifier's accuracy, the norm of a score."""

    def watched(self) -> Mapping[str, float]:
        """Numbers of the latest call of ``losses``; they stand in ``curve.csv`` as ``watched_<name>``."""
        ...


@runtime_checkable
class Prompted(Protocol):
    """A free-running adapter that may be told who speaks by another recording, ``cond.prompt``, and by that alone."""

    @property
    def prompted(self) -> bool:
        """Whether it is, with the options it has."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """A free-running adapter that can be heard before it has finished."""

    def stream(self, cond: Condition, rng: Noise, temperature: float = 1.0) -> Iterator[Spoken]:
        """What ``sample`` draws from the same noise, chunk by chunk: values, real steps among them, who has stopped.

        What ``sample`` takes beyond temperature it takes too. Only the last chunk, which may be empty, need know who
        has stopped.
        """
        ...


@runtime_checkable
class Metric(Protocol):
    """A number about a system, from sufficient statistics of single clips. Built as ``cls(**options)``."""

    @property
    def info(self) -> MetricInfo:
        """Name, unit, direction, columns, signature."""
        ...

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Sufficient statistics of one clip, one per ``info.columns``.

        Raises ``MeasurementError`` where there is no answer. Without "reference" in ``info.needs``, ``reference`` is
        the clip itself.
        """
        ...

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """The metric over any multiset of rows (n, columns), n >= 1; NaN where it is undefined."""
        ...


@runtime_checkable
class WeightedMetric(Metric, Protocol):
    """A metric that reduces many resamples at once, which is 2 to 40 times as fast (`benchmarks/intervals.py`)."""

    def reduce_weighted(self, rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """``reduce``, (R,), of R multisets of the rows (n, columns): weights (R, n) say how often each holds a row."""
        ...


@runtime_checkable
class FlooredMetric(Metric, Protocol):
    """A metric that finite samples keep above its ideal value, such as a divergence of histograms."""

    def floor(self, rows: NDArray[np.float64], rng: np.random.Generator) -> float:
        """What ``reduce`` would give on as many rows (n, columns) were clip and reference of one distribution."""
        ...


class Corpus(Protocol):
    """Recordings with text. Built as ``cls(path, **options)``; ``path`` is None where the corpus makes itself."""

    def utterances(self) -> Sequence[Utterance]:
        """Every utterance, generated or downloaded first where that was asked for; raises ``CorpusError``."""
        ...


class Vocoder(Protocol):
    """A mel spectrogram to a waveform. Built as ``cls(mel: MelConfig, **options)``."""

    def synthesize(self, log_mel: Tensor) -> Tensor:
        """(T, M) natural-log mel -> (T * hop_length,) samples in [-1, 1]. Deterministic."""
        ...


@runtime_checkable
class StreamingVocoder(Protocol):
    """A vocoder that does not wait for the end of a mel spectrogram."""

    def stream(self, log_mels: Iterable[Tensor]) -> Iterator[Tensor]:
        """Chunks (T_i, M) of one natural-log mel -> chunks of its samples, sum of T_i * hop_length in all."""
        ...


class Codec(Protocol):
    """Continuous latents of speech, and speech from them. Built as ``cls(**options)``."""

    @property
    def sample_rate(self) -> int:
        """Of the speech, Hz."""
        ...

    @property
    def frame_rate(self) -> float:
        """Latents per second."""
        ...

    @property
    def channels(self) -> int:
        """C of a latent."""
        ...

    def encode(self, samples: Samples) -> Tensor:
        """Mono samples (N,) at ``sample_rate`` -> latents (T, C)."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (T, C) -> samples (N,) in [-1, 1]. Deterministic."""
        ...


class Transcriber(Protocol):
    """A recogniser. Built as ``cls(vocabulary: Sequence[str], **options)``, words of the corpus in lower case."""

    signature: str
    sample_rate: int

    def transcribe(self, samples: Samples) -> str:
        """Mono samples at ``sample_rate`` -> words in lower case; empty where nothing was heard."""
        ...
