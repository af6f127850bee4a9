"""Layouts of public corpora on disk.

Each class is a ``Corpus``: it takes a path and options, and ``utterances()`` lists the rows of the metadata, sorted by
id. Only the layout as a whole is checked here (``CorpusError``). Rows with a bad id, no text or no audio are listed
unchanged, and ``ttsbench.data.listing.check_listing`` excludes and counts them. A bad id never becomes a path: the
``audio`` of such a row is the folder of the recordings.

Alignments are optional: any ``<id>.TextGrid`` below ``<path>/TextGrid/`` belongs to that utterance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ttsbench.data.download import fetch_archive
from ttsbench.data.listing import check_id
from ttsbench.data.text_table import TextRow, TextTableError, parse_table
from ttsbench.engine.walk import walk_files
from ttsbench.errors import ClipError, CorpusError
from ttsbench.types import Utterance

LJSPEECH_URL = "https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2"
LJSPEECH_SHA256 = "be1a30453f28eb8dd26af4101ae40cbf2c50413b1bb21936cbcdc6fae3de8aa5"
VCTK_AUDIO = ("wav48_silence_trimmed", "wav48")  # releases 0.92 and 0.80
SUFFIXES = (".wav", ".flac")
_Files = dict[tuple[Path, str], Path]  # (folder below some base, id) -> file


class Folder:
    """``metadata.csv`` and ``wavs/<id>.wav`` or ``.flac``.

    One utterance per line in UTF-8: ``id|text``, ``id|text|normalised text`` or ``id|text|normalised text|speaker``; or
    the columns that a heading names (see ``ttsbench.data.text_table``), such as ``path|text|speaker``. The normalised
    text is used unless it is empty; ``speaker`` is the default for lines without a speaker. A column ``language`` is
    kept with each utterance; ``corpus.language`` then names all of them, such as ``de+en``.
    """

    def __init__(self, path: Path | None = None, *, speaker: str = "speaker") -> None:
        self.path = path
        self.speaker = speaker

    def utterances(self) -> list[Utterance]:
        """Return every line of the metadata; raises ``CorpusError`` if it is missing, empty or ambiguous."""
        layout = "metadata.csv with lines id|text and wavs/<id>.wav"
        root = _existing(self.path, layout)
        metadata = root / "metadata.csv"
        if not metadata.is_file():
            raise _wrong(root, "has no metadata.csv", layout)
        content = _text(metadata)
        if not content.strip():
            raise CorpusError(f"{metadata} is empty: write one line id|text for each clip in wavs/.")
        try:
            rows = parse_table(content, str(metadata), ragged=("id", "text", "normalised", "speaker"))
        except TextTableError as error:
            raise CorpusError(str(error)) from error
        return _listed((self._utterance(row, root) for row in rows), root)

    def _utterance(self, row: TextRow, root: Path) -> Utterance:
        attributes = {"language": row.language} if row.language else {}
        text, audio = row.normalised or row.text, _audio(root / "wavs", row.id)
        return Utterance(row.id, row.speaker or self.speaker, text, audio, attributes=attributes)


class LJSpeech:
    """LJSpeech 1.1 (Ito and Johnson 2017, https://keithito.com/LJ-Speech-Dataset/): the folder with ``metadata.csv``.

    With ``download`` and an empty or missing ``path``, the published archive (2.7 GB) is downloaded and unpacked there.
    """

    def __init__(self, path: Path | None = None, *, download: bool = False) -> None:
        self.path = path
        self.download = download

    def utterances(self) -> list[Utterance]:
        """Return every line of the metadata, speaker ``LJ``; raises ``CorpusError`` like ``Folder`` and downloads."""
        root = Path(self.path).expanduser() if self.path is not None else None
        if root and (not root.exists() or (root.is_dir() and not any(root.iterdir()))):
            if not self.download:
                raise CorpusError(
                    f"LJSpeech is not at {root}. Either set the corpus option download to true, or fetch "
                    f"{LJSPEECH_URL}, unpack it and set the corpus path to the folder with metadata.csv."
                )
            fetch_archive(LJSPEECH_URL, LJSPEECH_SHA256, root)
        return Folder(root, speaker="LJ").utterances()


class LibriSpeech:
    """LibriSpeech (Panayotov et al. 2015, https://www.openslr.org/12): ``<subset>/<speaker>/<chapter>/<id>.flac``.

    ``path`` is a subset or the folder above it; if that holds several subsets, ``subset`` selects one. Texts are in
    upper case without punctuation, as published.
    """

    def __init__(self, path: Path | None = None, *, subset: str | None = None) -> None:
        self.path = path
        self.subset = subset

    def utterances(self) -> list[Utterance]:
        """Return every line of every ``*.trans.txt``; raises ``CorpusError`` if there is none."""
        layout = "<subset>/<speaker>/<chapter>/*.trans.txt with .flac files beside it"
        root = _existing(self.path, layout)
        rows = []
        for transcript in sorted(_subset(root, self.subset, "*.trans.txt", layout).glob("*/*/*.trans.txt")):
            for line in _lines(transcript):
                id, _, text = line.partition(" ")
                rows.append(Utterance(id, transcript.parts[-3], text.strip(), _audio(transcript.parent, id)))
        if not rows:
            raise CorpusError(f"The *.trans.txt files under {root} are all empty: unpack the corpus again.")
        return _listed(rows, root)


class LibriTTS:
    """LibriTTS (Zen et al. 2019, https://www.openslr.org/60) and LibriTTS-R: ``<subset>/<speaker>/<chapter>/<id>.wav``.

    ``path`` and ``subset`` as for LibriSpeech. The text is ``<id>.normalized.txt`` beside the clip.
    """

    def __init__(self, path: Path | None = None, *, subset: str | None = None) -> None:
        self.path = path
        self.subset = subset

    def utterances(self) -> list[Utterance]:
        """Return every clip or text; raises ``CorpusError`` if there is no normalised text at all."""
        layout = "<subset>/<speaker>/<chapter>/<id>.wav with <id>.normalized.txt beside it"
        root = _existing(self.path, layout)
        subset = _subset(root, self.subset, "*.normalized.txt", layout)
        texts = _by_id(subset, "*/*", [".normalized.txt"])
        return _listed(_paired(texts, _by_id(subset, "*/*", SUFFIXES), subset), root)


class VCTK:
    """VCTK (Yamagishi et al. 2019, https://doi.org/10.7488/ds/2645): ``txt/<speaker>/<id>.txt`` and the audio.

    Audio is ``wav48_silence_trimmed/<speaker>/<id>_<mic>.flac`` (0.92) or ``wav48/<speaker>/<id>.wav`` (0.80, which
    ignores ``mic``).
    """

    def __init__(self, path: Path | None = None, *, mic: str = "mic1") -> None:
        self.path = path
        self.mic = mic

    def utterances(self) -> list[Utterance]:
        """Return every clip or text; raises ``CorpusError`` if a folder or all texts are missing."""
        layout = "txt/<speaker>/<id>.txt and wav48_silence_trimmed/<speaker>/<id>_mic1.flac or wav48/<speaker>/<id>.wav"
        root = _existing(self.path, layout)
        audio = next((root / name for name in VCTK_AUDIO if (root / name).is_dir()), None)
        if audio is None or not (root / "txt").is_dir():
            raise _wrong(root, f"has no {'txt/' if audio else ' or '.join(f'{name}/' for name in VCTK_AUDIO)}", layout)
        ending = f"_{self.mic}" if audio.name == VCTK_AUDIO[0] else ""
        texts = _by_id(root / "txt", "*", [".txt"])
        clips = _by_id(audio, "*", [ending + suffix for suffix in SUFFIXES])
        if not texts or not clips:
            raise _wrong(root, f"has {len(texts)} texts and {len(clips)} clips that end in '{ending}'", layout)
        return _listed(_paired(texts, clips, audio), root)


def _existing(path: Path | None, layout: str) -> Path:
    if path is None:
        raise CorpusError(f"This corpus needs a path: set it to the folder that holds {layout}.")
    root = Path(path).expanduser()
    if not root.is_dir():
        raise _wrong(root, "is not a folder", layout)
    return root


def _wrong(root: Path, fault: str, layout: str) -> CorpusError:
    """Return the error for a missing layout, with the contents of the nearest existing folder."""
    nearest = next((folder for folder in (root, *root.parents) if folder.is_dir()), root)
    names = sorted(item.name + "/" * item.is_dir() for item in nearest.iterdir()) if nearest.is_dir() else []
    holds = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "") or "nothing"
    return CorpusError(f"{root} {fault}. Expected {layout}; {nearest} holds {holds}. Set the corpus path accordingly.")


def _subset(root: Path, subset: str | None, pattern: str, layout: str) -> Path:
    """Return the folder, ``root`` or a folder in it, that holds ``<speaker>/<chapter>/<pattern>``."""
    candidates = (
        [root] if any(root.glob(f"*/*/{pattern}")) else sorted(item for item in root.iterdir() if item.is_dir())
    )
    subsets = [item for item in candidates if any(item.glob(f"*/*/{pattern}"))]
    chosen = [item for item in subsets if subset in (None, item.name)]
    if len(chosen) == 1:
        return chosen[0]
    if subsets:
        names = ", ".join(item.name for item in subsets)
        raise CorpusError(f"{root} has the subsets {names}; subset is {subset or 'not set'}. Set it to one of them.")
    raise _wrong(root, f"holds no {pattern}", layout)


def _lines(file: Path) -> list[str]:
    """Return the lines that are not blank."""
    return [line for line in _text(file).split("\n") if line.strip()]


def _text(file: Path) -> str:
    """Return the content of a file; bytes that are not UTF-8 become U+FFFD, which excludes only their rows.

    A FIFO or a dangling link has no content: reading a FIFO would wait forever.
    """
    if not file.is_file():
        return ""
    try:
        return file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise CorpusError(f"{file} cannot be read ({error.strerror}): restore or remove it.") from error


def _by_id(base: Path, folders: str, endings: Sequence[str]) -> _Files:
    """Return the files in ``folders`` below ``base`` by folder and id; earlier ``endings`` take precedence."""
    return {
        (file.parent.relative_to(base), file.name.removesuffix(ending)): file
        for ending in reversed(endings)
        for file in base.glob(f"{folders}/*{ending}")
    }


def _paired(texts: _Files, clips: _Files, base: Path) -> list[Utterance]:
    """Return an utterance for each text or clip; a missing text is empty and a missing clip is a path to no file."""
    rows = []
    for folder, id in {**texts, **clips}:
        text = " ".join(_lines(texts[folder, id])) if (folder, id) in texts else ""
        rows.append(Utterance(id, folder.parts[0], text.strip(), clips.get((folder, id), base / folder / id)))
    return rows


def _audio(folder: Path, id: str) -> Path:
    """Return ``<id>.wav`` or ``.flac``, whichever exists; ``folder`` itself for an id that may not become a path."""
    try:
        check_id(id)
    except ClipError:
        return folder
    files = [folder / f"{id}{ending}" for suffix in SUFFIXES for ending in (suffix, suffix.upper())]
    return next((file for file in files if file.is_file()), files[0])


def _listed(rows: Iterable[Utterance], root: Path) -> list[Utterance]:
    """Return the rows sorted by id, each with its TextGrid if it has one."""
    grids: dict[str, Path] = {}
    for file in walk_files(root / "TextGrid"):
        if file.suffix.lower() == ".textgrid" and file.is_file() and grids.setdefault(file.stem, file) is not file:
            raise CorpusError(f"{grids[file.stem]} and {file} are both the alignment of {file.stem}: remove one.")
    aligned = (Utterance(row.id, row.speaker, row.text, row.audio, grids.get(row.id), row.attributes) for row in rows)
    return sorted(aligned, key=lambda row: row.id)
