"""Speaker similarity: the cosine between the embeddings of a clip and its reference, or a prompt of the same speaker.

There are three encoders, whose values are not comparable; read each relative to the row of the recordings:

- `resemblyzer`, with the weights in its package. L. Wan, Q. Wang, A. Papir and I. Lopez Moreno, "Generalized end-to-end
  loss for speaker verification", ICASSP 2018: a 256-dimensional d-vector per 1.6 s window, averaged over the clip. The
  embeddings are non-negative, so different speakers still score about 0.5 to 0.7. Clips are brought
  to -30 dBFS, because resemblyzer only raises quieter clips to that level, and a clip 12 dB louder had a cosine of .82
  with itself. Then pauses are removed with the WebRTC voice activity detector (mode 3).
- ECAPA-TDNN. B. Desplanques, J. Thienpondt and K. Demuynck, Interspeech 2020: attentive statistics over the clip, in
  SpeechBrain's VoxCeleb model; log-mel energies minus their mean over the clip, pauses included.
- WavLM with an x-vector head. S. Chen et al., 2022; D. Snyder et al., "X-vectors", ICASSP 2018; samples scaled by the
  model's own preprocessor, pauses included.

A clip needs at least half a second of sound (of speech, for resemblyzer); this limit is a choice of this project.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ttsbench.audio.bandwidth import WIDEBAND_HZ
from ttsbench.audio.usable import usable_at
from ttsbench.backends.hub import HubModel, inference, load
from ttsbench.backends.speechbrain import HYPERPARAMS, read_sizes
from ttsbench.errors import ConfigError, MeasurementError
from ttsbench.reductions import Mean
from ttsbench.rng import global_seed
from ttsbench.types import Behaviour, Clip, MetricInfo, Samples

SAMPLE_RATE = 16000  # Hz, at which the encoders were trained
MIN_SPEECH_S = 0.5
LEVEL_DBFS = -30.0  # root mean square, to which resemblyzer raises quieter clips
ECAPA_FILES = ((HYPERPARAMS,), ("embedding_model.ckpt",))

Embedding = NDArray[np.float32]


@lru_cache(maxsize=1)
def encoder(device: str) -> Any:
    """Return resemblyzer's pretrained encoder on a device, loaded once per process."""
    from resemblyzer import VoiceEncoder

    return VoiceEncoder(device, verbose=False)


@dataclass(frozen=True)
class DVector:
    """Embedding (256,) of unit length of a clip at 16 kHz; equal encoders share the result of ``clip.feature``."""

    device: str = "cpu"

    def __call__(self, clip: Clip) -> Embedding:
        """Return the d-vector; raise ``MeasurementError`` if the detector finds less than half a second of speech."""
        from resemblyzer import preprocess_wav

        speech = preprocess_wav(_levelled(clip.samples))
        if len(speech) < MIN_SPEECH_S * SAMPLE_RATE:
            raise MeasurementError(
                f"clip {clip.id!r} has {len(speech) / SAMPLE_RATE:.2f} s of speech by WebRTC's detector, but an "
                f"embedding needs {MIN_SPEECH_S} s; listen to the clip, or use longer utterances"
            )
        embedding: Embedding = encoder(self.device).embed_utterance(speech)
        return embedding


@dataclass(frozen=True)
class Ecapa:
    """Embedding (192,) of a clip at 16 kHz; equal encoders share the result of ``clip.feature``."""

    source: HubModel

    def __call__(self, clip: Clip) -> Embedding:
        """Return what SpeechBrain's ``EncoderClassifier.encode_batch`` returns; needs 0.5 s of audio."""
        _require_length(clip)
        features, network = load_ecapa(self.source, self.source.require())
        with inference():
            energies = features(torch.from_numpy(clip.samples)[None].to(self.source.device))
            embedding = network(energies - energies.mean(dim=1, keepdim=True))
        result: Embedding = embedding.flatten().cpu().numpy()
        return result


