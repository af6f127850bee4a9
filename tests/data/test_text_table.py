"""Tables of utterances: files with a single reading are read, and ambiguous lines are refused by their number."""

import pytest

from ttsbench.data.text_table import TextTableError, parse_table, read_table
from ttsbench.data.utterance_lists import read_speakers, read_texts
from ttsbench.errors import ConfigError


def texts(content):
    return {row.id: row.normalised or row.text for row in parse_table(content, "file")}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,The yards, that for the rest\nb,Under the\nc,Ends with a comma,\n",
         {"a": "The yards, that for the rest", "b": "Under the", "c": "Ends with a comma,"}),
        ('id,text,speaker\nu1,"Hello there, you",p225\n', {"u1": "Hello there, you"}),
        ("speaker,text,path\np1,hello,wavs/u1.wav\n", {"u1": "hello"}),
        ("Audio File\tlanguage\tTranscript\nu1.flac\ten\tsay it\n", {"u1": "say it"}),
        ("wavs/u1.wav|hello you|12\nwavs/u2.wav|there|3\n", {"u1": "hello you", "u2": "there"}),
        ("u1|yes | no\nu2|maybe\n", {"u1": "yes | no", "u2": "maybe"}),
        ("id|text\nu1|yes | no\n", {"u1": "yes | no"}),
        ("u1|In 1813|in eighteen thirteen\nu2|Yes|yes\n", {"u1": "in eighteen thirteen", "u2": "yes"}),
        ("u1|hello|\nu2|there|\n", {"u1": "hello", "u2": "there"}),
        ("u1|hello\nu2|there|\n", {"u1": "hello", "u2": "there"}),
        ('u1|"Oh he said\nu2|second line\n', {"u1": '"Oh he said', "u2": "second line"}),
        ('u1,He said "oh"\n', {"u1": 'He said "oh"'}),
        ("u1|P text|prompts/p.wav|say this\n", {"u1": "say this"}),
        ("u1|hello\r\n\r\nu2|there\r\n", {"u1": "hello", "u2": "there"}),
        ("u1|line\u2028separator\n", {"u1": "line\u2028separator"}),
    ],
)  # fmt: skip
def test_text_is_read_whole(content, expected):
    assert texts(content) == expected


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('u1,"Oh he said\nu2,second line\nu3,third line\n', "line 1"),  # not one text of three lines
        ("u1,hello\nu2,there,p225\n", "line 2"),
        ("u1,hello,p225\nu2,there,p226\nu3,1,234 men\n", "line 3"),
        ("id,text,speaker\nu1,Hello there, you,p225\n", "line 2"),
        ("id,text,speaker\nu1,Hello\n", "line 2"),
        ("u1|yes|no\nu2|maybe\n", "line 1"),
        ("u1|some words|other things entirely here\n", "line 1"),
        ("u1|P text|p.wav|say this\nu2|P text|no audio|say that\n", "line 2"),
        ("a|b|c|d|e\n", "line 1"),
    ],
)
def test_ambiguous_lines_are_refused_with_their_number(content, line):
    with pytest.raises(TextTableError, match=line):
        texts(content)


def test_prompt_list_has_four_or_five_fields():
    four, five = parse_table("u1|P text|a/p.wav|say this\nu2|Other|b/q.wav|say that|real/u2.wav\n", "list")
    assert (four.prompt_text, four.prompt_audio, four.text, four.recording) == ("P text", "a/p.wav", "say this", "")
    assert (five.id, five.prompt_audio, five.text, five.recording) == ("u2", "b/q.wav", "say that", "real/u2.wav")


def test_named_columns_of_a_prompt_list():
    (row,) = parse_table("id,language,prompt_wav,prompt_text,text,speaker,note\nu1,zh,p.wav,你好,今天,s1,x\n", "list")
    assert (row.language, row.prompt_audio, row.prompt_text, row.text, row.speaker) == (
        "zh", "p.wav", "你好", "今天", "s1",
    )  # fmt: skip


def test_speakers_are_read_from_either_file(tmp_path):
    (tmp_path / "two.csv").write_text("u1|p225\nu2|p226\n")
    (tmp_path / "three.txt").write_text("wavs/u1.wav|hello you|p225\nwavs/u2.wav|there|p226\n")
    (tmp_path / "texts.txt").write_text("u1|hello you|Hello you\n")
    for name in ("two.csv", "three.txt"):
        assert read_speakers(tmp_path / name, "--speakers") == {"u1": "p225", "u2": "p226"}
    with pytest.raises(ConfigError, match=r"line 1 .* names no speaker"):
        read_speakers(tmp_path / "texts.txt", "--speakers")


def test_missing_separators_ids_and_duplicates_are_refused_with_the_line(tmp_path):
    path = tmp_path / "texts.csv"
    for content, words in (("u1|one\nu2\n", "line 2"), ("u1|one\n|two\n", "line 2"), ("u1|one\nu1|two\n", "1 and 2")):
        path.write_text(content)
        with pytest.raises(ConfigError, match=words):
            read_table(path, "--transcripts")


def test_json_ids_may_be_paths(tmp_path):
    (tmp_path / "texts.json").write_text('{"wavs/u1.wav": "one"}')
    assert read_texts(tmp_path / "texts.json", "--transcripts") == {"u1": "one"}
