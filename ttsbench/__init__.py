"""ttsbench compares generative objectives for text-to-speech, with the objective as the only thing that differs.

Everything a plug-in needs is here: the protocols (``Adapter``, ``Metric``, ``Corpus``, ``Vocoder``, ``Transcriber``),
what they are handed (``Batch``, ``Condition``, ``Clip``, ...), and the errors they may raise.

A batch is padded. Losses average over its real steps, and noise is drawn for each utterance by its own seed, so that
neither depends on the padding:

>>> import torch
>>> from ttsbench import Noise, masked_mean
>>> mask = torch.tensor([[True, True, True], [True, False, False]])
>>> noise = Noise([7, 8]).normal(mask, channels=2)
>>> noise.shape, bool(noise[1, 1:].any())
(torch.Size([2, 3, 2]), False)
>>> alone = Noise([8]).normal(mask[1:, :1], channels=2)
>>> torch.equal(noise[1, :1], alone[0])
True
>>> masked_mean(torch.full((2, 3, 2), 5.0), mask)
tensor(5.)
"""

from ttsbench.audio.usable import require_usable
from ttsbench.errors import ClipError, ConfigError, CorpusError, MeasurementError, NotApplicable, TtsbenchError
from ttsbench.interfaces import (
    Adapter,
    Codec,
    Corpus,
    FineTunedAdapter,
    FlooredMetric,
    Judge,
    Metric,
    MonitoredAdapter,
    Prompted,
    RefiningAdapter,
    StatefulAdapter,
    Streaming,
    StreamingVocoder,
    Teacher,
    Transcriber,
    Vocoder,
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
    SampledSequence,
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
    "Corpus",
    "CorpusError",
    "Cost",
    "FineTunedAdapter",
    "FlooredMetric",
    "Judge",
    "MeasurementError",
    "Metric",
    "MetricInfo",
    "ModelContext",
    "MonitoredAdapter",
    "Noise",
    "NotApplicable",
    "Phone",
    "Prompt",
    "Prompted",
    "RefiningAdapter",
    "SampledSequence",
    "StatefulAdapter",
    "Streaming",
    "StreamingVocoder",
    "Teacher",
    "Transcriber",
    "TtsbenchError",
    "Utterance",
    "Vocoder",
    "WeightedMetric",
    "masked_mean",
    "require_usable",
]
