"""ttsbench compares generative objectives for text-to-speech, with the objective as the only thing that differs.

Everything a plug-in needs is here: the protocols (``Adapter``, ``Metric``, ``Corpus``, ``Vocoder``, ``Transcriber``),
what they are handed (``Batch``, ``Condition``, ``Clip``, ...), and the errors they may raise.
"""

from ttsbench.audio.usable import require_usable
from ttsbench.errors import ClipError, ConfigError, CorpusError, MeasurementError, TtsbenchError
from ttsbench.interfaces import Adapter, Corpus, Metric, Transcriber, Vocoder
from ttsbench.nn.blocks import masked_mean
from ttsbench.types import (
    AdapterInfo,
    Batch,
    Clip,
    Condition,
    Cost,
    MetricInfo,
    ModelContext,
    Noise,
    Phone,
    Utterance,
)

__version__ = "0.1.0"

__all__ = [
    "Adapter",
    "AdapterInfo",
    "Batch",
    "Clip",
    "ClipError",
    "Condition",
    "ConfigError",
    "Corpus",
    "CorpusError",
    "Cost",
    "MeasurementError",
    "Metric",
    "MetricInfo",
    "ModelContext",
    "Noise",
    "Phone",
    "Transcriber",
    "TtsbenchError",
    "Utterance",
    "Vocoder",
    "masked_mean",
    "require_usable",
]
