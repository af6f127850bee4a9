"""Rendering of one sentence of the embedded corpus, with the times of words and phones.

Phrases are rendered one by one and joined. Each phrase is cut at its first phone and after its last one; its decay
fades out in the silence that follows. Times are counted in samples until a TextGrid is written, so nothing is rounded.
Phones are labelled in IPA; a ``1`` or ``2`` at the end of the label marks primary or secondary stress, as in ARPAbet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsbench.data.espeak.prosody import PhraseProsody, Speaker
from ttsbench.data.espeak.quality import NEUTRAL, QUALITY, PhraseQuality, add_breath, tilt
from ttsbench.data.espeak.voice import SAMPLE_RATE, Event, Speech, pitch_formant_factor, speak
from ttsbench.types import SILENCE

EDGE_S = 0.075  # silence before and after a sentence
TAIL_S = 0.05  # of the decay after the last phone of a phrase, faded out
_STRESS = {"ˈ": "1", "ˌ": "2"}

Interval = tuple[str, int, int]  # label, first sample, first sample after


@dataclass(frozen=True)
class Phrase:
    """A phrase and everything that was drawn for it; ``pause_s`` is None for the last phrase."""

    text: str
    prosody: PhraseProsody
    quality: PhraseQuality
    pause_s: float | None

    def record(self) -> dict[str, Any]:
        """Return the drawn values for the manifest."""
        values = {"text": self.text, **asdict(self.prosody), "pause_s": self.pause_s}
        if self.quality == NEUTRAL:
            return values
        return {**values, **asdict(self.quality), "quality_log_density": QUALITY.log_density(self.quality)}

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Phrase:
        """Return the phrase of a record in the manifest."""
        prosody = PhraseProsody(record["pitch"], record["range"], record["rate"])
        quality = PhraseQuality(record["effort"], record["formant_scale"]) if "effort" in record else NEUTRAL
        return cls(record["text"], prosody, quality, record["pause_s"])


@dataclass(frozen=True)
class Rendering:
    """Samples (N,) int16 at ``SAMPLE_RATE``, intervals that tile [0, N), and the records of the phrases."""

    samples: NDArray[np.int16]
    words: list[Interval]
    phones: list[Interval]
    phrases: list[dict[str, Any]]


def draw(texts: Sequence[str], speaker: Speaker, rng: np.random.Generator) -> list[Phrase]:
    """Draw the prosody of each phrase of a sentence, with neutral voice quality."""
    phrases = []
    for number, text in enumerate(texts, start=1):
        prosody = speaker.prosody.sample(rng)
        pause_s = speaker.prosody.sample_pause(rng) if number < len(texts) else None
        phrases.append(Phrase(text, prosody, NEUTRAL, pause_s))
    return phrases


def draw_quality(phrases: Sequence[Phrase], rng: np.random.Generator) -> list[Phrase]:
    """Return the phrases with a new voice quality each."""
    return [replace(phrase, quality=QUALITY.sample(rng)) for phrase in phrases]


def render(phrases: Sequence[Phrase], speaker: Speaker, rng: np.random.Generator) -> Rendering:
    """Render the phrases of a sentence; ``rng`` draws the noise of the breath."""
    edge = round(EDGE_S * SAMPLE_RATE)
    chunks: list[NDArray[np.int16]] = [np.zeros(edge, dtype=np.int16)]
    words: list[Interval] = []
    phones: list[Interval] = []
    records: list[dict[str, Any]] = []
    for phrase in phrases:
        last = phrase.pause_s is None
        levels = speaker.levels(phrase.prosody)
        text = phrase.text + ("." if last else ",")
        speech = speak(text, speaker.voice, **levels, formant_scale=_variant_scale(phrase.quality, levels["pitch"]))
        start = sum(map(len, chunks))
        first, end = _extent(speech)
        silence = edge if phrase.pause_s is None else round(phrase.pause_s * SAMPLE_RATE)
        chunks.append(_coloured(_cut(speech, first, end, silence), phrase.quality, rng))
        words += _shift(_words(speech.events, phrase.text, end), start - first)
        phones += _shift(_phones(speech.events, end), start - first)
        extent = {"start_s": start / SAMPLE_RATE, "end_s": (start + end - first) / SAMPLE_RATE}
        records.append({**phrase.record(), **extent})
    samples = np.concatenate(chunks)
    return Rendering(samples, _tile(words, len(samples)), _tile(phones, len(samples)), records)


def textgrid(tiers: dict[str, list[Interval]], samples: int) -> str:
    """Return a TextGrid in Praat's long text format; ``samples`` is the length of the clip."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {_seconds(samples)}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, intervals) in enumerate(tiers.items(), start=1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {_seconds(samples)}"]
        lines += [f"        intervals: size = {len(intervals)}"]
        for index, (label, start, end) in enumerate(intervals, start=1):
            lines += [f"        intervals [{index}]:", f"            xmin = {_seconds(start)}"]
            lines += [f"            xmax = {_seconds(end)}", f'            text = "{label}"']
    return "\n".join(lines) + "\n"


