"""Clips to listen to: of a few utterances every system beside the reference, with what was heard and measured of each.

Clips that a run made are played from where they lie. Those that were handed in lie elsewhere, and in formats that not
every browser plays: the few that are shown are kept as WAV in ``clips/``, beside the spectrograms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ttsbench.audio.wav import read, resample, write
from ttsbench.config.schema import MelConfig
from ttsbench.engine.store import write_bytes
from ttsbench.errors import ClipError
from ttsbench.evaluation.test_set import EvaluatedUtterance, evaluated_utterances
from ttsbench.reporting.page.choice import chosen
from ttsbench.reporting.page.heard import Word, compared
from ttsbench.reporting.page.run_clips import Key, RunClips, Who
from ttsbench.reporting.page.scores import ClipScore, clip_scores
from ttsbench.reporting.page.spectrogram import picture
from ttsbench.types import Samples

CLIPS = "clips"
TAKES = 6  # seeds and draws that can be selected


@dataclass(frozen=True)
class Take:
    """One clip. ``audio`` and ``picture`` are addresses relative to the page, empty where ``fault`` says why."""

    key: Key
    label: str  # which seed and draw it is, empty where the system has only one
    audio: str = ""
    picture: str = ""
    seconds: float = 0.0
    fault: str = ""
    heard: Sequence[Word] | None = None
    unheard: str = ""  # why there is no transcript, where one was asked for
    scores: Sequence[ClipScore] = ()

    @property
    def errors(self) -> int:
        """Words that are not as the text has them."""
        return sum(word.said != word.heard for word in self.heard or ())


@dataclass(frozen=True)
class Heard:
    """One utterance: of each system its takes, at least one. ``seconds`` is the length of the longest."""

    utterance: EvaluatedUtterance
    systems: Mapping[str, Sequence[Take]]
    seconds: float


@dataclass(frozen=True)
class Listening:
    """What can be heard, and how it was chosen. ``owned``: every clip of an utterance that a system has, and its name.

    ``takes`` can be selected; ``more`` are in the run and not on the page.
    """

    how: str
    takes: Mapping[Key, str]
    more: int
    owned: Mapping[str, Mapping[Key, str]]
    heard: Sequence[Heard]
    clips: RunClips

    def address_of(self, who: Who) -> str:
        """Where the page plays one of the clips it shows from; raises ``ClipError`` where it does not."""
        for one in self.heard:
            for take in one.systems[who.system]:
                if one.utterance.id == who.utterance and take.key == who.key and take.audio:
                    return take.audio
        raise ClipError("the page has no copy of this clip")


def listening_of(folder: Path, systems: Sequence[str], listen: Sequence[str] = ()) -> Listening | None:
    """Everything to hear in a run's folder, with pictures in ``clips/``; None where it holds no audio.

    Raises ``TtsbenchError`` where ``listen`` names an utterance that the run does not have.
    """
    if not (folder / "wavs").is_dir() or not (folder / "experiment.json").exists():
        return None
    clips = RunClips(folder)
    utterances, how = chosen(evaluated_utterances(folder), listen)
    scores = clip_scores(folder, clips.experiment, {one.id for one in utterances})
    owned = _owned(systems, scores)
    names = _names({key for own in owned.values() for key in own})
    takes = dict(list(names.items())[:TAKES])
    named = {system: {key: names[key] if len(own) > 1 else "" for key in own} for system, own in owned.items()}
    heard = [_heard(clips, one, number, named, takes, scores) for number, one in enumerate(utterances)]
    _forget(folder / CLIPS, heard)
    return Listening(how, takes, len(names) - len(takes), named, heard, clips)


def _owned(systems: Sequence[str], scores: Iterable[Who]) -> dict[str, list[Key]]:
    """First draws come first: two seeds tell more of a system than two draws of one."""
    keys = {system: {who.key for who in scores if who.system == system} for system in systems}
    return {system: sorted(own, key=_draw_then_seed) for system, own in keys.items() if own}


def _names(keys: Iterable[Key]) -> dict[Key, str]:
    """What readers call them, by what they differ in. Draws are counted from one."""
    ordered = sorted(keys, key=_draw_then_seed)
    seeds, draws = (len({key[place] for key in ordered}) > 1 for place in (0, 1))
    return {(seed, draw): ", ".join([f"seed {seed}"] * seeds + [f"draw {draw + 1}"] * draws) for seed, draw in ordered}


def _draw_then_seed(key: Key) -> Key:
    return key[1], key[0]


def _heard(
    clips: RunClips,
    utterance: EvaluatedUtterance,
    number: int,
    named: Mapping[str, Mapping[Key, str]],
    takes: Mapping[Key, str],
    scores: Mapping[Who, Sequence[ClipScore]],
) -> Heard:
    shown: dict[str, list[Take]] = {}
    for place, (system, own) in enumerate(named.items()):
        for key in [key for key in own if key in takes] or list(own)[:1]:
            who = Who(system, *key, utterance.id)
            stem = clips.folder / CLIPS / f"{number}-{place}-{key[0]}-{key[1]}"
            take = _take(clips, utterance, who, own[key], scores.get(who, ()), stem)
            shown.setdefault(system, []).append(take)
    return Heard(utterance, shown, max((take.seconds for own in shown.values() for take in own), default=0.0))


def _take(
    clips: RunClips, utterance: EvaluatedUtterance, who: Who, label: str, scores: Sequence[ClipScore], stem: Path
) -> Take:
    make = partial(Take, who.key, label, scores=scores)
    try:
        path = clips.audio(who)
        samples, rate = read(path)
        if not path.is_relative_to(clips.folder):
            path = stem.with_suffix(".wav")
            path.parent.mkdir(exist_ok=True)
            write(path, samples, rate)
    except ClipError as error:
        return make(fault=str(error))
    drawn = _picture(samples, rate, clips.experiment.mel, stem.with_suffix(".png"))
    found = clips.transcript(who)
    return make(
        audio=clips.address(path),
        picture=clips.address(drawn) if drawn else "",
        seconds=len(samples) / rate,
        heard=compared(utterance.text, found["text"]) if "text" in found else None,
        unheard=found.get("error", ""),
    )


def _picture(samples: Samples, rate: int, mel: MelConfig, path: Path) -> Path | None:
    try:
        write_bytes(path, picture(resample(samples, rate, mel.sample_rate), mel))
    except ClipError:
        return None
    return path


def _forget(clips: Path, heard: Iterable[Heard]) -> None:
    """What an earlier page showed and this one does not."""
    takes = [take for one in heard for own in one.systems.values() for take in own]
    shown = {Path(address).name for take in takes for address in (take.audio, take.picture)}
    for path in [*clips.glob("*.png"), *clips.glob("*.wav")]:
        if path.name not in shown:
            path.unlink()
