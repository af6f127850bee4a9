"""ttsbench compares generative objectives for text-to-speech, with the objective as the only thing that differs.

This module exports everything that a plug-in needs: the protocols (``Adapter``, ``Metric``, ``Corpus``, ``Vocoder``,
``Transcriber``, ...), their arguments (``Batch``, ``Condition``, ``Clip``, ...), and the errors that they may raise.
Names are imported on first use, so that commands which do not need PyTorch start without it.

Batches are padded. Losses average over real steps, and every utterance draws noise with its own seed, so neither
depends on the padding:

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

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
        Draws,
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
    "Draws",
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

_EXPORTS = {
    "ttsbench.audio.usable": ("require_usable",),
    "ttsbench.errors": ("ClipError", "ConfigError", "CorpusError", "MeasurementError", "NotApplicable",
        "TtsbenchError"),
    "ttsbench.interfaces": ("Adapter", "Codec", "Corpus", "FineTunedAdapter", "FlooredMetric", "Judge", "Metric",
        "MonitoredAdapter", "Prompted", "RefiningAdapter", "StatefulAdapter", "Streaming", "StreamingVocoder",
        "Teacher", "Transcriber", "Vocoder", "WeightedMetric"),
    "ttsbench.nn.blocks": ("masked_mean",),
    "ttsbench.types": ("AdapterInfo", "Batch", "Behaviour", "Clip", "Condition", "Cost", "Draws", "MetricInfo",
        "ModelContext", "Noise", "Phone", "Prompt", "SampledSequence", "Utterance"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}

if not TYPE_CHECKING:  # type checkers see the imports above, and report any other name

    def __getattr__(name: str) -> Any:
        """Import an exported name on first use (PEP 562)."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'ttsbench' has no attribute '{name}'")
        globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
