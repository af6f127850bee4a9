"""The request of ``ttsbench score``: a reference folder, folders of systems, and lists of texts and speakers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttsbench.config.schema import LABEL
from ttsbench.config.systems import GROUND_TRUTH, PROMPT
from ttsbench.errors import ConfigError


@dataclass(frozen=True)
class FolderRequest:
    """Folders to compare. ``metrics`` may be empty: the defaults then depend on what was given."""

    reference: Path | None
    generated: Mapping[str, tuple[Path, ...]]  # system -> one folder per draw
    transcripts: Path | None = None
    speakers: Path | None = None
    metrics: tuple[str, ...] = ()
    prompt_list: Path | None = None  # in place of transcripts and speakers
    language: str = ""  # of the texts; default: that of the list, or English
    protocol: str = ""  # name of a preset of metrics, normaliser and recogniser
    vocabulary: Path | None = None  # words of a recogniser with a closed vocabulary

    @property
    def source(self) -> str:
        """Name of the recordings, or of the list without recordings."""
        path = self.reference or self.prompt_list
        return path.name if path else ""


def parse_generated(arguments: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    """Return system -> folders from ``NAME=DIR`` arguments; raises ``ConfigError`` for an unusable name."""
    systems: dict[str, list[Path]] = defaultdict(list)
    for argument in arguments:
        name, separator, folder = argument.partition("=")
        if not separator or not folder:
            raise ConfigError(f"--generated takes NAME=DIR, got '{argument}'; for example --generated mine=out/wavs.")
        if name in (GROUND_TRUTH, PROMPT) or not re.fullmatch(rf"{LABEL}(\+{LABEL})?", name):
            raise ConfigError(
                f"--generated: '{name}' cannot name a system: use letters, digits, '.', '_' and '-', and not "
                f"'{GROUND_TRUTH}' or '{PROMPT}', which are references."
            )
        systems[name].append(Path(folder))
    for name, folders in systems.items():
        if len(set(folders)) < len(folders):
            raise ConfigError(f"--generated: '{name}' was given the folder {folders[0]} twice; draws must differ.")
    return {name: tuple(folders) for name, folders in systems.items()}
