"""The embedded corpus: speech rendered by espeak-ng on first use, from known distributions.

Sentences come from a grammar (``text``), the prosody and the hidden voice quality of each phrase from documented
distributions (``prosody``, ``quality``), and the times of the phones from the synthesiser itself (``render``). Test
sentences are rendered several times by the same speaker, so that systems can be compared with the distribution of
prosody given the text.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ttsbench.data.espeak.build import Options, split_sizes
from ttsbench.data.espeak.prosody import DEFAULT_SPEAKERS, SPEAKERS
from ttsbench.data.espeak.rerender import RenderedUtterance, render_again
from ttsbench.data.espeak.voice import SAMPLE_RATE
from ttsbench.engine.store import cache_dir, check_space, content_hash, read_json
from ttsbench.errors import CorpusError
from ttsbench.types import Samples, Utterance

VERSION = 2  # increase it when the same options generate different files
MAX_MINUTES = 600.0
SENTENCES_PER_MINUTE = 14
BYTES_PER_MINUTE = 3_000_000
ABANDONED_S = 3600.0  # an unfinished folder older than this was left by a process that was killed


class EspeakCorpus:
    """``minutes`` of speech at 22,050 Hz by ``speakers``, each test sentence ``renderings`` times by one of them.

    The files are stored in ``path``, or in the cache folder under the hash of the options. The same options give the
    same bytes. ``Utterance.attributes`` holds ``split``, ``sentence``, ``rendering``, ``duration_s`` and ``phrases``:
    for each phrase its text, the drawn ``pitch`` (Hz), ``range``, ``rate`` (words per minute) and ``pause_s``, and its
    ``start_s`` and ``end_s``. With ``voice_quality`` each phrase also draws a hidden ``effort`` (dB per octave) and
    ``formant_scale``, recorded with ``quality_log_density``; without it the voice is neutral. In another ``language``
    than English the sentences are numbers, spelled by num2words or read by espeak-ng; the calibration of pitch is that
    of the English voices. ``test_sentences`` and ``valid_sentences`` set the sizes of these splits, which
    otherwise grow with ``minutes`` (15 and 12 in 24 minutes). Raises ``CorpusError`` for options out of range.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        minutes: float = 24.0,
        speakers: tuple[str, ...] = DEFAULT_SPEAKERS,
        seed: int = 0,
        renderings: int = 4,
        voice_quality: bool = True,
        language: str = "en",
        test_sentences: int | None = None,
        valid_sentences: int | None = None,
    ) -> None:
        _check_numbers(minutes, seed, renderings)
        if not isinstance(voice_quality, bool):
            raise CorpusError(f"voice_quality is {voice_quality!r}: give true or false.")
        _check_speakers(speakers)
        _check_sentences(minutes, test=test_sentences, valid=valid_sentences)
        if "+" in language:
            raise CorpusError(f"The espeak corpus has one language and not '{language}': make one corpus for each.")
        self.options = Options(
            float(minutes),
            tuple(speakers),
            seed,
            renderings,
            voice_quality,
            VERSION,
            language,
            test_sentences,
            valid_sentences,
        )
        name = f"espeak-{content_hash(self.options.values())}"
        self.folder = cache_dir() / "corpora" / name if path is None else Path(path).expanduser()

    def utterances(self) -> Sequence[Utterance]:
        """Return every utterance, after generating the corpus if necessary. Raises ``CorpusError``."""
        return [self._utterance(row) for row in self.manifest()["utterances"]]

    def split_sizes(self) -> dict[str, int]:
        """Return the numbers of test and validation utterances, which depend on the options alone."""
        return split_sizes(self.options)

    def manifest(self) -> dict[str, Any]:
        """Return the options, the parameters of prosody and voice quality, and the rows of all utterances."""
        if self._occupied():
            return self._read()
        _generate(self.folder, self.options)
        return self._read()

    @property
    def redrawable(self) -> bool:
        """True if the phrases have a hidden voice quality, in English."""
        return self.options.voice_quality and self.options.language == "en"

    def redraw(self, utterances: Sequence[Utterance], draws: int) -> list[list[tuple[Samples, int]]]:
        """Render utterances again with other voice qualities: see ``ttsbench.data.espeak.rerender``."""
        requests = [
            RenderedUtterance(
                each.id,
                each.speaker,
                round(each.attributes["duration_s"] * SAMPLE_RATE),
                each.attributes["phrases"],
            )
            for each in utterances
        ]
        return [[(samples, SAMPLE_RATE) for samples in each] for each in render_again(requests, draws)]

    def _occupied(self) -> bool:
        if self.folder.exists() and not self.folder.is_dir():
            raise CorpusError(f"{self.folder} is a file: give the espeak corpus a folder of its own.")
        return self.folder.is_dir() and any(self.folder.iterdir())

    def _read(self) -> dict[str, Any]:
        """Return the manifest of a finished corpus with these options."""
        path = self.folder / "manifest.json"
        try:
            manifest: dict[str, Any] = read_json(path)
            options = manifest["options"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorpusError(f"{self.folder} is not empty and holds no espeak corpus: choose another path.") from error
        if options != json.loads(json.dumps(self.options.values())):
            raise CorpusError(
                f"{self.folder} holds an espeak corpus with other options ({options}): choose another path."
            )
        return manifest

    def _utterance(self, row: dict[str, Any]) -> Utterance:
        attributes = {key: value for key, value in row.items() if key not in ("id", "speaker", "text")}
        audio = self.folder / "wavs" / f"{row['id']}.wav"
        grid = self.folder / "TextGrid" / f"{row['id']}.TextGrid"
        return Utterance(row["id"], row["speaker"], row["text"], audio, grid, attributes)


def _check_numbers(minutes: float, seed: int, renderings: int) -> None:
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not math.isfinite(minutes):
        raise CorpusError(f"minutes is {minutes!r}: give a number of minutes, such as 24.")
    if not 0.0 < minutes <= MAX_MINUTES:
        raise CorpusError(f"minutes is {minutes:g}: give more than 0 and at most {MAX_MINUTES:g}.")
    for name, value, least in (("seed", seed, 0), ("renderings", renderings, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise CorpusError(f"{name} is {value!r}: give a whole number of at least {least}.")


def _check_sentences(minutes: float, **counts: int | None) -> None:
    for split, count in counts.items():
        if count is None:
            continue
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise CorpusError(f"{split}_sentences is {count!r}: give a whole number of at least 1.")
        if count > minutes * SENTENCES_PER_MINUTE / 4:
            raise CorpusError(
                f"{split}_sentences is {count}, more than a quarter of {minutes:g} minutes of about "
                f"{SENTENCES_PER_MINUTE} sentences each: give fewer sentences or more minutes."
            )


def _check_speakers(speakers: Sequence[str]) -> None:
    known = ", ".join(SPEAKERS)
    if isinstance(speakers, str) or not speakers or len(set(speakers)) != len(speakers):
        raise CorpusError(f"speakers is {speakers!r}: list one or more different names among {known}.")
    unknown = [name for name in speakers if name not in SPEAKERS]
    if unknown:
        raise CorpusError(f"The espeak corpus has no speaker {unknown[0]!r}: choose among {known}.")


def _generate(folder: Path, options: Options) -> None:
    """Build beside the folder and rename it; of several processes at once the first wins, since all files are equal."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    check_space(folder.parent, round(options.minutes * BYTES_PER_MINUTE))
    prefix = f".{folder.name}."
    _sweep(folder.parent, prefix)
    unfinished = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        _run_builder(unfinished, options)
        unfinished.chmod(0o755)
        with suppress(OSError):  # another process was first; the caller reads and checks its files
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _run_builder(folder: Path, options: Options) -> None:
    command = [sys.executable, "-m", "ttsbench.data.espeak.build", str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"}
    process = subprocess.run(
        command, input=json.dumps(options.values()), env=environment, capture_output=True, text=True, check=False
    )
    if process.returncode != 0:
        reason = (process.stderr.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        raise CorpusError(f"The espeak corpus could not be generated in {folder.parent}: {reason}")


def _sweep(parent: Path, prefix: str) -> None:
    """Remove unfinished folders that killed processes left behind."""
    for folder in parent.glob(f"{prefix}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)
