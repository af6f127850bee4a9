"""TextGrids against an independent reader, pronunciations by hand, alignments against the Montreal aligner's."""

import csv
import difflib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import textgrids

from ttsbench.data.alignment import Aligner, align
from ttsbench.data.pronunciation import PHONES, dictionary, pronounce, to_arpabet
from ttsbench.data.textgrid import fitted, read_textgrid
from ttsbench.errors import ClipError
from ttsbench.types import Phone

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.0
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "TextTier"
        name = "clicks 3"
        xmin = 0
        xmax = 1.0
        points: size = 1
        points [1]:
            number = 0.5
            mark = "a ""quoted"" 7"
    item [2]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1.0
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.2
            text = ""
        intervals [2]:
            xmin = 0.2
            xmax = 0.25
            text = "sp"
        intervals [3]:
            xmin = 0.25
            xmax = 0.6
            text = "AH0"
        intervals [4]:
            xmin = 0.6
            xmax = 0.9
            text = "T"
"""
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
1.0
<exists>
1
"IntervalTier"
"phones"
0
1.0
4
0
0.2
""
0.2
0.25
"sp"
0.25
0.6
"AH0"
0.6
0.9
"T"
"""
PHONES_IN_BOTH = [Phone("SIL", 0.0, 0.25), Phone("AH0", 0.25, 0.6), Phone("T", 0.6, 0.9), Phone("SIL", 0.9, 1.0)]


def ljspeech(speech_data):
    with (speech_data / "ljspeech-mini" / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return [(row[0], row[2]) for row in csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE)]


def speech(speech_data, name):
    return soundfile.read(speech_data / "ljspeech-mini" / "wavs" / f"{name}.wav", dtype="float32")


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "clip.TextGrid"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("text", [LONG, SHORT])
def test_long_and_short_textgrids_are_read_in_every_encoding(tmp_path, text, encoding):
    named = text.replace('"phones"', '"Zoë - phones"').replace("\n", "\r\n")
    assert read_textgrid(written(tmp_path, named, encoding)) == PHONES_IN_BOTH


@pytest.mark.parametrize(
    ("fault", "change", "sentence"),
    [
        ("no tier", ('"phones"', '"words"'), "no interval tier named 'phones'"),
        ("overlap", ("xmin = 0.25", "xmin = 0.1"), "overlaps the one that ends at 0.25"),
        ("negative", ("xmax = 0.6", "xmax = 0.24"), "ends before it starts"),
        ("past the end", ("xmax = 0.9", "xmax = 1.9"), "from 1 to 1 s overlaps the one that ends at 1.9 s"),
        ("count", ("size = 4", "size = 5"), "ends where a"),
        ("no count", ("size = 4", "size = -4"), "-4 is not a number"),
        ("word for number", ("xmax = 0.25", 'xmax = "x"'), "damaged"),
        ("not a number", ("xmax = 0.25", "xmax = nan"), "damaged"),
        ("other object", ('"TextGrid"', '"Pitch 1"'), "not a TextGrid"),
        ("no tiers", ("<exists>", "<absent>"), "its interval tiers: none"),
        ("empty", (LONG, ""), "ends where a"),
        ("half", (LONG[300:], ""), "ends where a"),
    ],
)
def test_damaged_textgrids_are_refused(tmp_path, fault, change, sentence):
    assert change[0] in LONG, fault
    with pytest.raises(ClipError, match=sentence):
        read_textgrid(written(tmp_path, LONG.replace(*change)))


def test_missing_and_binary_textgrids_are_refused(tmp_path):
    with pytest.raises(ClipError, match="cannot be read"):
        read_textgrid(tmp_path / "absent.TextGrid")
    with pytest.raises(ClipError, match="binary TextGrid"):
        read_textgrid(written(tmp_path, "ooBinaryFile\x08TextGrid"))


