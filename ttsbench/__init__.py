"""ttsbench compares generative objectives for text-to-speech, with the objective as the only thing that differs.

Everything a plug-in needs is here: the protocols (``Adapter``, ``Metric``, ``Corpus``, ``Vocoder``, ``Transcriber``),
what they are handed (``Batch``, ``Condition``, ``Clip``, ...), and the errors they may raise.
"""

from ttsbench.audio.usable import require_usable
from ttsbench.errors import ClipError, ConfigError, CorpusError, MeasurementError, NotApplicable, TtsbenchError
from ttsbench.interfaces import (
    Adapter,
    Codec,
    Continuing,
    Corpus,
    FlooredMetric,
    Judge,
    Metric,
    Prompted,
    Refining,
    Streaming,
    StreamingVocoder,
    Transcriber,
    Vocoder,
    Watched,
    WeightedMetric,
)
from ttsbench.nn.blocks import masked_mean
from ttsbench.types import (
    AdapterInfo,
    Batch,
    Behaviour,
    Clip,
    Condition,
    Cost,
    MetricInfo,
    ModelContext,
    Noise,
    Phone,
    Prompt,
    Spoken,
    Utterance,
)

__version__ = "0.1.0"

__all__ = [
    "Adapter",
    "AdapterInfo",
    "Batch",
    "Behaviour",
    "Clip",
    "ClipError",
    "Codec",
    "Condition",
    "ConfigError",
    "Continuing",
    "Corpus",
    "CorpusError",
    "Cost",
    "FlooredMetric",
    "Judge",
    "MeasurementError",
    "Metric",
    "MetricInfo",
    "ModelContext",
    "Noise",
    "NotApplicable",
    "Phone",
    "Prompt",
    "Prompted",
    "Refining",
    "Spoken",
    "Streaming",
    "StreamingVocoder",
    "Transcriber",
    "TtsbenchError",
    "Utterance",
    "Vocoder",
    "Watched",
    "WeightedMetric",
    "masked_mean",
    "require_usable",
]
