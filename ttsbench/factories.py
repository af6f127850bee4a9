"""Protocols of the classes of plug-ins: their constructors, which take the options of an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from ttsbench.interfaces import Adapter, Codec, Corpus, Judge, Metric, Normaliser, Transcriber, Vocoder
from ttsbench.types import AdapterInfo, ModelContext


class TrainableFactory(Protocol):
    """Class of an adapter or a judge: the part that training needs."""

    info: ClassVar[AdapterInfo]
    __module__: str

    def __call__(self, context: ModelContext, /, **options: Any) -> Any:
        """Build the adapter or the judge."""
        ...


class AdapterFactory(TrainableFactory, Protocol):
    """Class of an adapter."""

    sample: Any  # the unbound method, whose signature holds the adapter's own sampling options

    def __call__(self, context: ModelContext, /, **options: Any) -> Adapter:
        """Build the adapter."""
        ...


class JudgeFactory(TrainableFactory, Protocol):
    """Class of a judge."""

    def __call__(self, context: ModelContext, /, **options: Any) -> Judge:
        """Build the judge."""
        ...


class MetricFactory(Protocol):
    """Class of a metric."""

    __module__: str

    def __call__(self, **options: Any) -> Metric:
        """Build the metric."""
        ...


class CorpusFactory(Protocol):
    """Class of a corpus."""

    __module__: str

    def __call__(self, path: Path | None, /, **options: Any) -> Corpus:
        """Build the corpus; ``path`` is None for a generated corpus."""
        ...


class VocoderFactory(Protocol):
    """Class of a vocoder."""

    __module__: str

    def __call__(self, mel: Any, /, **options: Any) -> Vocoder:
        """Build the vocoder for the settings of a mel spectrogram (``ttsbench.config.schema.MelConfig``)."""
        ...


class CodecFactory(Protocol):
    """Class of a codec."""

    __module__: str

    def __call__(self, **options: Any) -> Codec:
        """Build the codec."""
        ...


class TranscriberFactory(Protocol):
    """Class of a transcriber."""

    __module__: str

    def __call__(self, vocabulary: Sequence[str], /, **options: Any) -> Transcriber:
        """Build the transcriber."""
        ...


class NormaliserFactory(Protocol):
    """Class of a normaliser."""

    __module__: str

    def __call__(self, language: str, /) -> Normaliser:
        """Build the normaliser of a language; raise ``ConfigError`` for a language that it cannot read."""
        ...


class FigureFunction(Protocol):
    """A function that draws a figure of a finished run."""

    __module__: str

    def __call__(self, run: Any, /) -> Any:
        """Return a ``ttsbench.figures.Drawing`` of a ``FinishedRun``, or None if there is nothing to draw."""
        ...
