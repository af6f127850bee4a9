"""Other renderings of utterances of the embedded corpus, with the voice quality drawn anew.

Text, prosody, durations and speaker stay those of the utterance; the voice quality of each phrase is another draw from
its known distribution (``ttsbench.data.espeak.quality``). Such renderings are draws of a perfect sampler.

espeak-ng's noise depends on what a process rendered before (``ttsbench.data.espeak.voice``), so a list of utterances is
rendered by a process of its own: ``python -m ttsbench.data.espeak.rerender FOLDER``, with the list as JSON on the
standard input. The same list gives the same samples. The process writes ``FOLDER/<number of the utterance>.npz``.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench.audio.wav import resample
from ttsbench.data.espeak.prosody import SPEAKERS
from ttsbench.data.espeak.render import Phrase, draw_quality, render
from ttsbench.errors import CorpusError
from ttsbench.types import Samples

FULL_SCALE = 32768.0


@dataclass(frozen=True)
class RenderedUtterance:
    """An utterance of the corpus, with the records of its phrases in the manifest."""

    id: str
    speaker: str
    length: int  # samples of the recording
    phrases: Sequence[Mapping[str, Any]]


def render_again(utterances: Sequence[RenderedUtterance], draws: int) -> list[list[Samples]]:
    """Return ``draws`` other renderings (N,) of each utterance at 22,050 Hz; raises ``CorpusError``.

    N is the length of the recording: a rendering that differs, by .2 % at most, is resampled.
    """
    request = json.dumps({"utterances": [asdict(utterance) for utterance in utterances], "draws": draws})
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"}
    with tempfile.TemporaryDirectory(prefix="renderings-") as folder:
        command = [sys.executable, "-m", "ttsbench.data.espeak.rerender", folder]
        process = subprocess.run(command, input=request, env=environment, capture_output=True, text=True, check=False)
        if process.returncode != 0:
            reason = (process.stderr.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
            raise CorpusError(f"{utterances[0].id} and others could not be rendered again: {reason}")
        return [_read(Path(folder, f"{number}.npz"), each.length) for number, each in enumerate(utterances)]


def _read(path: Path, length: int) -> list[Samples]:
    with np.load(path, allow_pickle=False) as arrays:
        renderings = [(arrays[f"draw{number}"] / FULL_SCALE).astype(np.float32) for number in range(len(arrays))]
    return [_stretched(samples, length) for samples in renderings]


def _stretched(samples: Samples, length: int) -> Samples:
    """Return samples resampled to (length,)."""
    resampled = resample(samples, len(samples), length)[:length]
    return np.pad(resampled, (0, length - len(resampled)))


def _write(path: Path, utterance: RenderedUtterance, draws: int) -> None:
    phrases, speaker = [Phrase.parse(record) for record in utterance.phrases], SPEAKERS[utterance.speaker]
    arrays = {}
    for number in range(draws):
        rng = np.random.default_rng(_seed(utterance.id, number))
        arrays[f"draw{number}"] = render(draw_quality(phrases, rng), speaker, rng).samples
    np.savez(path, allow_pickle=False, **arrays)


def _seed(utterance_id: str, number: int) -> int:
    """Return the seed of a draw, which differs from every seed of the corpus itself."""
    digest = hashlib.sha256(f"another rendering\n{utterance_id}\n{number}".encode()).digest()
    return int.from_bytes(digest[:16], "little")


if __name__ == "__main__":
    values = json.load(sys.stdin)
    for index, each in enumerate(values["utterances"]):
        _write(Path(sys.argv[1], f"{index}.npz"), RenderedUtterance(**each), values["draws"])