def _seconds(samples: int) -> str:
    return f"{samples / SAMPLE_RATE:.9g}"


def _extent(speech: Speech) -> tuple[int, int]:
    """Return the first sample of the first phone and the first sample after the last phone."""
    starts = [event.sample for event in speech.events if event.phone]
    after = [event.sample for event in speech.events if event.phone == "" and event.sample > starts[-1]]
    return starts[0], min(after[0] if after else len(speech.samples), len(speech.samples))


def _cut(speech: Speech, first: int, end: int, silence: int) -> NDArray[np.int16]:
    """Return a phrase followed by ``silence`` samples, in which its decay fades out."""
    tail = speech.samples[end : end + min(silence, round(TAIL_S * SAMPLE_RATE))]
    faded = np.rint(tail * np.linspace(1.0, 0.0, len(tail))).astype(np.int16)
    return np.concatenate([speech.samples[first:end], faded, np.zeros(silence - len(tail), dtype=np.int16)])


def _variant_scale(quality: PhraseQuality, pitch: int) -> float:
    """Return the formant scale of the voice variant, which cancels the dependence of formants on pitch."""
    return 1.0 if quality == NEUTRAL else quality.formant_scale / pitch_formant_factor(pitch)


def _coloured(samples: NDArray[np.int16], quality: PhraseQuality, rng: np.random.Generator) -> NDArray[np.int16]:
    """Apply the vocal effort of a voice quality to samples (N,)."""
    if quality == NEUTRAL:
        return samples
    breathy = add_breath(samples.astype(np.float64), quality.effort, SAMPLE_RATE, rng)
    filtered = np.rint(tilt(breathy, quality.effort, SAMPLE_RATE))
    return np.clip(filtered, -32768, 32767).astype(np.int16)


def _phones(events: Sequence[Event], end: int) -> list[Interval]:
    """Return the phones of a phrase without the silences between them, which ``_tile`` adds."""
    marks = [(event.phone, event.sample) for event in events if event.phone is not None]
    stops = [*(sample for _, sample in marks[1:]), end]
    timed = zip(marks, stops, strict=True)
    intervals = [(_label(phone), start, min(stop, end)) for (phone, start), stop in timed if phone]
    return [interval for interval in intervals if interval[2] > interval[1]]


def _words(events: Sequence[Event], text: str, end: int) -> list[Interval]:
    """Return the words of a phrase, each from its first phone to the first phone of the next word.

    espeak-ng joins a few pairs of short words; such a pair is one interval.
    """
    starts = [event for event in events if event.character is not None]
    characters = [*(event.character or 0 for event in starts[1:]), len(text) + 1]
    stops = [*(event.sample for event in starts[1:]), end]
    phone_starts = [event.sample for event in events if event.phone]
    intervals: list[Interval] = []
    for event, until, stop in zip(starts, characters, stops, strict=True):
        label = text[(event.character or 1) - 1 : until - 1].strip().lower()
        start = min((sample for sample in phone_starts if sample >= event.sample), default=stop)
        if start < stop:
            intervals.append((label, start, stop))
    return intervals


def _label(phone: str) -> str:
    mark = next((mark for mark in _STRESS if mark in phone), "")
    return phone.replace(mark, "") + _STRESS[mark] if mark else phone


def _shift(intervals: list[Interval], by: int) -> list[Interval]:
    return [(label, start + by, end + by) for label, start, end in intervals]


def _tile(intervals: list[Interval], samples: int) -> list[Interval]:
    """Return the intervals with every gap up to ``samples`` filled by silence."""
    tiled: list[Interval] = []
    now = 0
    for label, start, end in [*intervals, (SILENCE, samples, samples)]:
        if start > now:
            tiled.append((SILENCE, now, start))
        if end > start:
            tiled.append((label, start, end))
        now = end
    return tiled
