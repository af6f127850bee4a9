"""The recordings that metrics are tried on: a few of the user's own, or sentences of the embedded corpus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ttsbench.audio.usable import unusable_reason
from ttsbench.audio.wav import MIN_SAMPLE_RATE, check_length, read, resample
from ttsbench.data.alignment import align
from ttsbench.data.text import words
from ttsbench.data.textgrid import read_textgrid
from ttsbench.errors import ClipError, ConfigError
from ttsbench.types import Clip, Phone

COUNT = 8
MIN_S, MAX_S = 1.0, 15.0
SUFFIXES = (".wav", ".flac")
ESPEAK_MINUTES = 1.0


def recordings_of(folder: Path, texts: Mapping[str, str] | None = None) -> list[Clip]:
    """Up to eight recordings of 1 to 15 s, spread over a folder and all below it.

    Those with a rate below 16 kHz, which WORLD cannot analyse, are brought to it. ``texts`` are by file name without
    its ending. Phones are those of ``<name>.TextGrid`` anywhere in the folder, or aligned where there is a text. The
    prompt is the nearest other recording, in most layouts by the same speaker.
    Raises ``ConfigError`` where no recording is of use.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; give one that holds recordings (.wav or .flac), at any depth.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise ConfigError(f"{folder} holds no .wav or .flac file, at any depth; give a folder of recordings.")
    reasons: list[str] = []
    grids = {path.stem: path for path in folder.rglob("*.TextGrid")}
    clips = []
    for part in np.array_split(np.arange(len(files)), COUNT):
        if (found := _first_usable(files, part.tolist(), reasons)) is not None:
            place, clip = found
            stem = files[place].stem
            known = replace(clip, id=str(files[place].relative_to(folder)), text=(texts or {}).get(stem, ""))
            clips.append(replace(known, phones=_phones(known, grids.get(stem)), prompt=_prompt(files, place)))
    if not clips:
        raise ConfigError(
            f"None of the {len(files)} files in {folder} is a recording of {MIN_S:g} to {MAX_S:g} s that can be used; "
            f"the first: {reasons[0]}"
        )
    return clips


def espeak_recordings() -> list[Clip]:
    """Eight sentences of the embedded corpus by five speakers, with all that it knows of them."""
    from ttsbench.data.espeak.corpus import EspeakCorpus

    clips = []
    for one in EspeakCorpus(minutes=ESPEAK_MINUTES, renderings=1).utterances():
        samples, rate = read(one.audio)
        clip = Clip(one.id, samples, rate, one.text, one.speaker, attributes=one.attributes)
        clips.append(replace(clip, phones=_phones(clip, one.textgrid)))
    return [replace(clip, prompt=_same_speaker(clip, clips)) for clip in clips[:COUNT]]


def _same_speaker(clip: Clip, clips: Sequence[Clip]) -> Clip | None:
    return next((one for one in reversed(clips) if one.speaker == clip.speaker and one.id != clip.id), None)


def _first_usable(files: Sequence[Path], places: Iterable[int], reasons: list[str]) -> tuple[int, Clip] | None:
    """The first of some files that is of use, and its place; ``reasons`` takes why others are not."""
    for place in places:
        try:
            check_length(files[place], min_s=MIN_S, max_s=MAX_S)
            samples, rate = read(files[place])
        except ClipError as error:
            reasons.append(str(error))
            continue
        reason = unusable_reason(samples, rate)
        if reason is None:
            kept = max(rate, MIN_SAMPLE_RATE)
            return place, Clip(files[place].stem, resample(samples, rate, kept), kept)
        reasons.append(f"{files[place]} {reason}")
    return None


def _prompt(files: Sequence[Path], place: int) -> Clip | None:
    """The nearest usable recording in the sorted list."""
    near = sorted(set(range(max(0, place - COUNT), min(len(files), place + COUNT + 1))) - {place})
    found = _first_usable(files, sorted(near, key=lambda other: abs(other - place)), [])
    return found[1] if found else None


def _phones(clip: Clip, grid: Path | None) -> tuple[Phone, ...] | None:
    """Phones of a TextGrid, or else of the text; None where neither can be had."""
    try:
        if grid is not None:
            return tuple(read_textgrid(grid))
        return tuple(align(clip.text, clip.samples, clip.sample_rate)) if words(clip.text) else None
    except ClipError:
        return None
