"""espeak-ng through ctypes: phrases to samples with the times of the phones, and words to phones.

The library (https://github.com/espeak-ng/espeak-ng, API in ``speak_lib.h``) and its data come with `espeakng_loader`.
The library has one global state per process: it is initialised on first use, and a lock serialises all calls. The phase
of its noise and flutter continues from call to call and cannot be reset, so samples depend on what the process rendered
before; the times of the phones do not. A process that renders the same phrases in the same order gets the same samples.

``espeakPITCH`` and ``espeakRANGE`` are levels from 0 to 100, ``espeakRATE`` is in words per minute; their effect on the
median F0 is described in ``ttsbench.data.espeak.prosody``.
"""

from __future__ import annotations

import ctypes
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ttsbench.errors import CorpusError

SAMPLE_RATE = 22050  # Hz, of all voices that are not recordings
DEFAULT_VOICE = "en-us"

_SYNCHRONOUS = 2
_PHONEME_EVENTS, _PHONEME_IPA, _DO_NOT_EXIT = 0x1, 0x2, 0x8000
_UTF8 = 1
_IPA = 0x02
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_UNCLIPPED = 45  # at the default volume, 100, the loudest voices overflow
_SEED = 1
_EVENT_END, _EVENT_WORD, _EVENT_PHONE = 0, 1, 7
_BUFFER_MS = 200
_VARIANTS = Path("voices", "!v")  # below the data

_LOCK = threading.RLock()


class _Id(ctypes.Union):
    _fields_: ClassVar[Any] = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    """``espeak_EVENT``."""

    _fields_: ClassVar[Any] = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Event:
    """The start of a word (position of its first character, from 1) or of a phone (IPA, empty for silence)."""

    sample: int
    phone: str | None = None
    character: int | None = None


@dataclass(frozen=True)
class Speech:
    """A rendered text: samples (N,) int16 at ``SAMPLE_RATE`` and its events in order."""

    samples: NDArray[np.int16]
    events: tuple[Event, ...]


class _Engine:
    """The library with its state; one instance per process."""

    def __init__(self) -> None:
        import espeakng_loader

        self.lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self._declare()
        self._folder = tempfile.TemporaryDirectory(prefix="espeak-")  # removed when the process ends
        data = _linked_data(Path(espeakng_loader.get_data_path()), Path(self._folder.name))
        options = _PHONEME_EVENTS | _PHONEME_IPA | _DO_NOT_EXIT
        rate = self.lib.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, str(data.parent).encode(), options)
        if rate != SAMPLE_RATE:
            raise CorpusError(
                f"espeak-ng cannot start from {data} (status {rate}): reinstall espeakng-loader, or move the "
                f"environment to a path shorter than 140 characters (this one has {len(str(data))})."
            )
        self.lib.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))  # the default is the time of day
        self.lib.espeak_SetParameter(_VOLUME, _UNCLIPPED, 0)
        self._variants = data / _VARIANTS
        self._names = {path.name for path in self._variants.iterdir()}
        self._pcm: list[bytes] = []
        self._events: list[Event] = []
        self._callback = _Callback(self._receive)  # the library stores the address, so this must stay alive
        self.lib.espeak_SetSynthCallback(self._callback)

    def _declare(self) -> None:
        self.lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.lib.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
        self.lib.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.POINTER(ctypes.c_uint),
            ctypes.c_void_p,
        ]

    def _receive(self, pcm: Any, count: int, events: Any) -> int:
        if pcm and count > 0:
            self._pcm.append(ctypes.string_at(pcm, 2 * count))
        index = 0
        while events[index].type != _EVENT_END:
            event = events[index]
            if event.type == _EVENT_PHONE:
                self._events.append(Event(event.sample, phone=event.id.string.decode("utf-8", errors="replace")))
            elif event.type == _EVENT_WORD:
                self._events.append(Event(event.sample, character=event.text_position))
            index += 1
        return 0

    def voice(self, name: str, formant_scale: float = 1.0) -> None:
        language, _, variant = name.partition("+")
        known = not variant or variant in self._names  # the library ignores an unknown variant
        if known and formant_scale != 1.0:
            name = f"{language}+{self._scaled_variant(variant, formant_scale)}"
        if not known or self.lib.espeak_SetVoiceByName(name.encode()) != 0:
            raise CorpusError(f"espeak-ng has no voice {name!r}: use one such as en-us or en-us+f5.")

    def _scaled_variant(self, variant: str, formant_scale: float) -> str:
        """Write a copy of a variant with scaled formants and return its name."""
        lines = (self._variants / variant).read_text(encoding="utf-8") if variant else "language variant\n"
        scaled = f"{variant}-{round(1000 * formant_scale)}"
        (self._variants / scaled).write_text(scale_formants(lines, formant_scale), encoding="utf-8")
        return scaled

    def speak(self, text: str) -> Speech:
        self._pcm.clear()
        self._events.clear()
        data = text.encode() + b"\0"
        status = self.lib.espeak_Synth(data, len(data), 0, 0, 0, _UTF8, None, None)
        if status != 0 or not self._pcm:
            raise CorpusError(f"espeak-ng did not speak {text!r} (status {status}): reword the text.")
        return Speech(np.frombuffer(b"".join(self._pcm), dtype=np.int16), tuple(self._events))