def test_textgrids_agree_with_an_independent_reader(speech_data):
    for path in sorted((speech_data / "ljspeech-mini" / "TextGrid").glob("*.TextGrid")):
        grid = textgrids.TextGrid(str(path))
        silent = ("", "sil", "sp", "spn")
        expected = [(tier.text, tier.xmin, tier.xmax) for tier in grid["phones"] if tier.text not in silent]
        phones = read_textgrid(path)
        assert [(one.label, one.start_s, one.end_s) for one in phones if one.label != "SIL"] == expected
        assert_tiles(phones, grid.xmax)


def assert_tiles(phones, duration_s):
    assert phones[0].start_s == 0
    assert phones[-1].end_s == pytest.approx(duration_s, abs=1e-12)
    assert all(a.end_s == b.start_s and (a.label, b.label) != ("SIL", "SIL") for a, b in pairwise(phones))
    assert all(one.end_s > one.start_s for one in phones)


def test_the_dictionary_uses_the_phones_of_the_model():
    assert {phone for phones in dictionary().values() for phone in phones.split()} == PHONES
    assert pronounce("don't") == ("D", "OW", "N", "T")


def test_ipa_is_converted_to_arpabet():
    assert to_arpabet(["ʃ", "ˈeɪ", "p", "l", "ɪ", "n", "ə", "s"], "w") == ("SH", "EY", "P", "L", "IH", "N", "AH", "S")
    assert to_arpabet(["tʃ", "ɜː", "tʃ"], "w") == ("CH", "ER", "CH")
    assert to_arpabet(["n", "ʌ", "t", "ʃ", "ɛ", "l"], "w") == ("N", "AH", "T", "SH", "EH", "L")
    assert to_arpabet(["b", "ˈʌ", "ʔ", "n̩"], "w") == ("B", "AH", "T", "AH", "N")
    with pytest.raises(ClipError, match=r"'ǃ'.*'click'"):
        to_arpabet(["k", "ǃ"], "click")
    with pytest.raises(ClipError, match="'mute'"):
        to_arpabet(["ˈ"], "mute")


@pytest.mark.parametrize("word", ["", "two words", "Capital", "x2", "café", "<s>", "read(2)", "'"])
def test_only_normalised_words_are_pronounced(word):
    with pytest.raises(ClipError, match="not a normalised word"):
        pronounce(word)


@pytest.mark.parametrize("word", ["sweynheim", "woodcutters", "zyzzyvas", "buxton's", "xylq", "grrr", "aaaa", "b"])
def test_words_outside_the_dictionary_use_its_phones(word):
    pytest.importorskip("ttsbench.data.espeak.voice")
    phones = pronounce(word)
    assert phones
    assert set(phones) <= PHONES


def boundary_errors(found, expected):
    """Seconds, start and end of each phone that both have, in the sequences' edit-distance alignment."""
    found, expected = ([one for one in phones if one.label != "SIL"] for phones in (found, expected))
    labels = [[one.label.rstrip("012") for one in phones] for phones in (found, expected)]
    for block in difflib.SequenceMatcher(None, *labels, autojunk=False).get_matching_blocks():
        for ours, theirs in zip(found[block.a :][: block.size], expected[block.b :][: block.size], strict=True):
            yield from (ours.start_s - theirs.start_s, ours.end_s - theirs.end_s)


def test_boundaries_agree_with_the_montreal_aligner(speech_data):
    aligner, errors, failed, phones_expected = Aligner(), [], [], 0
    for name, text in ljspeech(speech_data):
        samples, sample_rate = speech(speech_data, name)
        expected = read_textgrid(speech_data / "ljspeech-mini" / "TextGrid" / f"{name}.TextGrid")
        try:
            found = aligner.align(text, samples, sample_rate)
        except ClipError as error:
            failed.append((name, str(error)))
            continue
        assert_tiles(found, len(samples) / sample_rate)
        phones_expected += sum(one.label != "SIL" for one in expected)
        errors.extend(boundary_errors(found, expected))
    size_ms = 1000 * np.abs(errors)
    percentiles = np.percentile(size_ms, [50, 80, 90, 95, 99])
    print(f"{len(errors)} boundaries, ms at 50/80/90/95/99 %: {percentiles}, bias {1000 * np.median(errors)}, {failed}")
    assert len(failed) <= 0.05 * 58
    assert len(errors) > 0.85 * 2 * phones_expected
    assert percentiles[0] <= 12
    assert percentiles[2] <= 40
    assert percentiles[4] <= 200
    assert abs(np.median(errors)) <= 0.008


