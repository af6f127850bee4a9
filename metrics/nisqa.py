"""NISQA: quality predicted from the clip alone, in five dimensions, through `torchmetrics`.

G. Mittag, B. Naderi, A. Chehadi and S. Möller, "NISQA: a deep CNN-self-attention model for multidimensional speech
quality prediction with crowdsourced datasets", Interspeech 2021, https://arxiv.org/abs/2104.09494. The clip is analysed
at its own rate up to 20 kHz, as published; at most 52 s. The weights are not part of any package and are never
downloaded here: get nisqa.tar from https://github.com/gabrielmittag/NISQA (weights/, CC BY-NC-SA 4.0). They are loaded
as tensors only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from ttsbench.audio.bandwidth import WIDEBAND_HZ
from ttsbench.audio.usable import require_usable
from ttsbench.engine.store import file_hash
from ttsbench.errors import ConfigError, MeasurementError
from ttsbench.reductions import Mean
from ttsbench.types import Behaviour, Clip, MetricInfo

WEIGHTS = "~/.torchmetrics/NISQA/nisqa.tar"  # where torchmetrics puts them
PAPER = "Mittag et al. 2021, https://arxiv.org/abs/2104.09494"
TITLES = ("overall quality", "noisiness", "discontinuity", "coloration", "loudness")  # in the order of the model


@dataclass(frozen=True)
class _Analysis:
    """The five scores of a clip as a feature, so that a clip is analysed once for all metrics."""

    weights: Path
    device: str

    def __call__(self, clip: Clip) -> tuple[float, ...]:
        from torchmetrics.functional.audio import nisqa

        network, settings = load(self.weights, self.device)
        try:
            spectrum = nisqa._get_librosa_melspec(clip.samples[None], clip.sample_rate, settings)
            segments, count = nisqa._segment_specs(torch.from_numpy(spectrum), settings)
        except RuntimeError as error:
            raise MeasurementError(f"clip {clip.id!r}: {error}") from error
        with torch.no_grad():
            scores = network(segments.to(self.device), count.expand(1))  # the counts stay where torch packs sequences
            return tuple(scores[0].tolist())


@lru_cache(maxsize=2)
def load(weights: Path, device: str = "cpu") -> tuple[Any, dict[str, Any]]:
    """Return network in eval mode and settings; raises ``ConfigError`` for a file that is no checkpoint of NISQA."""
    from torchmetrics.functional.audio import nisqa

    try:
        checkpoint = torch.load(weights, map_location="cpu", weights_only=True)
        network = nisqa._NISQADIM(checkpoint["args"])
        network.load_state_dict(checkpoint["model_state_dict"], strict=True)
    except Exception as error:  # a damaged file fails in many ways
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise ConfigError(f"{weights} is no checkpoint of NISQA ({reason}); get nisqa.tar again.") from error
    return network.eval().to(device), checkpoint["args"]


class _Nisqa(Mean):
    """Mean over utterances of one of the five outputs of NISQA, which the subclass selects by ``_index``."""

    _index: int
    _name: str

    def __init__(self, weights: str = WEIGHTS, device: str = "cpu") -> None:
        self._weights = Path(weights).expanduser()
        label = file_hash(self._weights)[:8] if self._weights.is_file() else "missing"
        self._analyse = _Analysis(self._weights, device)
        self.info = MetricInfo(
            name=self._name,
            title=f"NISQA {TITLES[self._index]}",
            unit="MOS",
            higher_is_better=True,
            columns=("mos",),
            signature=f"{self._name}|v2@{label}|torchmetrics|mean:utterances|v1",
            paper=PAPER,
            needs=frozenset(),
            band_hz=WIDEBAND_HZ,
            behaviour=Behaviour(worsens=frozenset({"noise"}) if self._index < 2 else frozenset()),
        )

    def require(self) -> None:
        """Raise ``ConfigError`` if the weights are missing."""
        if not self._weights.is_file():
            raise ConfigError(
                f"The weights of NISQA are not at {self._weights}. Get nisqa.tar from "
                "https://github.com/gabrielmittag/NISQA, or set the option weights. dnsmos works without it."
            )
        load(self._weights)

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the score, about 1 to 5; raise ``MeasurementError`` for a clip that is unusable or above 52 s."""
        require_usable(clip)
        return (clip.feature(self._analyse)[self._index],)


class Nisqa(_Nisqa):
    """Overall quality."""

    _index, _name = 0, "nisqa"


class NisqaNoisiness(_Nisqa):
    """Freedom from noise."""

    _index, _name = 1, "nisqa_noisiness"


class NisqaDiscontinuity(_Nisqa):
    """Freedom from interruptions."""

    _index, _name = 2, "nisqa_discontinuity"


class NisqaColoration(_Nisqa):
    """Naturalness of the timbre."""

    _index, _name = 3, "nisqa_coloration"


class NisqaLoudness(_Nisqa):
    """Adequacy of the level."""

    _index, _name = 4, "nisqa_loudness"
