"""One sentence of the embedded corpus: phrases rendered one by one, joined, with the times of words and phones.

Each phrase is cut at its first phone and after its last; its echo fades out in the silence that follows. Times are in
samples until a TextGrid is written, so nothing is rounded. Phones are labelled in IPA; primary and secondary stress are
a ``1`` or ``2`` at the end of the label, as ARPAbet has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsbench.data.espeak.prosody import PhraseProsody, Speaker
from ttsbench.data.espeak.voice import SAMPLE_RATE, Event, Spoken, speak
from ttsbench.types import SILENCE

EDGE_S = 0.075  # silence before and after a sentence
TAIL_S = 0.05  # what is kept of the sound after the last phone of a phrase, fading
_STRESS = {"ˈ": "1", "ˌ": "2"}

Interval = tuple[str, int, int]  # label, first sample, first sample after


@dataclass(frozen=True)
class Rendering:
    """Samples (N,) int16 at ``SAMPLE_RATE``, intervals that tile [0, N), and what each phrase was rendered with."""

    samples: NDArray[np.int16]
    words: list[Interval]
    phones: list[Interval]
    phrases: list[dict[str, Any]]


def render(texts: Sequence[str], speaker: Speaker, rng: np.random.Generator) -> Rendering:
    """Draw the prosody of each phrase of a sentence, and render it."""
    edge = round(EDGE_S * SAMPLE_RATE)
    chunks: list[NDArray[np.int16]] = [np.zeros(edge, dtype=np.int16)]
    words: list[Interval] = []
    phones: list[Interval] = []
    phrases: list[dict[str, Any]] = []
    for number, text in enumerate(texts, start=1):
        last = number == len(texts)
        drawn = speaker.prosody.sample(rng)
        spoken = speak(text + ("." if last else ","), speaker.voice, **speaker.levels(drawn))
        pause_s = None if last else speaker.prosody.sample_pause(rng)
        start = sum(map(len, chunks))
        first, end = _extent(spoken)
        chunks.append(_cut(spoken, first, end, edge if pause_s is None else round(pause_s * SAMPLE_RATE)))
        words += _shift(_words(spoken.events, text, end), start - first)
        phones += _shift(_phones(spoken.events, end), start - first)
        phrases.append(_record(text, drawn, pause_s, start, start + end - first))
    samples = np.concatenate(chunks)
    return Rendering(samples, _tile(words, len(samples)), _tile(phones, len(samples)), phrases)


def textgrid(tiers: dict[str, list[Interval]], samples: int) -> str:
    """Praat's long text format; ``samples`` is the length of the clip."""
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


def _extent(spoken: Spoken) -> tuple[int, int]:
    """First sample of the first phone, and first sample after the last one."""
    starts = [event.sample for event in spoken.events if event.phone]
    after = [event.sample for event in spoken.events if event.phone == "" and event.sample > starts[-1]]
    return starts[0], min(after[0] if after else len(spoken.samples), len(spoken.samples))


def _cut(spoken: Spoken, first: int, end: int, silence: int) -> NDArray[np.int16]:
    """A phrase and ``silence`` samples after it, in which its sound fades out."""
    tail = spoken.samples[end : end + min(silence, round(TAIL_S * SAMPLE_RATE))]
    faded = np.rint(tail * np.linspace(1.0, 0.0, len(tail))).astype(np.int16)
    return np.concatenate([spoken.samples[first:end], faded, np.zeros(silence - len(tail), dtype=np.int16)])


def _phones(events: Sequence[Event], end: int) -> list[Interval]:
    """Phones of a phrase; silence within it is left out, to be filled in later."""
    marks = [(event.phone, event.sample) for event in events if event.phone is not None]
    stops = [*(sample for _, sample in marks[1:]), end]
    found = [(_label(phone), start, min(stop, end)) for (phone, start), stop in zip(marks, stops, strict=True) if phone]
    return [interval for interval in found if interval[2] > interval[1]]


def _words(events: Sequence[Event], text: str, end: int) -> list[Interval]:
    """Words of a phrase, each from its first phone to the first phone of the next one.

    espeak-ng says a few pairs of short words as one: these are one interval.
    """
    starts = [event for event in events if event.character is not None]
    characters = [*(event.character or 0 for event in starts[1:]), len(text) + 1]
    stops = [*(event.sample for event in starts[1:]), end]
    speech = [event.sample for event in events if event.phone]
    found: list[Interval] = []
    for event, until, stop in zip(starts, characters, stops, strict=True):
        label = text[(event.character or 1) - 1 : until - 1].strip().lower()
        start = min((sample for sample in speech if sample >= event.sample), default=stop)
        if start < stop:
            found.append((label, start, stop))
    return found


def _label(phone: str) -> str:
    mark = next((mark for mark in _STRESS if mark in phone), "")
    return phone.replace(mark, "") + _STRESS[mark] if mark else phone


def _shift(intervals: list[Interval], by: int) -> list[Interval]:
    return [(label, start + by, end + by) for label, start, end in intervals]


def _tile(intervals: list[Interval], samples: int) -> list[Interval]:
    """The intervals with silence wherever there is none."""
    tiled: list[Interval] = []
    now = 0
    for label, start, end in [*intervals, (SILENCE, samples, samples)]:
        if start > now:
            tiled.append((SILENCE, now, start))
        if end > start:
            tiled.append((label, start, end))
        now = end
    return tiled


def _record(text: str, drawn: PhraseProsody, pause_s: float | None, start: int, end: int) -> dict[str, Any]:
    return {
        "text": text,
        **asdict(drawn),
        "pause_s": pause_s,
        "start_s": start / SAMPLE_RATE,
        "end_s": end / SAMPLE_RATE,
    }
