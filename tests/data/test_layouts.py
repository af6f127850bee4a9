"""Every layout built small, with each fault planted; the real corpora where they are present."""

from pathlib import Path

import pytest
from layoutfiles import error, rows, sound

from ttsbench.data import layouts
from ttsbench.data.layouts import VCTK, Folder, LibriSpeech, LibriTTS, LJSpeech
from ttsbench.data.listing import check_id, check_listing
from ttsbench.errors import ClipError, CorpusError
from ttsbench.types import Utterance


def note(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def folder(root: Path, metadata: str, clips=("a", "b")) -> Path:
    for clip in clips:
        sound(root / "wavs" / f"{clip}.wav")
    note(root / "metadata.csv", metadata)
    return root


# ids and listings


@pytest.mark.parametrize("id", ["LJ001-0001", "p225_001", "a.b", "-x", "0", "x" * 128])
def test_good_ids(id):
    assert check_id(id) == id


BAD_IDS = ["", ".", "..", "../../x", "/etc/passwd", "a/b", "a\\b", ".x", "a..b", "x" * 129, "é", "a b", "a\n", "a\0"]


@pytest.mark.parametrize("id", BAD_IDS)
def test_bad_ids(id):
    with pytest.raises(ClipError):
        check_id(id)


def test_bad_rows_are_excluded_with_reasons(tmp_path):
    clip = sound(tmp_path / "a.wav")
    good = [Utterance("b", "s", "Two words.", clip), Utterance("a", "s", "One.", clip)]
    bad = [
        (Utterance("../../x", "s", "Text.", clip), "cannot name a file"),
        (Utterance("c", "s/../t", "Text.", clip), "speaker of c"),
        (Utterance("d", "s", " ", clip), "no text"),
        (Utterance("e", "s", "?!...", clip), "no pronounceable word"),
        (Utterance("f", "s", "caf\ufffd", clip), "not UTF-8"),
        (Utterance("g", "s", "Text.", tmp_path / "g.wav"), "is missing"),
        (Utterance("h", "s", "Text.", tmp_path), "is no regular file"),
    ]
    kept, excluded = check_listing(good + [row for row, _ in bad])
    assert kept == good[::-1]
    assert [id for id, _ in excluded] == [row.id for row, _ in bad]
    for (_, reason), (_, expected) in zip(excluded, bad, strict=True):
        assert expected in reason


@pytest.mark.parametrize("second", ["a1", "A1"])
def test_a_duplicate_id_is_refused_with_both_utterances(tmp_path, second):
    clip = sound(tmp_path / "a.wav")
    with pytest.raises(CorpusError, match=rf"'a1' \('First.*'{second}' \('Second"):
        check_listing([Utterance("a1", "s", "First.", clip), Utterance(second, "s", "Second.", clip)])


def test_an_empty_listing_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="no utterance"):
        check_listing([])
    with pytest.raises(CorpusError, match=r"None of the 1 utterances.*g\.wav"):
        check_listing([Utterance("g", "s", "Text.", tmp_path / "g.wav")])


# folder and LJSpeech


def test_folder_reads_two_three_and_four_fields(tmp_path):
    root = folder(tmp_path, "\ufeffb|B text\r\na|A 1|A one\nd|D||Ann\n\nc|C|C see|Bob\n", clips="abd")
    sound(root / "wavs" / "c.flac")
    assert rows(Folder(root, speaker="me")) == [
        ("a", "me", "A one"),
        ("b", "me", "B text"),
        ("c", "Bob", "C see"),
        ("d", "Ann", "D"),
    ]
    kept, excluded = check_listing(Folder(root).utterances())
    assert [row.audio.name for row in kept] == ["a.wav", "b.wav", "c.flac", "d.wav"]
    assert not excluded


def test_folder_reads_what_score_reads(tmp_path):
    assert rows(Folder(folder(tmp_path, "wavs/a.wav|hello you|12\nwavs/b.wav|there|3"))) == [
        ("a", "12", "hello you"),
        ("b", "3", "there"),
    ]
    folder(tmp_path, 'speaker,text,id\ns1,"Yes, and no",a\ns2,plain,b')
    assert rows(Folder(tmp_path)) == [("a", "s1", "Yes, and no"), ("b", "s2", "plain")]
    folder(tmp_path, "a|yes | no\nb|maybe")
    assert rows(Folder(tmp_path)) == [("a", "speaker", "yes | no"), ("b", "speaker", "maybe")]


def test_quotes_are_part_of_the_text(tmp_path):
    assert rows(Folder(folder(tmp_path, 'a|"Yes, he said.\nb|No"|"no')))[0][2] == '"Yes, he said.'


def test_textgrids_are_found_flat_and_nested(tmp_path):
    root = folder(tmp_path, "a|A\nb|B\nc|C", clips="abc")
    flat = note(root / "TextGrid" / "a.TextGrid", "")
    nested = note(root / "TextGrid" / "LJSpeech" / "b.TextGrid", "")
    assert [row.textgrid for row in Folder(root).utterances()] == [flat, nested, None]
    note(root / "TextGrid" / "b.TextGrid", "")
    assert "both the alignment of b" in error(Folder(root))