@cache
def _engine() -> _Engine:
    return _Engine()


def _linked_data(source: Path, folder: Path) -> Path:
    """Return a copy of espeak-ng's data in ``folder``, of links, to which voice variants can be added."""
    data = folder / source.name
    (data / _VARIANTS).mkdir(parents=True)
    for path in [*source.iterdir(), *(source / _VARIANTS).iterdir()]:
        if path.name != "voices":
            (data / path.relative_to(source)).symlink_to(path)
    return data


def scale_formants(variant: str, scale: float) -> str:
    """Return the text of a voice variant with the frequencies of formants 1 to 8, in percent, multiplied by ``scale``.

    >>> print(scale_formants("formant 1 110 80 160", 0.95).splitlines()[0])
    formant 1 104 80 160
    """
    lines, formants = [], set(range(1, 9))
    for line in variant.splitlines():
        words = line.split()
        if words[:1] == ["formant"] and int(words[1]) in formants:
            formants.remove(int(words[1]))
            line = " ".join([*words[:2], str(round(int(words[2]) * scale)), *words[3:]])
        lines.append(line)
    lines += [f"formant {number} {round(100 * scale)} 100 100" for number in sorted(formants)]
    return "\n".join(lines) + "\n"


def pitch_formant_factor(pitch: int) -> float:
    """Return the factor by which espeak-ng raises formants 1 to 5 at a ``pitch`` level above 50."""
    return 1.0 + 25.0 / 256.0 * max(0, pitch - 50) / 50.0


def speak(
    text: str, voice: str, *, pitch: int = 50, pitch_range: int = 50, rate: int = 175, formant_scale: float = 1.0
) -> Speech:
    """Render a phrase with a voice such as ``en-us+f2``; raises ``CorpusError`` for an unknown voice.

    ``pitch`` and ``pitch_range`` are levels in [0, 100], ``rate`` is in words per minute, in [80, 450].
    ``formant_scale`` multiplies the formant frequencies, rounded to whole percents of the neutral voice.
    """
    if not (0 <= pitch <= 100 and 0 <= pitch_range <= 100 and 80 <= rate <= 450):
        raise ValueError(
            f"pitch {pitch}, range {pitch_range} or rate {rate} is out of range: give levels in [0, 100] and a rate in "
            "[80, 450]."
        )
    with _LOCK:
        engine = _engine()
        engine.voice(voice, formant_scale)
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
            engine.lib.espeak_SetParameter(parameter, value, 0)
        return engine.speak(text)


def phonemize(word: str) -> list[str]:
    """Return the IPA symbols of an English word in espeak-ng's en-us, without stress; empty if there are none.

    >>> phonemize("hello")
    ['h', 'ə', 'l', 'oʊ']
    """
    with _LOCK:
        engine = _engine()
        engine.voice(DEFAULT_VOICE)
        buffer = ctypes.create_string_buffer(word.encode() + b"\0")
        text = ctypes.c_void_p(ctypes.addressof(buffer))
        parts: list[str] = []
        while text.value:
            phones = engine.lib.espeak_TextToPhonemes(ctypes.byref(text), _UTF8, _IPA | ord("|") << 8)
            parts.append((phones or b"").decode("utf-8"))
    symbols = "|".join(parts).replace(" ", "|").replace("ˈ", "").replace("ˌ", "")
    return [symbol for symbol in symbols.split("|") if symbol]
