"""Where the clips of a run lie, what was heard in them, and how a page beside them names them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from ttsbench.config.loading import validate
from ttsbench.config.schema import Experiment
from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import read_json
from ttsbench.errors import ClipError
from ttsbench.evaluation.clip_record import read_record
from ttsbench.evaluation.transcripts import TRANSCRIPTS, clip_key, read_transcripts

Key = tuple[int, int]  # training seed, number of the draw


class Who(NamedTuple):
    """Whose clip it is."""

    system: str
    seed: int
    sample: int
    utterance: str

    @property
    def key(self) -> Key:
        """Which of the system's clips of the utterance."""
        return self.seed, self.sample


class RunClips:
    """The clips of a run's folder. ``handed_in``: they lie elsewhere, and the run is about somebody's folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.experiment: Experiment = validate(read_json(folder / "experiment.json"), str(folder / "experiment.json"))
        self.handed_in = RunLayout(folder).compares_folders
        self._transcripts: dict[Path, Mapping[str, Mapping[str, str]]] = {}

    def audio(self, who: Who) -> Path:
        """The file of a clip; raises ``ClipError`` with the reason where there is none."""
        try:
            path = read_record(self.folder / "wavs" / self._own(who), who.utterance, who.sample).audio
        except FileNotFoundError:
            raise ClipError("this copy of the run does not hold the clip") from None
        if not path.exists():
            raise ClipError("the clip was removed after it had been scored")
        return path

    def transcript(self, who: Who) -> Mapping[str, str]:
        """``text`` or ``error``; empty where no recogniser was asked."""
        folder = self.folder / "transcripts" / self._own(who)
        if folder not in self._transcripts:
            self._transcripts[folder] = read_transcripts(folder) if (folder / TRANSCRIPTS).exists() else {}
        return self._transcripts[folder].get(clip_key(who.utterance, who.sample), {})

    def address(self, path: Path) -> str:
        """A file as the page names it."""
        return quote(os.path.relpath(path, self.folder).replace(os.sep, "/"))

    def _own(self, who: Who) -> str:
        return who.system if self.handed_in else f"{who.system}/seed{who.seed}"
