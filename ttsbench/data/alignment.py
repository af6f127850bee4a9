"""Forced alignment of a known text to a recording with pocketsphinx.

Two Viterbi passes of pocketsphinx (https://github.com/cmusphinx/pocketsphinx, US English model): the first selects the
pronunciation of each word and places optional silences, the second times the phones of that selection.

- Beams are disabled. The search space of one known sentence is small, so the exact best path takes only twice the time,
  while a beam occasionally loses it: on 58 LJSpeech clips the 99th percentile of the boundary errors falls from 0.8 to
  0.1 s. ``bestpath``, a rescoring of word lattices that fails on a fifth of the clips, is off.
- The features of a frame cover the 25.6 ms after its nominal start and its neighbours, so boundaries are early: half a
  window minus half a hop is 8 ms, and the median against the Montreal aligner was 15 ms. ``BIAS_S`` corrects it.
- The exact best path exists for any text. Its score per frame of speech, relative to the best active state, separates
  correct texts (-40 to -9 on 60 LJSpeech and LibriSpeech clips) from texts of other clips of the same length (-92 to
  -44). A clip below ``MIN_SCORE`` is refused; a few wrong words remain undetected.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ttsbench.audio.usable import unusable_reason
from ttsbench.audio.wav import resample
from ttsbench.data.pronunciation import PHONES, pronounce
from ttsbench.data.text import words
from ttsbench.errors import ClipError
from ttsbench.types import SILENCE, Phone, Samples

SAMPLE_RATE = 16000  # Hz, of the acoustic model
FRAME_S = 0.01
BIAS_S = 0.015
MIN_SCORE = -50.0
STATES = 3  # per phone model; each state lasts at least one frame

_LOCK = threading.Lock()


def align(utterance_text: str, samples: Samples, sample_rate: int) -> list[Phone]:
    """Call ``Aligner.align`` of the aligner of this process; safe to call from several threads."""
    with _LOCK:
        return _aligner().align(utterance_text, samples, sample_rate)


@cache
def _aligner() -> Aligner:
    return Aligner()


class _Entry(NamedTuple):
    """A phone as the decoder returns it; times in frames."""

    name: str
    start: int
    duration: int
    score: int  # log-likelihood of the phone, relative to the best state in each frame


class Aligner:
    """A decoder for any number of clips; the result for a clip does not depend on earlier clips.

    It is not thread-safe.
    """

    def __init__(self) -> None:
        self._decoder: Any = None

    def align(self, utterance_text: str, samples: Samples, sample_rate: int) -> list[Phone]:
        """Return the phones of a text in samples (N,) at ``sample_rate`` Hz; they tile [0, N / sample_rate] s.

        Labels are ARPAbet without stress, and ``SIL`` for silence and noise. Raises ``ClipError`` if the text has no
        words or a word without pronunciation, if the clip is empty, silent, not finite or too short for its text, or
        if no path through the text fits the recording.
        """
        spoken = words(utterance_text)
        reason = unusable_reason(samples, sample_rate)
        if reason is not None:
            raise ClipError(f"The clip to be aligned {reason}: leave it out.")
        if not spoken:
            raise ClipError(f"The text {utterance_text!r} has no words to align: supply what is said, or leave it out.")
        phones = sum(len(pronounce(word)) for word in spoken)
        duration_s = len(samples) / sample_rate
        if duration_s < phones * STATES * FRAME_S:
            raise ClipError(f"{phones} phones cannot be said in {duration_s:.2f} s: check that text and audio match.")
        entries = self._entries(spoken, pcm16(resample(samples, sample_rate, SAMPLE_RATE)))
        _check_score(entries)
        return _tile(entries, duration_s)

    def _entries(self, spoken: list[str], pcm: bytes) -> list[_Entry]:
        """Return the phones in order; raises ``ClipError`` if the decoder finds no path."""
        if self._decoder is None:
            self._decoder = make_decoder(lm=None, bestpath=False, beam=0.0, pbeam=0.0, wbeam=0.0)
        try:
            return _two_passes(self._decoder, spoken, pcm)
        except RuntimeError as error:
            self._decoder = None  # after an error its state is undefined
            raise ClipError(f"No alignment was found ({error}): check that text and audio match.") from error


def make_decoder(**options: Any) -> Any:
    """Return a pocketsphinx decoder that raises on errors and logs nothing."""
    from pocketsphinx import Decoder

    return Decoder(loglevel="FATAL", **options)


def add_words(decoder: Any, vocabulary: list[str]) -> None:
    """Add the words that a decoder's dictionary lacks; raises ``ClipError`` for a word without pronunciation."""
    for word in vocabulary:
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, " ".join(pronounce(word)), True)


def pcm16(samples: Samples) -> bytes:
    """Return samples (N,) as 16-bit integers in native byte order; a clip above full scale is scaled down."""
    scaled = samples.astype(np.float64) / max(1.0, float(np.abs(samples).max()))
    return np.rint(scaled * 32767.0).astype(np.int16).tobytes()


def decode(decoder: Any, pcm: bytes) -> None:
    """Decode a whole utterance in one pass, with the cepstral mean of the utterance itself.

    The noise estimate of the front end would carry over from one clip to the next, so the front end is reset first.
    """
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _two_passes(decoder: Any, spoken: list[str], pcm: bytes) -> list[_Entry]:
    add_words(decoder, spoken)
    decoder.set_align_text(" ".join(spoken))
    decode(decoder, pcm)
    path = [] if decoder.hyp() is None else [_plain(segment.word) for segment in decoder.seg()]
    if [word for word in path if word] != spoken:
        raise RuntimeError("the end of the text was not reached")
    decoder.set_alignment()
    decode(decoder, pcm)
    entries: list[_Entry] = []
    for word in decoder.get_alignment():  # the nested iterators share a cursor, so only this order is safe
        entries.extend(_Entry(phone.name, phone.start, phone.duration, phone.score) for phone in word)
    return entries


def _plain(word: str) -> str:
    """Return "read" for "read(2)", the second pronunciation, and "" for fillers such as "<sil>" and "[NOISE]"."""
    return "" if word[0] in "<[(" else word.split("(")[0]


def _check_score(entries: list[_Entry]) -> None:
    speech = [entry for entry in entries if entry.name in PHONES]
    score = sum(entry.score for entry in speech) / max(1, sum(entry.duration for entry in speech))
    if score < MIN_SCORE:
        raise ClipError(
            f"The best alignment scores {score:.0f} a frame, below {MIN_SCORE:.0f}: check that text and audio match."
        )


def _tile(entries: list[_Entry], duration_s: float) -> list[Phone]:
    """Return contiguous phones; the first starts at 0 and the last ends with the clip."""
    merged: list[tuple[str, float]] = []
    for entry in entries:
        label = entry.name if entry.name in PHONES else SILENCE
        if not (merged and label == merged[-1][0] == SILENCE):
            merged.append((label, entry.start * FRAME_S + BIAS_S if merged else 0.0))
    starts = [start_s for _, start_s in merged]
    ends = [*starts[1:], duration_s]
    if any(end_s <= start_s for start_s, end_s in zip(starts, ends, strict=True)):
        raise ClipError("The alignment has a phone of zero length: check that text and audio match.")
    return [Phone(label, start_s, end_s) for (label, start_s), end_s in zip(merged, ends, strict=True)]
