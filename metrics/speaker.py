"""Similarity of voices: the cosine of two speaker embeddings, to the reference or to a prompt of the same speaker.

Three encoders, none comparable with another; read each beside the ground truth's row:

- `resemblyzer`, weights in its package. L. Wan, Q. Wang, A. Papir and I. Lopez Moreno, "Generalized end-to-end loss for
  speaker verification", ICASSP 2018: a 256-dimensional d-vector per 1.6 s window, averaged over the clip. Embeddings
  are not negative, so that even strangers score about 0.5 to 0.7. Before embedding, resemblyzer raises clips quieter
  than -30 dBFS to that level and cuts pauses with the WebRTC voice activity detector (mode 3).
- ECAPA-TDNN. B. Desplanques, J. Thienpondt and K. Demuynck, Interspeech 2020: attentive statistics over the clip, in
  SpeechBrain's model of VoxCeleb; log-mel energies less their mean over the clip, pauses included.
- WavLM with an x-vector head. S. Chen et al., 2022; D. Snyder et al., "X-vectors", ICASSP 2018; the samples scaled as
  the model's own preprocessor says, pauses included.

A voice needs half a second of sound (of speech, for resemblyzer): a choice of this project.
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

from ttsbench.audio.usable import usable_at
from ttsbench.backends.hub import HubModel, inference, load
from ttsbench.backends.speechbrain import HYPERPARAMS, read_sizes
from ttsbench.errors import ConfigError, MeasurementError
from ttsbench.reductions import Mean
from ttsbench.rng import global_seed
from ttsbench.types import Behaviour, Clip, MetricInfo

SAMPLE_RATE = 16000  # Hz, what the encoders were trained on
MIN_SPEECH_S = 0.5
ECAPA_FILES = ((HYPERPARAMS,), ("embedding_model.ckpt",))

Embedding = NDArray[np.float32]


@lru_cache(maxsize=1)
def encoder() -> Any:
    """Resemblyzer's pretrained encoder on the CPU, loaded once per process."""
    from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)


def embed(clip: Clip) -> Embedding:
    """D-vector (256,) of unit length, of a clip at 16 kHz; call it through ``clip.feature``.

    Raises ``MeasurementError`` where less than half a second of speech is found.
    """
    from resemblyzer import preprocess_wav

    speech = preprocess_wav(clip.samples)
    if len(speech) < MIN_SPEECH_S * SAMPLE_RATE:
        raise MeasurementError(
            f"clip {clip.id!r} holds {len(speech) / SAMPLE_RATE:.2f} s of speech by WebRTC's detector, a voice needs "
            f"{MIN_SPEECH_S} s; listen to it, or use longer utterances"
        )
    embedding: Embedding = encoder().embed_utterance(speech)
    return embedding


@dataclass(frozen=True)
class Ecapa:
    """Embedding (192,) of a clip at 16 kHz; equal encoders share what ``clip.feature`` computed."""

    source: HubModel

    def __call__(self, clip: Clip) -> Embedding:
        """As SpeechBrain's ``EncoderClassifier.encode_batch`` gives it; raises ``MeasurementError`` below 0.5 s."""
        _require_length(clip)
        features, network = load_ecapa(self.source, self.source.require())
        with inference():
            energies = features(torch.from_numpy(clip.samples)[None].to(self.source.device))
            embedding = network(energies - energies.mean(dim=1, keepdim=True))
        result: Embedding = embedding.flatten().cpu().numpy()
        return result


