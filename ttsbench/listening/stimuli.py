"""The stimuli of a test: usable utterances, loudness of the clips, and the audio files of the page."""

from __future__ import annotations

import math
import secrets
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ttsbench.audio.wav import read, resample, write
from ttsbench.config.systems import GROUND_TRUTH
from ttsbench.errors import ClipError, ConfigError
from ttsbench.evaluation.test_set import EvaluatedUtterance
from ttsbench.listening.conditions import Conditions
from ttsbench.listening.key import CHECK, Stimulus
from ttsbench.listening.material import Material, Source
from ttsbench.listening.sound import Level, at_loudness, common_loudness, level, low_passed, spoken_check
from ttsbench.types import Samples


class Clips:
    """The clips that a test can use; ``measure`` finds usable utterances in random order."""

    def __init__(
        self, material: Material, conditions: Conditions, rng: np.random.Generator, longest_s: float | None
    ) -> None:
        self._material, self._conditions, self._longest_s = material, conditions, longest_s
        self._needed = [one for one in material.systems if one in (*conditions.systems, GROUND_TRUTH)]
        self.left_out: dict[str, str] = {}
        for (system, id_), reason in material.missing.items():
            if system in self._needed:
                self.left_out.setdefault(id_, f"{system}: {reason}")
        self.candidates = _in_turn([one for one in material.utterances if one.id not in self.left_out], rng)
        self._turn = {id_: number for number, id_ in enumerate(self.candidates)}
        self.usable: list[str] = []
        self.levels: dict[tuple[str, str], Level] = {}
        self.seconds: dict[str, float] = {}  # length of the longest clip of each utterance
        self.sample_rate = 0  # Hz, the highest of all clips; all files are resampled to it

    def measure(self, wanted: int) -> None:
        """Find ``wanted`` usable utterances; raises ``ConfigError`` if there are fewer."""
        for id_ in self.candidates:
            if len(self.usable) == wanted:
                return
            try:
                self._measure(id_)
                self.usable.append(id_)
            except ClipError as error:
                self.left_out[id_] = str(error)
        if len(self.usable) < wanted:
            id_, reason = next(iter(self.left_out.items()))
            raise ConfigError(
                f"The test needs {wanted} utterances, one of them for training, but only {len(self.usable)} can be "
                f"used; {len(self.left_out)} cannot, such as {id_} ({reason}). Give fewer --utterances."
            )

    def _measure(self, id_: str) -> None:
        levels, rates, longest = {}, [], 0.0
        for system in (*self._needed, *self._conditions.anchors):
            samples, rate = self.samples(system, id_)
            try:
                levels[system, id_] = level(samples, rate)
            except ClipError as error:
                raise ClipError(f"{system}: {error}") from error
            longest = max(longest, len(samples) / rate)
            rates.append(rate)
        if self._longest_s is not None and longest > self._longest_s:
            raise ClipError(f"it lasts {longest:.1f} s, more than {self._longest_s:g} s")
        self.levels |= levels
        self.seconds[id_] = longest
        self.sample_rate = max(self.sample_rate, *rates)

    def samples(self, system: str, id_: str) -> tuple[Samples, int]:
        """Return the clip as samples (N,) and its rate in Hz; anchors are filtered recordings."""
        samples, rate = read(self.source(system, id_).path)
        cutoff = self._conditions.anchors.get(system)
        return (samples if cutoff is None else low_passed(samples, rate, cutoff)), rate

    def source(self, system: str, id_: str) -> Source:
        """Return the wav of a clip; the utterances rotate through the training seeds."""
        sources = self._material.clips[GROUND_TRUTH if system in self._conditions.anchors else system, id_]
        return sources[self._turn[id_] % len(sources)]


def _in_turn(utterances: Sequence[EvaluatedUtterance], rng: np.random.Generator) -> list[str]:
    """Return ids in random order, with every text once before any text repeats."""
    drawn = [utterances[number] for number in rng.permutation(len(utterances))]
    texts: Counter[str] = Counter()
    rounds = []
    for one in drawn:
        rounds.append(texts[one.text] if one.text else 0)
        texts[one.text] += 1
    return [drawn[number].id for number in np.argsort(rounds, kind="stable")]


class AudioFiles:
    """The audio files of a test under random names, with equal loudness and sample rate, written on first use.

    With ``padded``, all files of an utterance have the length of the longest.
    """

    def __init__(self, folder: Path, clips: Clips, labels: Sequence[str], padded: bool) -> None:
        """``labels`` are the answers that the attention checks ask for."""
        self._folder, self._clips, self._padded = folder, clips, padded
        self._checks = {label: spoken_check(label) for label in labels}
        self._check_levels = {label: level(*spoken) for label, spoken in self._checks.items()}
        self.lufs = common_loudness([*clips.levels.values(), *self._check_levels.values()])
        self.stimuli: dict[str, Stimulus] = {}
        self._names: dict[tuple[str, str], str] = {}
        folder.mkdir(parents=True)

    def name(self, system: str, id_: str) -> str:
        """Return the file of a clip, always the same file for the same clip."""
        if (system, id_) not in self._names:
            self._names[system, id_] = self.another(system, id_)
        return self._names[system, id_]

    def another(self, system: str, id_: str) -> str:
        """Write another file of a clip, so that file names do not reveal the hidden reference."""
        samples, rate = self._clips.samples(system, id_)
        samples = resample(samples, rate, self._clips.sample_rate)
        if self._padded:
            length = math.ceil(self._clips.seconds[id_] * self._clips.sample_rate)
            samples = np.pad(samples, (0, max(0, length - len(samples))))
        seed = self._clips.source(system, id_).seed
        return self._write(samples, self._clips.levels[system, id_], Stimulus(system=system, utterance=id_, seed=seed))

    def check(self, label: str) -> str:
        """Write a file that asks for the answer ``label``."""
        samples, rate = self._checks[label]
        samples = resample(samples, rate, self._clips.sample_rate)
        return self._write(samples, self._check_levels[label], Stimulus(system=CHECK, utterance=label))

    def _write(self, samples: Samples, measured: Level, stimulus: Stimulus) -> str:
        name = f"s{secrets.token_hex(8)}"  # starts with a letter, because YAML may read 12e34567 as a number
        write(self._folder / f"{name}.wav", at_loudness(samples, measured, self.lufs), self._clips.sample_rate)
        self.stimuli[name] = stimulus
        return name
