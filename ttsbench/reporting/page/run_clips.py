"""Find the clips and transcripts of a run, and their addresses relative to its page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from ttsbench.engine.job import Run
from ttsbench.errors import ClipError
from ttsbench.evaluation.clip_record import read_record
from ttsbench.evaluation.transcripts import TRANSCRIPTS, clip_key, read_transcripts

Key = tuple[int, int]  # training seed, number of the draw


class ClipId(NamedTuple):
    """Identifies a clip of a run."""

    system: str
    seed: int
    sample: int
    utterance: str

    @property
    def key(self) -> Key:
        """Seed and draw, which identify a clip of one system and utterance."""
        return self.seed, self.sample


class RunClips:
    """The clips of a run's folder; ``external`` clips lie outside it, in the folders of a ``ttsbench score`` run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        run = Run.open(folder)
        self.experiment, self.external, self._layout = run.experiment, run.compares_folders, run.layout
        self._transcripts: dict[Path, Mapping[str, Mapping[str, str]]] = {}

    def audio(self, clip: ClipId) -> Path:
        """Return the file of a clip; raises ``ClipError`` with the reason if there is none."""
        try:
            path = read_record(self._layout.wavs_of(clip.system, self._seed(clip)), clip.utterance, clip.sample).audio
        except FileNotFoundError:
            raise ClipError("this copy of the run does not hold the clip") from None
        if not path.exists():
            raise ClipError("the clip was removed after scoring")
        return path

    def transcript(self, clip: ClipId) -> Mapping[str, str]:
        """Return a mapping with ``text`` or ``error``; an empty one if the run has no transcripts."""
        folder = self._layout.transcripts_of(clip.system, self._seed(clip))
        if folder not in self._transcripts:
            self._transcripts[folder] = read_transcripts(folder) if (folder / TRANSCRIPTS).exists() else {}
        return self._transcripts[folder].get(clip_key(clip.utterance, clip.sample), {})

    def address(self, path: Path) -> str:
        """Return the URL of a file relative to the page."""
        return quote(os.path.relpath(path, self.folder).replace(os.sep, "/"))

    def _seed(self, clip: ClipId) -> int | None:
        return None if self.external else clip.seed