def test_an_alignment_does_not_depend_on_earlier_clips(speech_data):
    clips = [(text, *speech(speech_data, name)) for name, text in ljspeech(speech_data)[1:5]]
    fresh = [Aligner().align(*clip) for clip in clips[:2]]
    aligner = Aligner()
    forward = [aligner.align(*clip) for clip in clips]
    with pytest.raises(ClipError):
        aligner.align("a few words", np.zeros(16000, dtype=np.float32), 16000)
    with pytest.raises(ClipError):
        aligner.align(clips[0][0], *clips[2][1:])
    assert [aligner.align(*clip) for clip in reversed(clips)] == forward[::-1]
    assert forward[:2] == fresh
    assert align(*clips[0]) == forward[0]


def noise(seconds, scale=0.1):
    return (np.random.default_rng(1).standard_normal(int(seconds * 16000)) * scale).astype(np.float32)


@pytest.mark.parametrize(
    ("text", "samples", "sentence"),
    [
        ("a word", noise(0), "lasts 0.000 s"),
        ("a word", noise(0.02), "lasts 0.020 s"),
        ("a word", noise(0.1), "cannot be said in 0.10 s"),
        ("a word", noise(1, 0), "is silent"),
        ("a word", np.full(16000, np.nan, dtype=np.float32), "NaN"),
        ("a word", np.full(16000, np.inf, dtype=np.float32), "infinite"),
        ("a word", np.zeros((16000, 2), dtype=np.float32), "mono"),
        ("?!", noise(1), "no words"),
        ("a word", noise(2), "match"),
        ("a word", np.ones(32000, dtype=np.float32), "match"),
        ("a word", np.sign(noise(2)) * 1e30, "match"),
    ],
)
def test_clips_that_cannot_be_aligned_are_refused(text, samples, sentence):
    with pytest.raises(ClipError, match=sentence):
        align(text, samples, 16000)


def test_the_text_of_another_clip_is_refused(speech_data):
    texts = ljspeech(speech_data)[:8]
    refused = 0
    for (name, text), (_, other) in zip(texts, texts[1:] + texts[:1], strict=True):
        samples, sample_rate = speech(speech_data, name)
        assert align(text, samples, sample_rate)
        try:
            align(other, samples, sample_rate)
        except ClipError as error:
            assert "match" in str(error)
            refused += 1
    assert refused >= 6


@pytest.mark.parametrize(("scale", "shift_s", "duration_s"), [(1000, 0, 2.0), (1, 1.5, 2.0), (1, 0, 1.2), (1, 0, 4.5)])
def test_a_textgrid_that_does_not_fit_its_audio_is_refused(scale, shift_s, duration_s):
    """Times in milliseconds, shifted times, cut audio, and the TextGrid of a shorter clip."""
    times = [scale * time_s + shift_s for time_s in (0.0, 0.5, 1.4, 2.0)]
    phones = [Phone(label, *pair) for label, pair in zip("abc", pairwise(times), strict=True)]
    with pytest.raises(ClipError, match=r"ends at .* and the audio at"):
        fitted(phones, duration_s, Path("a.TextGrid"))


def test_a_textgrid_within_a_frame_of_its_audio_ends_with_it():
    phones = [Phone("a", 0.0, 0.5), Phone("SIL", 0.5, 2.0)]
    assert fitted(phones, 2.05, Path("a.TextGrid"))[-1] == Phone("SIL", 0.5, 2.05)
