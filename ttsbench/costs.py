"""What each job is expected to take, in seconds on one worker: for ``--dry-run`` and for the time left.

The factors are those of a comparison of L1 and L2 on the embedded corpus, 9:49 minutes in all on two AMD EPYC cores,
with forced alignment added for corpora without TextGrids; training is scaled by what this machine's matrix product
reaches.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from ttsbench.config import CorpusConfig, Experiment, TrainConfig
from ttsbench.types import Role

PREPARE_RTF = 0.05  # reading, alignment where there is no TextGrid, DIO + StoneMask, mel
VOCODER_RTF = 0.05
TRANSCRIBE_RTF = 0.05
SCORE_RTF = 0.07
CLIP_S = 6.0  # an utterance of the test split
ESPEAK_MINUTES = 24.0
MODEL_EFFICIENCY = 0.85  # of the matrix product's rate, reached by a training step


@cache
def machine_flops() -> float:
    """Multiply-adds times two per second that one thread reaches in a matrix product."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        left, right = torch.ones(512, 512), torch.ones(512, 512)
        left @ right
        start = time.perf_counter()
        for _ in range(4):
            left @ right
        return 4 * 2 * 512**3 / (time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)


def corpus_minutes(corpus: CorpusConfig) -> float:
    """How much speech a corpus holds, guessed from the size of its files before any is read."""
    if corpus.path is None or not corpus.path.exists():
        return float(corpus.options.get("minutes", ESPEAK_MINUTES))
    wav = sum(path.stat().st_size for path in corpus.path.rglob("*.wav"))
    flac = sum(path.stat().st_size for path in corpus.path.rglob("*.flac"))
    return (wav / (2 * 22_050) + flac / (1.1 * 16_000)) / 60


def prepare_s(minutes: float) -> float:
    """All clips, analysed."""
    return 60 * minutes * PREPARE_RTF


def train_s(experiment: Experiment, train: TrainConfig, role: Role, step_cost: float) -> float:
    """Six operations per parameter and position of a batch, forward and backward."""
    size = experiment.model
    block = 8 * size.dim**2
    phones = train.batch_size * (90 if role == "prosody" else 40)  # of a crop, those within reach
    frames = train.batch_size * (train.crop_frames or 500) if role == "acoustic" else phones
    work = 6 * block * (size.encoder_layers * phones + step_cost * size.backbone_layers * frames)
    return float(train.steps * work / (MODEL_EFFICIENCY * machine_flops()) / experiment.compute.threads)


def synthesize_s(experiment: Experiment, samples: int, sampling: Mapping[str, Any]) -> float:
    """Sampling each utterance, and its vocoder."""
    size = experiment.model
    seconds = experiment.corpus.test * samples * CLIP_S
    frames = seconds * experiment.mel.sample_rate / experiment.mel.hop_length
    nfe = sum(role["nfe"] for role in sampling.values())
    network = 2 * 8 * size.dim**2 * size.backbone_layers * frames * nfe / (MODEL_EFFICIENCY * machine_flops())
    return float(seconds * VOCODER_RTF + network)


def transcribe_s(experiment: Experiment, samples: int) -> float:
    """Recognition of the test split."""
    return experiment.corpus.test * samples * CLIP_S * TRANSCRIBE_RTF


def score_s(experiment: Experiment, systems: int) -> float:
    """All metrics of all systems."""
    return experiment.corpus.test * experiment.synthesis.samples * systems * CLIP_S * SCORE_RTF
