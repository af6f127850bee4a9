"""Tiny corpus folders, and the utterances that their layouts list."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench.errors import CorpusError
from ttsbench.interfaces import Corpus

SOUND = (0.3 * np.sin(np.arange(8000) / 10)).astype(np.float32)


def sound(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, SOUND, 16000)
    return path


def rows(corpus: Corpus) -> list[tuple[str, str, str]]:
    return [(row.id, row.speaker, row.text) for row in corpus.utterances()]


def error(corpus: Corpus) -> str:
    with pytest.raises(CorpusError) as caught:
        corpus.utterances()
    return str(caught.value)
