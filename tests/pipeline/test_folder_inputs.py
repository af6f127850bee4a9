"""``ttsbench score``: every input of a number is part of its key, and no clip is silently left out."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from speechlike import speechlike

from ttsbench import cli
from ttsbench.stages.collect import find_clips

RATE = 16000


@pytest.fixture
def folders(tmp_path):
    """Two recordings and two systems, each with both clips; the systems differ in pitch."""
    for name, pitch in (("ref", 110.0), ("a", 114.0), ("b", 120.0)):
        for number, id_ in enumerate(("u1", "u2")):
            path = tmp_path / name / f"{id_}.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, 0.4 * speechlike(1.05, pitch + 5 * number, RATE), RATE)
    return tmp_path


def score(root, *more, output="out"):
    arguments = ["score", "--reference", str(root / "ref"), "--generated", f"a={root / 'a'}", f"b={root / 'b'}"]
    arguments += ["--set", "statistics.resamples=100", "--jobs", "1", "--quiet", "--output", str(root / output)]
    return cli.main([*arguments, *more])


def summary(root, metric, output="out"):
    table = pd.read_csv(root / output / "summary.csv").set_index(["metric", "system"])
    return table.loc[metric]


@pytest.mark.slow
def test_corrected_texts_and_speakers_of_a_second_run_are_used(folders):
    for name, texts in (("wrong", ("law", "may")), ("right", ("see no may", "two law see"))):
        (folders / f"{name}.txt").write_text("".join(f"u{n}|{text}\n" for n, text in enumerate(texts, start=1)))
    for name, speakers in (("alone", ("s1", "s2")), ("together", ("s1", "s1"))):
        (folders / f"{name}.txt").write_text("".join(f"u{n}|{speaker}\n" for n, speaker in enumerate(speakers, 1)))
    options = ("--metrics", "wer,speaker_similarity_prompt")

    def run(texts, speakers, output="out"):
        files = ["--transcripts", str(folders / f"{texts}.txt"), "--speakers", str(folders / f"{speakers}.txt")]
        score(folders, *files, *options, output=output)
        return (folders / output / "summary.csv").read_text()

    first = run("wrong", "alone")
    corrected = run("right", "alone")
    assert corrected != first
    assert corrected == run("right", "alone", "fresh")
    assert summary(folders, "speaker_similarity_prompt")["n"].tolist() == [0, 0, 0]  # no speaker has two recordings
    run("right", "together")
    assert summary(folders, "speaker_similarity_prompt")["n"].tolist() == [2, 2, 2]


def test_linked_folders_are_searched_and_links_to_a_folder_above_are_not(folders):
    store = folders / "store"
    store.mkdir()
    (folders / "ref" / "u2.wav").rename(store / "u2.wav")
    (folders / "ref" / "part2").symlink_to(store)
    (folders / "ref" / "again").symlink_to(folders / "ref")
    assert list(find_clips(folders / "ref", folders / "out")) == ["u1", "u2"]


def test_clips_of_the_page_are_no_recordings(folders):
    """The run folder may lie in the folder of the recordings."""
    for _ in range(2):
        score(folders, "--metrics", "gv_ratio", output="ref/out")
        assert summary(folders, "gv_ratio", "ref/out")["n"].tolist() == [2, 2, 2]
    assert list(find_clips(folders / "ref" / "out" / "clips", folders / "ref" / "out"))  # but may be scored themselves


def test_on_one_utterance_no_system_is_best(folders, capsys):
    for name in ("ref", "a", "b"):
        (folders / name / "u2.wav").unlink()
    assert score(folders, "--metrics", "mcd") == 0
    text = capsys.readouterr().out
    assert "**" not in text
    assert "No system is best by MCD: the systems share a single utterance." in text
    best = pd.read_csv(folders / "out" / "best.csv")
    assert best.empty


def test_loudness_does_not_change_the_voice(folders):
    for db, name in ((-12.0, "a"), (12.0, "b")):
        for id_ in ("u1", "u2"):
            samples, rate = soundfile.read(folders / "ref" / f"{id_}.wav")
            soundfile.write(folders / name / f"{id_}.wav", samples * 10 ** (db / 20), rate, subtype="FLOAT")
    assert score(folders, "--metrics", "speaker_similarity") == 0
    values = summary(folders, "speaker_similarity")
    assert np.allclose(values["value"], 1.0, atol=1e-3)
    assert values["signature"].str.contains(r"level:-30dBFS\|.*\|v2").all()
