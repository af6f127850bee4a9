"""The recordings on which metrics are tested: some of the user's, or sentences of the embedded corpus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ttsbench.audio.usable import unusable_reason
from ttsbench.audio.wav import MIN_SAMPLE_RATE, check_length, read, resample
from ttsbench.data.alignment import align
from ttsbench.data.text import words
from ttsbench.data.textgrid import fitted, read_textgrid
from ttsbench.data.textgrid_fit import require_fit
from ttsbench.engine.walk import walk_files
from ttsbench.errors import ClipError, ConfigError
from ttsbench.types import Clip, Phone

COUNT = 8
MIN_S, MAX_S = 1.0, 15.0
SUFFIXES = (".wav", ".flac")
ESPEAK_MINUTES = 1.0


def recordings_of(folder: Path, texts: Mapping[str, str] | None = None) -> tuple[list[Clip], list[str]]:
    """Return up to eight recordings of 1 to 15 s, spread evenly over a folder and its subfolders, and what was skipped.

    Each skipped recording is named with its reason.

    Recordings below 16 kHz, which WORLD cannot analyse, are resampled to it. ``texts`` maps file names without suffix
    to texts. Phones come from ``<name>.TextGrid`` anywhere in the folder, or else from aligning the text. The prompt is
    the nearest other recording in the sorted list, in most layouts by the same speaker. Raises ``ConfigError`` if no
    recording is usable.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; give a folder with recordings (.wav or .flac), at any depth.")
    entries = list(walk_files(folder))
    files = [path for path in entries if path.suffix.lower() in SUFFIXES]
    if not files:
        raise ConfigError(f"{folder} holds no .wav or .flac file, at any depth; give a folder of recordings.")
    reasons: list[str] = []
    grids = {path.stem: path for path in entries if path.suffix.lower() == ".textgrid"}
    clips = []
    for part in np.array_split(np.arange(len(files)), COUNT):
        if (usable := _first_usable(files, part.tolist(), reasons)) is not None:
            index, clip = usable
            stem = files[index].stem
            named = replace(clip, id=str(files[index].relative_to(folder)), text=(texts or {}).get(stem, ""))
            phones = _phones(named, grids.get(stem), reasons)
            clips.append(replace(named, phones=phones, prompt=_prompt(files, index)))
    if not clips:
        raise ConfigError(
            f"None of the {len(files)} files in {folder} is a usable recording of {MIN_S:g} to {MAX_S:g} s; the "
            f"first: {reasons[0]}"
        )
    return clips, reasons


def espeak_recordings() -> list[Clip]:
    """Return eight sentences of the embedded corpus by five speakers, with all their information."""
    from ttsbench.data.espeak.corpus import EspeakCorpus

    clips = []
    for item in EspeakCorpus(minutes=ESPEAK_MINUTES, renderings=1).utterances():
        samples, rate = read(item.audio)
        clip = Clip(item.id, samples, rate, item.text, item.speaker, attributes=item.attributes)
        clips.append(replace(clip, phones=_phones(clip, item.textgrid, [])))
    return [replace(clip, prompt=_same_speaker(clip, clips)) for clip in clips[:COUNT]]


def _same_speaker(clip: Clip, clips: Sequence[Clip]) -> Clip | None:
    return next((other for other in reversed(clips) if other.speaker == clip.speaker and other.id != clip.id), None)


def _first_usable(files: Sequence[Path], indices: Iterable[int], reasons: list[str]) -> tuple[int, Clip] | None:
    """Return index and clip of the first usable file; append to ``reasons`` why the files before it are unusable."""
    for index in indices:
        try:
            check_length(files[index], min_s=MIN_S, max_s=MAX_S)
            samples, rate = read(files[index])
        except ClipError as error:
            reasons.append(str(error))
            continue
        reason = unusable_reason(samples, rate)
        if reason is None:
            new_rate = max(rate, MIN_SAMPLE_RATE)
            return index, Clip(files[index].stem, resample(samples, rate, new_rate), new_rate)
        reasons.append(f"{files[index]} {reason}")
    return None


def _prompt(files: Sequence[Path], index: int) -> Clip | None:
    """Return the nearest usable recording in the sorted list."""
    near = sorted(set(range(max(0, index - COUNT), min(len(files), index + COUNT + 1))) - {index})
    usable = _first_usable(files, sorted(near, key=lambda other: abs(other - index)), [])
    return usable[1] if usable else None


def _phones(clip: Clip, grid: Path | None, reasons: list[str]) -> tuple[Phone, ...] | None:
    """Return the phones of a TextGrid, or else of the aligned text; None if there is neither.

    A TextGrid that does not fit the recording is no alignment; its fault is appended to ``reasons``.
    """
    try:
        if grid is not None:
            phones = fitted(read_textgrid(grid), clip.duration_s, grid)
            require_fit(phones, clip.samples, clip.sample_rate, grid)
            return tuple(phones)
        return tuple(align(clip.text, clip.samples, clip.sample_rate)) if words(clip.text) else None
    except ClipError as error:
        reasons.append(f"phones of {clip.id}: {error}")
        return None