def test_a_bad_id_never_becomes_a_path(tmp_path):
    sound(tmp_path / "x.wav")
    root = folder(tmp_path / "corpus" / "deep", "a|A\n../../../x|Secret\n/etc/x|Root")
    listed = Folder(root).utterances()
    assert {row.audio for row in listed if row.id != "a"} == {root / "wavs"}
    kept, excluded = check_listing(listed)
    assert [row.id for row in kept] == ["a"]
    assert sorted(id for id, _ in excluded) == ["../../../x", "/etc/x"]


def test_single_bad_lines_are_excluded(tmp_path):
    root = folder(tmp_path, "a|A\nb|?!\nno delimiter here\nc|C\nd|D||Ann|extra\n|text")
    kept, excluded = check_listing(Folder(root).utterances())
    assert [row.id for row in kept] == ["a"]
    reasons = dict(excluded)
    assert "pronounceable" in reasons["b"]
    assert "missing" in reasons["c"]
    assert "Ann|extra" in reasons["d"]
    assert set(reasons) == {"b", "c", "d", "no delimiter here", ""}


def test_a_latin1_line_is_excluded(tmp_path):
    root = folder(tmp_path, "")
    (root / "metadata.csv").write_bytes("a|plain\nb|café".encode("latin-1"))
    kept, excluded = check_listing(Folder(root).utterances())
    assert [row.id for row in kept] == ["a"]
    assert "UTF-8" in excluded[0][1]


def test_broken_folder_layouts_are_refused(tmp_path):
    assert "needs a path" in error(Folder())
    assert f"{tmp_path} holds nothing" in error(Folder(tmp_path / "nowhere"))
    sound(tmp_path / "wavs" / "a.wav")
    message = error(Folder(tmp_path))
    assert "has no metadata.csv" in message
    assert "holds wavs/" in message
    assert "is empty" in error(Folder(folder(tmp_path, " \n")))
    assert "no '|'" in error(Folder(folder(tmp_path, "a text\nb text")))
    assert "line 2" in error(Folder(folder(tmp_path, "a,text\nb,text,s1")))
    assert "is not a folder" in error(LJSpeech(tmp_path / "metadata.csv"))
    with pytest.raises(CorpusError, match="the same id"):
        check_listing(Folder(folder(tmp_path, "a|A\nb|B\na|C")).utterances())


def test_ljspeech(tmp_path):
    root = folder(tmp_path, "a|A 1|A one\nb|B|B")
    assert rows(LJSpeech(root)) == [("a", "LJ", "A one"), ("b", "LJ", "B")]


def test_absent_ljspeech_names_both_ways_to_get_it(tmp_path):
    message = error(LJSpeech(tmp_path / "lj"))
    assert "download to true" in message
    assert layouts.LJSPEECH_URL in message


# LibriSpeech, LibriTTS, VCTK


def librispeech(root: Path, subset="dev") -> Path:
    for id in ("19-198-0001", "19-198-0000"):
        sound(root / subset / "19" / "198" / f"{id}.flac")
    sound(root / subset / "7" / "1" / "7-1-0000.flac")
    note(root / subset / "19" / "198" / "19-198.trans.txt", "19-198-0001 SECOND ONE\n19-198-0000 FIRST ONE\n")
    note(root / subset / "7" / "1" / "7-1.trans.txt", "7-1-0000 THIRD\n../../x BAD\n7-1-0001 NO AUDIO\n7-1-0002\n")
    return root


def test_librispeech_from_the_root_and_from_the_subset(tmp_path):
    root = librispeech(tmp_path)
    good = [("19-198-0000", "19", "FIRST ONE"), ("19-198-0001", "19", "SECOND ONE"), ("7-1-0000", "7", "THIRD")]
    for corpus in (LibriSpeech(root), LibriSpeech(root, subset="dev"), LibriSpeech(root / "dev")):
        kept, excluded = check_listing(corpus.utterances())
        assert [(row.id, row.speaker, row.text) for row in kept] == good
        assert [id for id, _ in excluded] == ["../../x", "7-1-0001", "7-1-0002"]


def test_broken_librispeech_layouts_are_refused(tmp_path):
    note(tmp_path / "README", "")
    assert "holds no *.trans.txt" in error(LibriSpeech(tmp_path))
    librispeech(tmp_path, "dev")
    assert "subset is test" in error(LibriSpeech(tmp_path, subset="test"))
    librispeech(tmp_path, "train")
    assert "subsets dev, train" in error(LibriSpeech(tmp_path))
    assert "subset is train" in error(LibriSpeech(tmp_path / "dev", subset="train"))
    assert len(LibriSpeech(tmp_path, subset="train").utterances()) == 6
    note(tmp_path / "blank" / "1" / "2" / "1-2.trans.txt", "\n")
    assert "all empty" in error(LibriSpeech(tmp_path / "blank"))


