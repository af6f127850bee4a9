"""Clips of the page: for a few utterances the clip of every system beside the reference, with transcripts and scores.

Clips that the run synthesised are played from the run's folder. External clips (``ttsbench score``) may lie anywhere
and in formats that not every browser plays, so the page keeps WAV copies of the few that it shows in ``clips/``, beside
the spectrograms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ttsbench.audio.wav import read, resample, write
from ttsbench.config.schema import MelConfig
from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import write_bytes
from ttsbench.errors import ClipError
from ttsbench.evaluation.test_set import EvaluatedUtterance, evaluated_utterances
from ttsbench.reporting.page.run_clips import ClipId, Key, RunClips
from ttsbench.reporting.page.scores import ClipScore, clip_scores
from ttsbench.reporting.page.selection import select_utterances
from ttsbench.reporting.page.spectrogram import picture
from ttsbench.reporting.page.transcript import AlignedWord, compare_words
from ttsbench.types import Samples

CLIPS = "clips"
TAKES = 6  # seeds and draws that can be selected


@dataclass(frozen=True)
class Take:
    """A clip of a system.

    ``label`` names its seed and draw, and is empty if the system has only one. ``audio`` and ``picture`` are addresses
    relative to the page; they are empty for a missing clip, with the reason in ``fault``. ``no_transcript`` is the
    reason why a requested transcript is missing.
    """

    key: Key
    label: str
    audio: str = ""
    picture: str = ""
    seconds: float = 0.0
    fault: str = ""
    transcript: Sequence[AlignedWord] | None = None
    no_transcript: str = ""
    scores: Sequence[ClipScore] = ()

    @property
    def errors(self) -> int:
        """The number of word errors."""
        return sum(word.text != word.recognised for word in self.transcript or ())


@dataclass(frozen=True)
class UtteranceClips:
    """An utterance with at least one take of each system; ``seconds`` is the length of the longest clip."""

    utterance: EvaluatedUtterance
    systems: Mapping[str, Sequence[Take]]
    seconds: float


@dataclass(frozen=True)
class Listening:
    """The clips of the page.

    ``selection`` says how the utterances were selected. ``takes`` can be selected on the page, and ``more`` counts
    those that cannot. ``owned`` maps every system to the labels of all its takes.
    """

    selection: str
    takes: Mapping[Key, str]
    more: int
    owned: Mapping[str, Mapping[Key, str]]
    utterances: Sequence[UtteranceClips]
    clips: RunClips

    def address_of(self, clip: ClipId) -> str:
        """Return the address of a clip that the page holds; raises ``ClipError`` for others."""
        for item in self.utterances:
            for take in item.systems[clip.system]:
                if item.utterance.id == clip.utterance and take.key == clip.key and take.audio:
                    return take.audio
        raise ClipError("the page has no copy of this clip")


def listening_of(folder: Path, systems: Sequence[str], listen: Sequence[str] = ()) -> Listening | None:
    """Return the clips of a run's folder, with pictures written to ``clips/``; None if the folder holds no audio.

    Raises ``TtsbenchError`` if ``listen`` names an unknown utterance.
    """
    layout = RunLayout(folder)
    if not layout.wavs.is_dir() or not layout.experiment.exists():
        return None
    clips = RunClips(folder)
    utterances, selection = select_utterances(evaluated_utterances(folder), listen)
    scores = clip_scores(folder, clips.experiment, {utterance.id for utterance in utterances})
    owned = _owned(systems, scores)
    names = _names({key for takes in owned.values() for key in takes})
    takes = dict(list(names.items())[:TAKES])
    labelled = {system: {key: names[key] if len(own) > 1 else "" for key in own} for system, own in owned.items()}
    items = [_utterance(clips, item, number, labelled, takes, scores) for number, item in enumerate(utterances)]
    _remove_unused(folder / CLIPS, items)
    return Listening(selection, takes, len(names) - len(takes), labelled, items, clips)


def _owned(systems: Sequence[str], scores: Iterable[ClipId]) -> dict[str, list[Key]]:
    """Return the takes of each system; first draws come first, because seeds differ more than draws."""
    keys = {system: {clip.key for clip in scores if clip.system == system} for system in systems}
    return {system: sorted(own, key=_draw_then_seed) for system, own in keys.items() if own}


def _names(keys: Iterable[Key]) -> dict[Key, str]:
    """Name the takes by what they differ in; draws are counted from 1."""
    ordered = sorted(keys, key=_draw_then_seed)
    seeds, draws = (len({key[place] for key in ordered}) > 1 for place in (0, 1))
    return {(seed, draw): ", ".join([f"seed {seed}"] * seeds + [f"draw {draw + 1}"] * draws) for seed, draw in ordered}


def _draw_then_seed(key: Key) -> Key:
    return key[1], key[0]


def _utterance(
    clips: RunClips,
    utterance: EvaluatedUtterance,
    number: int,
    labelled: Mapping[str, Mapping[Key, str]],
    takes: Mapping[Key, str],
    scores: Mapping[ClipId, Sequence[ClipScore]],
) -> UtteranceClips:
    systems: dict[str, list[Take]] = {}
    for place, (system, own) in enumerate(labelled.items()):
        for key in [key for key in own if key in takes] or list(own)[:1]:
            clip = ClipId(system, *key, utterance.id)
            stem = clips.folder / CLIPS / f"{number}-{place}-{key[0]}-{key[1]}"
            take = _take(clips, utterance, clip, own[key], scores.get(clip, ()), stem)
            systems.setdefault(system, []).append(take)
    longest = max((take.seconds for own in systems.values() for take in own), default=0.0)
    return UtteranceClips(utterance, systems, longest)


def _take(
    clips: RunClips, utterance: EvaluatedUtterance, clip: ClipId, label: str, scores: Sequence[ClipScore], stem: Path
) -> Take:
    make = partial(Take, clip.key, label, scores=scores)
    try:
        path = clips.audio(clip)
        samples, rate = read(path)
        if not path.is_relative_to(clips.folder):
            path = stem.with_suffix(".wav")
            path.parent.mkdir(exist_ok=True)
            write(path, samples, rate)
    except ClipError as error:
        return make(fault=str(error))
    image = _picture(samples, rate, clips.experiment.mel, stem.with_suffix(".png"))
    transcript = clips.transcript(clip)
    return make(
        audio=clips.address(path),
        picture=clips.address(image) if image else "",
        seconds=len(samples) / rate,
        transcript=compare_words(utterance.text, transcript["text"]) if "text" in transcript else None,
        no_transcript=transcript.get("error", ""),
    )


def _picture(samples: Samples, rate: int, mel: MelConfig, path: Path) -> Path | None:
    try:
        write_bytes(path, picture(resample(samples, rate, mel.sample_rate), mel))
    except ClipError:
        return None
    return path


def _remove_unused(clips: Path, items: Iterable[UtteranceClips]) -> None:
    """Remove the files of an earlier page that this page does not use."""
    takes = [take for item in items for own in item.systems.values() for take in own]
    used = {Path(address).name for take in takes for address in (take.audio, take.picture)}
    for path in [*clips.glob("*.png"), *clips.glob("*.wav")]:
        if path.name not in used:
            path.unlink()
