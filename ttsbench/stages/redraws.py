"""Mels of other recordings of the test utterances, for corpora that can draw the hidden part of a recording again.

They are draws of a perfect sampler: some for the row `another-rendering` of a table, the others as a sample of the law
that systems are compared with. Mels are cached by content. A corpus draws reproducibly for a given list of utterances,
so the test split is divided into fixed blocks, each of which is drawn as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from ttsbench import registry
from ttsbench.audio.mel import log_mel, magnitudes
from ttsbench.audio.wav import resample
from ttsbench.config.schema import Experiment, MelConfig
from ttsbench.data.corpus import PreparedCorpus, PreparedUtterance
from ttsbench.engine.store import cache_dir, content_hash, write_bytes
from ttsbench.errors import CorpusError
from ttsbench.interfaces import RedrawableCorpus
from ttsbench.types import Samples, Utterance

DRAWS = 32  # of each utterance: enough for a standard error of 2 % in a mean distance between draws
BLOCK = 4  # utterances drawn by one process
VERSION = 1


def redrawn_mels(experiment: Experiment, corpus: PreparedCorpus, utterance: PreparedUtterance) -> NDArray[np.float32]:
    """Return log-mels (DRAWS, T, M) of other recordings of a test utterance, T as in its features.

    Raises ``CorpusError`` for a corpus that cannot draw its recordings again.
    """
    tested = corpus.split("test")
    start = tested.index(utterance) // BLOCK * BLOCK
    block = tested[start : start + BLOCK]
    path = _path(experiment, block, utterance)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / f"{block[0].id}.lock"):
            if not path.exists():
                _draw(experiment, block)
    return load_file(path)["log_mel"].astype(np.float32)


def _draw(experiment: Experiment, block: Sequence[PreparedUtterance]) -> None:
    config = experiment.corpus
    corpus = registry.load("corpora", config.name)(config.path, **config.options)
    if not isinstance(corpus, RedrawableCorpus):
        raise CorpusError(f"The corpus '{config.name}' cannot draw its recordings again: remove another-rendering.")
    utterances = [Utterance(each.id, each.speaker, each.text, Path(each.audio), None, each.attributes)
                  for each in block]  # fmt: skip
    for each, recordings in zip(block, corpus.redraw(utterances, DRAWS), strict=True):
        mels = np.stack([_mel(*recording, experiment.mel, each.frames) for recording in recordings])
        # Half precision rounds a natural logarithm near -10 by at most .004.
        write_bytes(_path(experiment, block, each), save({"log_mel": mels.astype(np.float16)}))


def _mel(samples: Samples, sample_rate: int, mel: MelConfig, frames: int) -> NDArray[np.float32]:
    """Return the log-mel (frames, M); a last frame that is missing repeats the one before it."""
    resampled = torch.from_numpy(resample(samples, sample_rate, mel.sample_rate))
    values = log_mel(magnitudes(resampled, mel), mel).numpy()[:frames]
    return np.pad(values, ((0, frames - len(values)), (0, 0)), mode="edge")


def _path(experiment: Experiment, block: Sequence[PreparedUtterance], utterance: PreparedUtterance) -> Path:
    content = [[each.id, each.speaker, dict(each.attributes), each.frames] for each in block]
    key = content_hash([VERSION, DRAWS, experiment.mel.model_dump(), content])
    return cache_dir() / "redraws" / key / f"{utterance.id}.safetensors"