def test_libritts(tmp_path):
    chapter = tmp_path / "dev" / "84" / "121"
    for id in ("84_121_000001_000000", "84_121_000002_000000"):
        sound(chapter / f"{id}.wav")
    note(chapter / "84_121_000001_000000.normalized.txt", "Said so.\n")
    note(chapter / "84_121_000001_000000.original.txt", "Sd. so.")
    note(chapter / "84_121_000003_000000.normalized.txt", "No audio.")
    kept, excluded = check_listing(LibriTTS(tmp_path).utterances())
    assert [(row.id, row.speaker, row.text) for row in kept] == [("84_121_000001_000000", "84", "Said so.")]
    assert [(id, "no text" in reason, "missing" in reason) for id, reason in excluded] == [
        ("84_121_000002_000000", True, False),
        ("84_121_000003_000000", False, True),
    ]
    assert "holds no *.normalized.txt" in error(LibriTTS(chapter))


def test_a_libritts_id_in_two_chapters_is_refused(tmp_path):
    for chapter in ("1", "2"):
        sound(tmp_path / "dev" / "84" / chapter / "same.wav")
        note(tmp_path / "dev" / "84" / chapter / "same.normalized.txt", "Text.")
    with pytest.raises(CorpusError, match="the same id"):
        check_listing(LibriTTS(tmp_path).utterances())


@pytest.mark.parametrize(
    ("audio", "ending"), [("wav48_silence_trimmed", "_mic1.flac"), ("wav48", ".wav")], ids=["0.92", "0.80"]
)
def test_vctk(tmp_path, audio, ending):
    sound(tmp_path / audio / "p225" / f"p225_001{ending}")
    sound(tmp_path / audio / "p226" / f"p226_001{ending}")
    sound(tmp_path / audio / "p315" / f"p315_001{ending}")
    if audio != "wav48":
        sound(tmp_path / audio / "p225" / "p225_001_mic2.flac")
    for speaker in ("p225", "p226", "p227"):
        note(tmp_path / "txt" / speaker / f"{speaker}_001.txt", "Please call Stella.\n")
    kept, excluded = check_listing(VCTK(tmp_path).utterances())
    assert [(row.id, row.speaker, row.text) for row in kept] == [
        ("p225_001", "p225", "Please call Stella."),
        ("p226_001", "p226", "Please call Stella."),
    ]
    assert kept[0].audio == tmp_path / audio / "p225" / f"p225_001{ending}"
    assert [(id, "no text" in reason, "missing" in reason) for id, reason in excluded] == [
        ("p227_001", False, True),
        ("p315_001", True, False),
    ]


def test_broken_vctk_layouts_are_refused(tmp_path):
    note(tmp_path / "txt" / "p225" / "p225_001.txt", "Text.")
    assert "has no wav48_silence_trimmed/ or wav48/" in error(VCTK(tmp_path))
    sound(tmp_path / "wav48_silence_trimmed" / "p225" / "p225_001_mic1.flac")
    assert len(VCTK(tmp_path).utterances()) == 1
    assert "0 clips that end in '_mic3'" in error(VCTK(tmp_path, mic="mic3"))
    (tmp_path / "txt").rename(tmp_path / "text")
    message = error(VCTK(tmp_path))
    assert "has no txt/" in message
    assert "holds text/, wav48_silence_trimmed/" in message


# real speech


def test_real_ljspeech(speech_data):
    kept, excluded = check_listing(LJSpeech(speech_data / "ljspeech-mini").utterances())
    assert len(kept) == 58
    assert not excluded
    assert all(row.textgrid is not None and row.textgrid.stem == row.id for row in kept)


def test_real_librispeech(speech_data):
    for path in (speech_data / "librispeech-3spk", speech_data / "librispeech-3spk" / "train-clean-100"):
        kept, excluded = check_listing(LibriSpeech(path).utterances())
        assert len(kept) == 289
        assert not excluded
        assert {row.speaker for row in kept} == {"19", "26", "27"}


def test_upper_case_endings_are_found(tmp_path):
    root = folder(tmp_path, "a|One two.\nb|Three four.\n")
    (root / "wavs" / "a.wav").rename(root / "wavs" / "a.WAV")
    (root / "wavs" / "b.wav").rename(root / "wavs" / "b.wav.tmp")
    (root / "wavs" / "b.wav.tmp").rename(root / "wavs" / "b.FLAC")
    assert [row.audio.name for row in Folder(root).utterances()] == ["a.WAV", "b.FLAC"]


def test_textgrids_in_linked_folders_and_with_lower_case_endings_are_found(tmp_path):
    root = folder(tmp_path / "corpus", "a|One two.\nb|Three four.\n")
    note(tmp_path / "store" / "a.TextGrid", "")
    note(root / "TextGrid" / "b.textgrid", "")
    (root / "TextGrid" / "linked").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "loop").symlink_to(tmp_path / "store")
    assert [row.textgrid.name for row in Folder(root).utterances()] == ["a.TextGrid", "b.textgrid"]
