"""Evaluation protocols of papers: the metrics, the recogniser and the normaliser that belong together.

``ttsbench score --protocol NAME`` sets them, prints the corpus-level error rate beside the arithmetic of the paper, and
notes where the preset deviates from the published program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ttsbench.errors import ConfigError
from ttsbench.registry import did_you_mean


@dataclass(frozen=True)
class EvaluationProtocol:
    """Metrics with their options, a recogniser, and how both deviate from the published program."""

    source: str
    metrics: Mapping[str, Mapping[str, Any]]
    transcriber: Mapping[str, Any]
    language: str = "en"
    deviations: tuple[str, ...] = field(default_factory=tuple)


_PLAIN = {"normaliser": "plain"}
_WAVLM = "The encoder is WavLM base plus with an x-vector head; the published one is WavLM large fine-tuned."
PROTOCOLS: Mapping[str, EvaluationProtocol] = {
    "seed-tts-en": EvaluationProtocol(
        "Anastassiou et al. 2024, https://arxiv.org/abs/2406.02430 (test-en of Seed-TTS-eval)",
        {"wer_utterances": _PLAIN, "wer": _PLAIN, "bad_cases": _PLAIN, "speaker_similarity_wavlm_prompt": {}},
        {"name": "whisper", "options": {"model": "openai/whisper-large-v3"}},
        deviations=(_WAVLM,),
    ),
    "seed-tts-zh": EvaluationProtocol(
        "Anastassiou et al. 2024, https://arxiv.org/abs/2406.02430 (test-zh of Seed-TTS-eval)",
        {"wer_utterances": _PLAIN, "cer": _PLAIN, "bad_cases": _PLAIN, "speaker_similarity_wavlm_prompt": {}},
        {"name": "whisper", "options": {"model": "openai/whisper-large-v3"}},
        "zh",
        ("The recogniser is Whisper large-v3; the published one is Paraformer-zh.", _WAVLM),
    ),
    "valle": EvaluationProtocol(
        "Wang et al. 2023, https://arxiv.org/abs/2301.02111",
        {"wer": _PLAIN, "speaker_similarity_wavlm_prompt": {}},
        {"name": "hubert_ctc", "options": {"model": "facebook/hubert-large-ls960-ft"}},
        deviations=(_WAVLM,),
    ),
    "whisper": EvaluationProtocol(
        "Radford et al. 2022, https://arxiv.org/abs/2212.04356, appendix C",
        {
            "wer": {"normaliser": "whisper_english"},
            "cer": {"normaliser": "whisper_english"},
            "bad_cases": {"normaliser": "whisper_english"},
        },
        {"name": "whisper", "options": {"model": "openai/whisper-large-v3"}},
    ),
}


def protocol(name: str) -> EvaluationProtocol:
    """Return a protocol by name; raises ``ConfigError`` with a suggestion for an unknown one."""
    if name not in PROTOCOLS:
        raise ConfigError(f"--protocol: there is no protocol '{name}'. {did_you_mean(name, PROTOCOLS)}")
    return PROTOCOLS[name]
