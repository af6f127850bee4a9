"""The page of a run as one zip file that opens from disk, with the clips of the chosen utterances as MP3.

``ttsbench report RUN --pack FILE.zip`` writes ``index.html``, the figures, the result files and the clips (``audio/``).
The page states the bit rate of the clips.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import soundfile

from ttsbench.audio.wav import read, resample
from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import write_bytes
from ttsbench.reporting.archive import result_files
from ttsbench.reporting.page.write import PAGE, render_page

RATES = (16000, 22050, 24000, 44100, 48000)  # Hz, of MP3
LARGE = {"rows.parquet"}  # not needed for reading


def write_pack(folder: Path, path: Path, listen: Sequence[str] = ()) -> None:
    """Write the zip file; ``listen`` names the utterances. Raises what ``write_page`` raises."""
    text, listening = render_page(folder, listen, packed=True)
    takes = (
        [take for item in listening.utterances for own in item.systems.values() for take in own] if listening else []
    )
    audio = {take.audio: f"audio/{number}.mp3" for number, take in enumerate(takes) if take.audio}
    sounds, seconds = {}, 0.0
    for address, name in audio.items():
        sounds[name], duration = _mp3(folder / unquote(address))
        seconds += duration
    size = sum(map(len, sounds.values()))
    for address, name in sorted(audio.items(), key=lambda item: -len(item[0])):
        text = text.replace(address, name)
    rate = f"MP3 at {8 * size / seconds / 1000:.0f} kbit/s on average" if seconds else "no audio"
    text = text.replace("<!-- audio -->", f"Audio of this package: {rate}. ")
    pictures = [unquote(take.picture) for take in takes if take.picture]
    write_bytes(path, _zip(folder, text, sounds, pictures))


def _mp3(path: Path) -> tuple[bytes, float]:
    """Return a clip as MP3 with its duration in s."""
    samples, rate = read(path)
    target = next((candidate for candidate in RATES if candidate >= rate), RATES[-1])
    buffer = io.BytesIO()
    soundfile.write(buffer, resample(samples, rate, target), target, format="MP3")
    return buffer.getvalue(), len(samples) / rate


def _zip(folder: Path, text: str, sounds: Mapping[str, bytes], pictures: Sequence[str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(PAGE, text)
        for name, content in sounds.items():
            archive.writestr(name, content, zipfile.ZIP_STORED)
        figures = [path.relative_to(folder).as_posix() for path in sorted(RunLayout(folder).figures.glob("*.p*"))]
        for name in [*(name for name in result_files(folder) if name not in LARGE), *figures, *pictures]:
            archive.write(folder / name, name)
    return buffer.getvalue()