@dataclass(frozen=True)
class WavlmXVector:
    """Embedding (512,) of a clip at 16 kHz; equal encoders share what ``clip.feature`` computed."""

    source: HubModel

    def __call__(self, clip: Clip) -> Embedding:
        """The output of the x-vector head; raises ``MeasurementError`` below 0.5 s."""
        _require_length(clip)
        model, extractor = load(self.source, "AutoModelForAudioXVector", "AutoFeatureExtractor")
        given = extractor(clip.samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with inference():
            embedding = model(given.input_values.to(model.device)).embeddings
        result: Embedding = embedding.flatten().cpu().numpy()
        return result


@cache
def load_ecapa(source: HubModel, folder: Path) -> tuple[Any, Any]:
    """Mel energies and network in eval mode, from SpeechBrain's files in ``folder``, once per process.

    Of ``hyperparams.yaml`` only the sizes are read (``ttsbench/backends/speechbrain.py``).
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
            f"{folder} holds no ECAPA-TDNN of SpeechBrain ({reason}); get '{source.name}' again. {source.instead} "
            "works without it."
        ) from error
    return features.eval().to(source.device), network.eval().to(source.device)


def _require_length(clip: Clip) -> None:
    if clip.duration_s < MIN_SPEECH_S:
        raise MeasurementError(
            f"clip {clip.id!r} lasts {clip.duration_s:.2f} s, a voice needs {MIN_SPEECH_S} s; listen to it, or use "
            "longer utterances"
        )


def _prompt(clip: Clip) -> Clip:
    if clip.prompt is None:
        raise MeasurementError(f"clip {clip.id!r} has no prompt; supply another recording of its speaker")
    return clip.prompt


class _Similarity(Mean):
    """Cosine of the embeddings of a clip and of its reference, averaged over utterances."""

    info: MetricInfo
    _embed: Callable[[Clip], Embedding]

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """The cosine, 1 for one voice. Raises ``MeasurementError`` where one is empty, silent or too short."""
        other = _prompt(clip) if "prompt" in self.info.needs else reference
        both = [usable_at(one, SAMPLE_RATE) for one in (clip, other)]
        a, b = (one.feature(self._embed).astype(np.float64) for one in both)
        return (float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))),)


def _to_prompt(info: MetricInfo) -> MetricInfo:
    """The same similarity, to the prompt."""
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
    """Cosine of resemblyzer's d-vectors of a clip and of its reference."""

    info = MetricInfo(
        name="speaker_similarity",
        title="Speaker similarity",
        unit="cosine",
        higher_is_better=True,
        columns=("cosine",),
        signature="speaker_similarity|resemblyzer|16kHz|volume:-30dBFS|vad:webrtc3|mean:utterances|v1",
        paper="Wan et al. 2018, https://arxiv.org/abs/1710.10467",
        sample_rate=SAMPLE_RATE,
        behaviour=Behaviour(
            identity=1.0,
            gain=0.15,  # resemblyzer raises what is quiet, and its detector of speech hears other pauses then
            shift=0.02,
            resample=0.005,
            symmetric=1e-9,
            worsens=frozenset({"noise", "low_pass"}),
            noise=None,  # loud noise is speech to that detector, quiet noise is not
        ),
    )
    _embed = staticmethod(embed)


class SpeakerSimilarityPrompt(SpeakerSimilarity):
    """Cosine of resemblyzer's d-vectors of a clip and of its prompt."""

    info = _to_prompt(SpeakerSimilarity.info)


class _HubSimilarity(_Similarity):
    """A similarity whose encoder may be absent."""

    _source: HubModel

    def require(self) -> None:
        """Raise ``ConfigError`` where the model is absent."""
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
            behaviour=Behaviour(identity=1.0, symmetric=1e-9),
        )


class EcapaSimilarity(_HubSimilarity):
    """Cosine of the ECAPA-TDNN embeddings of a clip and of its reference; ``model`` is a hub name or a folder."""

    def __init__(self, model: str = "speechbrain/spkrec-ecapa-voxceleb", device: str = "cpu") -> None:
        self._source = HubModel(model, "speaker_similarity", ECAPA_FILES, device=device)
        self._embed = Ecapa(self._source)
        paper = "Desplanques et al. 2020, https://arxiv.org/abs/2005.07143"
        self.info = self._describe("speaker_similarity_ecapa", "Speaker similarity (ECAPA-TDNN)", paper)


class EcapaSimilarityPrompt(EcapaSimilarity):
    """Cosine of the ECAPA-TDNN embeddings of a clip and of its prompt."""

    def __init__(self, model: str = "speechbrain/spkrec-ecapa-voxceleb", device: str = "cpu") -> None:
        super().__init__(model, device)
        self.info = _to_prompt(self.info)


class WavlmSimilarity(_HubSimilarity):
    """Cosine of the x-vectors of a clip and of its reference; ``model`` is a hub name or a folder."""

    def __init__(self, model: str = "microsoft/wavlm-base-plus-sv", device: str = "cpu") -> None:
        self._source = HubModel(model, "speaker_similarity", head="ForXVector", device=device)
        self._embed = WavlmXVector(self._source)
        paper = "Chen et al. 2022, https://arxiv.org/abs/2110.13900"
        self.info = self._describe("speaker_similarity_wavlm", "Speaker similarity (WavLM)", paper)


class WavlmSimilarityPrompt(WavlmSimilarity):
    """Cosine of the x-vectors of a clip and of its prompt."""

    def __init__(self, model: str = "microsoft/wavlm-base-plus-sv", device: str = "cpu") -> None:
        super().__init__(model, device)
        self.info = _to_prompt(self.info)
