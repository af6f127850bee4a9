"""Estimated cost of each job, in seconds on one worker: for ``--dry-run`` and for the time left.

The factors come from a comparison of L1 and L2 on the embedded corpus, which took 9:49 minutes on two AMD EPYC cores,
with forced alignment added for corpora without TextGrids. Training is scaled by the speed that this machine reaches in
a training step of the backbone; a bare matrix product may be several times as fast.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ttsbench.config.schema import CorpusConfig, Experiment, TrainConfig
from ttsbench.config.systems import SamplingSettings
from ttsbench.types import Role

PREPARE_RTF = 0.05  # reading, alignment without a TextGrid, DIO + StoneMask, mel
VOCODER_RTF = 0.05
EXTERNAL_S = 2.0  # a command of the user, per utterance
TRANSCRIBE_RTF = 0.05
SCORE_RTF = 0.07
CLIP_S = 6.0  # mean length of a test utterance
ESPEAK_MINUTES = 24.0
FRAMES = 1024  # of the batch that times the machine


@cache
def training_flops(dim: int, layers: int) -> float:
    """Return the FLOP/s that one thread reaches in training steps of a backbone: the best of five."""
    import torch

    from ttsbench.nn.backbone import Backbone

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            backbone = Backbone(0, 1, dim, dim, layers, 7, time=False)
        cond, mask = torch.ones(1, FRAMES, dim), torch.ones(1, FRAMES, dtype=torch.bool)
        seconds = []
        for _ in range(5):  # the first passes are slow
            start = time.perf_counter()
            backbone(None, cond, mask).sum().backward()
            seconds.append(time.perf_counter() - start)
        return 6 * 8 * dim**2 * layers * FRAMES / min(seconds)
    finally:
        torch.set_num_threads(threads)


def corpus_minutes(corpus: CorpusConfig) -> float:
    """Return the minutes of speech in a corpus, estimated from the sizes of its files."""
    if corpus.path is None or not corpus.path.exists():
        return float(corpus.options.get("minutes", ESPEAK_MINUTES))
    wav, flac = _total_bytes(corpus.path, "*.wav"), _total_bytes(corpus.path, "*.flac")
    return (wav / (2 * 22_050) + flac / (1.1 * 16_000)) / 60


def _total_bytes(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


def prepare_s(minutes: float) -> float:
    """Return the cost of analysing all clips."""
    return 60 * minutes * PREPARE_RTF


def train_s(experiment: Experiment, train: TrainConfig, steps: int, role: Role, step_cost: float) -> float:
    """Return the cost of ``steps`` of training: six operations per parameter and position, forward and backward."""
    size = experiment.model
    block = 8 * size.dim**2
    phones = train.batch_size * (90 if role == "prosody" else 40)  # of a crop: phones within the encoder's reach
    frames = train.batch_size * (train.crop_frames or 500) if role == "acoustic" else phones
    work = 6 * block * (size.encoder_layers * phones + step_cost * size.backbone_layers * frames)
    rate = training_flops(size.dim, size.backbone_layers)
    return float(steps * work / rate / experiment.compute.threads)


def synthesize_s(experiment: Experiment, samples: int, draws: int, sampling: Mapping[Role, SamplingSettings]) -> float:
    """Return the cost of sampling ``draws`` and vocoding ``samples`` times the test split."""
    vocoder = samples * experiment.corpus.test * CLIP_S * VOCODER_RTF
    return vocoder + sample_s(experiment, experiment.corpus.test, draws, sampling)


def sample_s(experiment: Experiment, utterances: int, draws: int, sampling: Mapping[Role, SamplingSettings]) -> float:
    """Return the cost of sampling utterances ``draws`` times each, without the vocoder."""
    size = experiment.model
    seconds = utterances * CLIP_S
    frames = draws * seconds * experiment.mel.sample_rate / experiment.mel.hop_length
    nfe = sum(settings.nfe for settings in sampling.values())
    work = 2 * 8 * size.dim**2 * size.backbone_layers * frames * nfe
    return float(work / training_flops(size.dim, size.backbone_layers))


def transcribe_s(experiment: Experiment, samples: int) -> float:
    """Return the cost of recognising the test split."""
    return experiment.corpus.test * samples * CLIP_S * TRANSCRIBE_RTF


def score_s(experiment: Experiment, systems: int) -> float:
    """Return the cost of all metrics for all systems."""
    return experiment.corpus.test * experiment.synthesis.samples * systems * CLIP_S * SCORE_RTF
