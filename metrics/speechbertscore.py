"""SpeechBERTScore: how well the sounds of a clip match those of the reference, in the features of a speech model.

T. Saeki, S. Maiti, S. Takamichi, S. Watanabe and H. Saruwatari, "SpeechBERTScore: reference-aware automatic evaluation
of speech generation leveraging NLP evaluation metrics", Interspeech 2024, https://arxiv.org/abs/2401.16812. With the
hidden states x_i (i = 1..N) of the clip and y_j (j = 1..M) of the reference, 50 per second:

    precision = 1/N sum_i max_j cos(x_i, y_j)      recall = 1/M sum_j max_i cos(x_i, y_j)
    F1 = 2 precision recall / (precision + recall)

The matching ignores the order of the sounds. The states are the output of transformer block ``layer`` (0: the input of
the first). The model's own preprocessor scales the samples, to unit variance for WavLM-large, so the level has no
effect. The authors' toolkit omits this scaling, and its numbers differ slightly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio.bandwidth import WIDEBAND_HZ
from ttsbench.audio.usable import usable_at
from ttsbench.backends.hub import HubModel, inference, load
from ttsbench.errors import ConfigError, MeasurementError
from ttsbench.reductions import Mean
from ttsbench.types import Behaviour, Clip, MetricInfo

SAMPLE_RATE = 16000  # Hz
PAPER = "Saeki et al. 2024, https://arxiv.org/abs/2401.16812"

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class HiddenStates:
    """Unit-length hidden states (N, D) of a clip at 16 kHz; equal objects share the result of ``clip.feature``."""

    source: HubModel
    layer: int

    def require(self) -> None:
        """Raise ``ConfigError`` if the model is missing or has no such layer."""
        self.source.require()
        blocks = self.source.config().get("num_hidden_layers", self.layer)
        if self.layer > blocks:
            raise ConfigError(
                f"{self.source.name} has layers 0 to {blocks}, but layer is {self.layer}; choose another."
            )

    def __call__(self, clip: Clip) -> Matrix:
        """Return the states; raises ``ConfigError`` like ``require``."""
        self.require()
        model, extractor = load(self.source, "AutoModel", "AutoFeatureExtractor")
        inputs = extractor(clip.samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with inference():
            layers = model(inputs.input_values.to(model.device), output_hidden_states=True).hidden_states
        states = layers[self.layer][0].cpu().numpy().astype(np.float64)
        directions: Matrix = states / np.linalg.norm(states, axis=1, keepdims=True)
        return directions


def precision_recall(x: Matrix, y: Matrix) -> tuple[float, float]:
    """Return precision and recall of x (N, D) against y (M, D), both of unit length.

    >>> precision_recall(np.eye(2), np.eye(2)[:1])
    (0.5, 1.0)
    """
    cosines = x @ y.T
    return float(cosines.max(axis=1).mean()), float(cosines.max(axis=0).mean())


class _SpeechBertScore(Mean):
    """Base of the three scores: the model, and the mean over utterances."""

    _name: ClassVar[str]
    _title: ClassVar[str]
    _symmetric: ClassVar[float | None] = None

    def __init__(self, model: str = "microsoft/wavlm-large", layer: int = 14, device: str = "cpu") -> None:
        if not (isinstance(layer, int) and layer >= 0):
            raise ConfigError(f"{self._name}'s layer is {layer!r}; give the number of a transformer block, or 0.")
        source = HubModel(model, "mcd", device=device)
        self._states = HiddenStates(source, layer)
        self.info = MetricInfo(
            name=self._name,
            title=self._title,
            unit="cosine",
            higher_is_better=True,
            columns=("score",),
            signature=f"{self._name}|{source.label}|layer:{layer}|16kHz|mean:utterances|v1",
            paper=PAPER,
            sample_rate=SAMPLE_RATE,
            band_hz=WIDEBAND_HZ,
            behaviour=Behaviour(identity=1.0, symmetric=self._symmetric),
        )

    def require(self) -> None:
        """Raise ``ConfigError`` if the model is missing or has no such layer."""
        self._states.require()

    def _precision_recall(self, clip: Clip, reference: Clip) -> tuple[float, float]:
        pair = [usable_at(side, SAMPLE_RATE) for side in (clip, reference)]
        x, y = (side.feature(self._states) for side in pair)
        return precision_recall(x, y)


class SpeechBertPrecision(_SpeechBertScore):
    """Mean similarity of each sound of the clip to the closest sound of the reference."""

    _name, _title = "speechbertscore_precision", "SpeechBERTScore precision"

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the precision; raise ``MeasurementError`` if either is empty, silent or very short."""
        return (self._precision_recall(clip, reference)[0],)


class SpeechBertRecall(_SpeechBertScore):
    """Mean similarity of each sound of the reference to the closest sound of the clip."""

    _name, _title = "speechbertscore_recall", "SpeechBERTScore recall"

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the recall; raise ``MeasurementError`` if either is empty, silent or very short."""
        return (self._precision_recall(clip, reference)[1],)


class SpeechBertF1(_SpeechBertScore):
    """Harmonic mean of precision and recall."""

    _name, _title = "speechbertscore_f1", "SpeechBERTScore F1"
    _symmetric = 1e-9

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return F1; raise ``MeasurementError`` if either is unusable or if no sounds match."""
        precision, recall = self._precision_recall(clip, reference)
        if precision <= 0 or recall <= 0:
            raise MeasurementError(
                f"clip {clip.id!r} and its reference have no sounds in common (precision {precision:.2f}, recall "
                f"{recall:.2f}); listen to both"
            )
        return (2 * precision * recall / (precision + recall),)
