"""Models whose weights are not in a package: where they are looked for, and what serves without them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Weights:
    """A model whose weights are not in its package, and what serves without it."""

    name: str
    serves: str
    instead: str
    patterns: tuple[str, ...]  # folders of the Hugging Face cache
    package: str


OPTIONAL = (
    Weights("Whisper", "WER", "pocketsphinx", ("models--openai--whisper-*",), "transformers"),
    Weights("HuBERT-CTC", "WER", "pocketsphinx", ("models--facebook--hubert-*-ft",), "transformers"),
    Weights("ECAPA", "speaker similarity", "resemblyzer", ("models--speechbrain--spkrec-ecapa-*",), "speechbrain"),
    Weights("WavLM-SV", "speaker similarity", "resemblyzer", ("models--microsoft--wavlm-*-sv",), "transformers"),
    Weights("UTMOSv2", "predicted MOS", "DNSMOS", ("models--sarulab-speech--UTMOSv2*",), "utmosv2"),
    Weights(
        "HiFi-GAN",
        "vocoding",
        "Griffin-Lim",
        ("models--speechbrain--tts-hifigan-*", "models--microsoft--speecht5_hifigan"),
        "speechbrain",
    ),
)


def hub_cache() -> Path:
    """Where weights from Hugging Face are looked for."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"]).expanduser()
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "huggingface")
    return Path(home).expanduser() / "hub"