@dataclass(frozen=True)
class WavlmXVector:
    """Embedding (512,) of a clip at 16 kHz; equal encoders share the result of ``clip.feature``."""

    source: HubModel

    def __call__(self, clip: Clip) -> Embedding:
        """Return the output of the x-vector head; needs 0.5 s of audio."""
        _require_length(clip)
        model, extractor = load(self.source, "AutoModelForAudioXVector", "AutoFeatureExtractor")
        inputs = extractor(clip.samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with inference():
            embedding = model(inputs.input_values.to(model.device)).embeddings
        result: Embedding = embedding.flatten().cpu().numpy()
        return result


@cache
def load_ecapa(source: HubModel, folder: Path) -> tuple[Any, Any]:
    """Return mel energies and network in eval mode, from SpeechBrain's files in ``folder``, loaded once per process.

    Only the sizes are read from ``hyperparams.yaml`` (``ttsbench/backends/speechbrain.py``).
    """
    from speechbrain.lobes.features import Fbank
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

    try:
        sizes = read_sizes(folder / HYPERPARAMS)
        weights = torch.load(folder / "embedding_model.ckpt", map_location="cpu", weights_only=True)
        with global_seed(0):
            features, network = Fbank(**sizes["compute_features"]), ECAPA_TDNN(**sizes["embedding_model"])
        network.load_state_dict(weights)
    except Exception as error:  # a damaged file fails in many ways
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise ConfigError(
            f"{folder} is not a SpeechBrain ECAPA-TDNN ({reason}); get '{source.name}' again. {source.instead} "
            "works without it."
        ) from error
    return features.eval().to(source.device), network.eval().to(source.device)


def _levelled(samples: Samples) -> Samples:
    """Return samples (N,) with a root mean square of ``LEVEL_DBFS``."""
    rms = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    return (samples * (10 ** (LEVEL_DBFS / 20) / rms)).astype(np.float32)


def _require_length(clip: Clip) -> None:
    if clip.duration_s < MIN_SPEECH_S:
        raise MeasurementError(
            f"clip {clip.id!r} lasts {clip.duration_s:.2f} s, but an embedding needs {MIN_SPEECH_S} s; listen to the "
            "clip, or use longer utterances"
        )


def _prompt(clip: Clip) -> Clip:
    if clip.prompt is None:
        raise MeasurementError(f"clip {clip.id!r} has no prompt; supply another recording of its speaker")
    return clip.prompt


class _Similarity(Mean):
    """Cosine of the embeddings of a clip and its reference, averaged over utterances."""

    info: MetricInfo
    _embed: Callable[[Clip], Embedding]

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the cosine, 1 for identical voices; raise ``MeasurementError`` for unusable or short clips."""
        other = _prompt(clip) if "prompt" in self.info.needs else reference
        pair = [usable_at(side, SAMPLE_RATE) for side in (clip, other)]
        a, b = (side.feature(self._embed).astype(np.float64) for side in pair)
        return (float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))),)


def _to_prompt(info: MetricInfo) -> MetricInfo:
    """Return the description of the same similarity, to the prompt."""
    name = f"{info.name}_prompt"
    return replace(
        info,
        name=name,
        title=f"{info.title} to the prompt",
        signature=name + info.signature.removeprefix(info.name),
        needs=frozenset({"prompt"}),
        behaviour=replace(info.behaviour, identity=None, symmetric=None),
    )


class SpeakerSimilarity(_Similarity):
    """Cosine of resemblyzer's d-vectors of a clip and its reference."""

    info = MetricInfo(
        name="speaker_similarity",
        title="Speaker similarity",
        unit="cosine",
        higher_is_better=True,
        columns=("cosine",),
        signature="speaker_similarity|resemblyzer|16kHz|level:-30dBFS|vad:webrtc3|mean:utterances|v2",
        paper="Wan et al. 2018, https://arxiv.org/abs/1710.10467",
        sample_rate=SAMPLE_RATE,
        band_hz=WIDEBAND_HZ,
        behaviour=Behaviour(
            identity=1.0,
            gain=1e-3,
            shift=0.02,
            resample=0.005,
            symmetric=1e-9,
            worsens=frozenset({"noise", "low_pass"}),
            noise=None,  # that detector takes loud noise for speech, but not quiet noise
        ),
    )

    def __init__(self, device: str = "cpu") -> None:
        self._embed = DVector(device)


class SpeakerSimilarityPrompt(SpeakerSimilarity):
    """Cosine of resemblyzer's d-vectors of a clip and its prompt."""

    info = _to_prompt(SpeakerSimilarity.info)


class _HubSimilarity(_Similarity):
    """Base of the similarities whose encoder may be missing."""

    _source: HubModel

    def require(self) -> None:
        """Raise ``ConfigError`` if the model is missing."""
        self._source.require()

    def _describe(self, name: str, title: str, paper: str) -> MetricInfo:
        return MetricInfo(
            name=name,
            title=title,
            unit="cosine",
            higher_is_better=True,
            columns=("cosine",),
            signature=f"{name}|{self._source.label}|16kHz|vad:none|mean:utterances|v1",
            paper=paper,
            sample_rate=SAMPLE_RATE,
            band_hz=WIDEBAND_HZ,
            behaviour=Behaviour(identity=1.0, symmetric=1e-9),
        )


class EcapaSimilarity(_HubSimilarity):
    """Cosine of the ECAPA-TDNN embeddings of a clip and its reference; ``model`` is a hub name or a folder."""

    def __init__(self, model: str = "speechbrain/spkrec-ecapa-voxceleb", device: str = "cpu") -> None:
        self._source = HubModel(model, "speaker_similarity", ECAPA_FILES, device=device, package="speechbrain")
        self._embed = Ecapa(self._source)
        paper = "Desplanques et al. 2020, https://arxiv.org/abs/2005.07143"
        self.info = self._describe("speaker_similarity_ecapa", "Speaker similarity (ECAPA-TDNN)", paper)


class EcapaSimilarityPrompt(EcapaSimilarity):
    """Cosine of the ECAPA-TDNN embeddings of a clip and its prompt."""

    def __init__(self, model: str = "speechbrain/spkrec-ecapa-voxceleb", device: str = "cpu") -> None:
        super().__init__(model, device)
        self.info = _to_prompt(self.info)


class WavlmSimilarity(_HubSimilarity):
    """Cosine of the x-vectors of a clip and its reference; ``model`` is a hub name or a folder."""

    def __init__(self, model: str = "microsoft/wavlm-base-plus-sv", device: str = "cpu") -> None:
        self._source = HubModel(model, "speaker_similarity", head="ForXVector", device=device)
        self._embed = WavlmXVector(self._source)
        paper = "Chen et al. 2022, https://arxiv.org/abs/2110.13900"
        self.info = self._describe("speaker_similarity_wavlm", "Speaker similarity (WavLM)", paper)


class WavlmSimilarityPrompt(WavlmSimilarity):
    """Cosine of the x-vectors of a clip and its prompt."""

    def __init__(self, model: str = "microsoft/wavlm-base-plus-sv", device: str = "cpu") -> None:
        super().__init__(model, device)
        self.info = _to_prompt(self.info)
