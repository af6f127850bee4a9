"""``ttsbench score``: folders of wavs become a table, and a fault costs only its own cell."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr
from speechlike import speechlike
from tinycorpus import installed

from metrics.mcd import MelCepstralDistortion
from ttsbench import cli
from ttsbench.audio.wav import read
from ttsbench.data.utterance_lists import read_texts
from ttsbench.errors import ConfigError
from ttsbench.pipeline.folder_request import parse_generated
from ttsbench.stages.collect import find_clips
from ttsbench.types import Clip

RATE = 16000
IDS = [f"u{number}" for number in range(7)]
TEXTS = {id_: f"{['see', 'no', 'may', 'two', 'law'][number % 5]} law" for number, id_ in enumerate(IDS)}
METRICS = "mcd,wer,level,mortal_level"


def voice(number):
    return 0.4 * speechlike(1.0 + 0.05 * number, 110.0 + 8 * number, RATE)  # peaks at 0.2


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """References, an intact system, and a system with a fault in every clip but the last two."""
    root = tmp_path_factory.mktemp("folders")
    for name in ("ref", "whole", "faulty"):
        (root / name).mkdir()
    for number, id_ in enumerate(IDS):
        soundfile.write(root / "ref" / f"{id_}.wav", voice(number), RATE)
        changed = soxr.resample(voice(number), 1.0, 1.05)
        soundfile.write(root / "whole" / f"{id_}.flac", soxr.resample(changed, RATE, 44100), 44100)
        soundfile.write(root / "faulty" / f"{id_}.wav", changed, RATE)
    faulty = root / "faulty"
    (faulty / "u0.wav").unlink()
    (faulty / "u1.wav").write_bytes(b"")
    (faulty / "u2.wav").write_bytes((faulty / "u3.wav").read_bytes()[:4000])
    soundfile.write(faulty / "u3.wav", np.zeros(RATE), RATE)
    soundfile.write(faulty / "u4.wav", 3 * voice(4), RATE)  # loud: what breaks on loud clips breaks
    (root / "texts.csv").write_text("".join(f"{id_}|{text}\n" for id_, text in TEXTS.items()), encoding="utf-8")
    return root


def score(root, output, *more):
    arguments = ["score", "--reference", str(root / "ref"), "--generated", f"whole={root / 'whole'}"]
    arguments += [f"faulty={root / 'faulty'}", "--transcripts", str(root / "texts.csv"), "--metrics", METRICS]
    arguments += ["--set", "transcriber.name=mortal_echo", "statistics.resamples=100", "--jobs", "2", "--quiet"]
    return cli.main([*arguments, "--output", str(output), *more])


@pytest.fixture(scope="module")
def scored(folders, tmp_path_factory):
    """A run over the folders with metrics that fail."""
    root = tmp_path_factory.mktemp("scored")
    with installed(root / "site"):
        status = score(folders, root / "run")
    return root, status


def cells(run, metric):
    table = pd.read_csv(run / "scores" / f"{metric}.csv", keep_default_na=False, dtype=str)
    return {(row["system"], row["utterance"]): row for _, row in table.iterrows()}


def test_exit_status_reports_failures(scored):
    assert scored[1] == 1


def test_every_fault_is_a_failure_with_its_reason(scored):
    mcd = cells(scored[0] / "run", "mcd")
    for id_, words in (("u0", "there is no u0"), ("u1", "empty"), ("u2", "truncated"), ("u3", "silent")):
        assert words in mcd["faulty", id_]["error"]
        assert mcd["faulty", id_]["distortion_db"] == ""
    assert "too loud" in cells(scored[0] / "run", "level")["faulty", "u4"]["error"]
    assert "crashed" in cells(scored[0] / "run", "mortal_level")["faulty", "u4"]["error"]
    assert "no transcript" in cells(scored[0] / "run", "wer")["faulty", "u4"]["error"]


def test_other_cells_are_unchanged_by_faults(scored, folders):
    mcd, metric = cells(scored[0] / "run", "mcd"), MelCepstralDistortion()
    for system, ids in (("whole", IDS), ("faulty", IDS[4:])):
        for id_ in ids:
            path = find_clips(folders / system, folders / "run")[id_]
            clips = [Clip(id_, *read(one)).at(RATE) for one in (path, folders / "ref" / f"{id_}.wav")]
            # Workers have one thread, this process has more: a matrix product may end in another last bit.
            expected = pytest.approx(metric.measure(*clips)[0], rel=1e-12)
            assert float(mcd[system, id_]["distortion_db"]) == expected
    for name in ("level", "mortal_level"):
        for (system, id_), row in cells(scored[0] / "run", name).items():
            assert (row["error"] == "") == (system != "faulty" or id_ in IDS[5:] or id_ == "u3")


def test_failures_are_counted_and_listed(scored):
    run = scored[0] / "run"
    table = pd.read_csv(run / "summary.csv").set_index(["system", "metric"])
    assert table.loc[("whole", "mcd"), "n_failed"] == 0
    assert table.loc[("faulty", "mcd"), ["n", "n_failed"]].tolist() == [3, 4]
    assert table.loc[("faulty", "level"), ["n", "n_failed"]].tolist() == [3, 4]
    assert table.loc[("faulty", "wer"), ["n", "n_failed"]].tolist() == [2, 5]
    with (run / "failures.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    assert len(listed) == table["n_failed"].sum()
    assert all(row["error"] for row in listed)


def test_table_names_systems_with_missing_clips(scored):
    text = (scored[0] / "run" / "table.md").read_text()
    assert "faulty: 4 clips not measured under MCD, Level, Level; first reason: there is no u0 in faulty" in text
    assert "(3 of 7)" in text


def test_table_warns_of_a_small_vocabulary(scored):
    text = (scored[0] / "run" / "table.md").read_text()
    assert f"WER: the recogniser knows only {len({w for text in TEXTS.values() for w in text.split()})} words" in text


def test_score_writes_the_files_of_a_comparison(scored):
    run = scored[0] / "run"
    for name in ("summary.csv", "differences.csv", "failures.csv", "table.md", "table.tex", "provenance.json"):
        assert (run / name).is_file()
    assert (run / "figures" / "spectrograms.png").is_file()


def test_page_plays_copies_and_names_missing_clips(scored, folders):
    """The input is FLAC at another rate; the page plays a WAV copy."""
    run = scored[0] / "run"
    page = (run / "index.html").read_text(encoding="utf-8")
    played = set(re.findall(r'<audio [^>]*src="([^"]+)"', page))
    assert len(played) == 6 + 6 + 3  # of six utterances; of the faulty system three can be read
    assert all(address.startswith("clips/") and (run / address).is_file() for address in played)
    copies = {content_of(run / address) for address in played}
    assert content_of(folders / "whole" / "u0.flac") in copies
    assert "there is no u0 in faulty" in page
    assert str(folders) not in "".join(played)


def content_of(path):
    """Return samples rounded to 14 bits, so that the encoder does not matter."""
    samples, rate = soundfile.read(path)
    return rate, np.round(samples * 2**13).astype(int).tobytes()


def test_changed_wav_recomputes_only_its_own_cells(scored, folders, tmp_path):
    here = tmp_path / "folders"
    shutil.copytree(folders, here)
    with installed(tmp_path / "site"):
        assert score(here, tmp_path / "run", "--metrics", "mcd,level") == 1
        parts = tmp_path / "run" / "scores" / "parts"
        before = {path.name: path.stat().st_mtime_ns for path in parts.iterdir()}
        soundfile.write(here / "faulty" / "u0.wav", voice(0), RATE)
        assert score(here, tmp_path / "run", "--metrics", "mcd,level") == 1
        after = {path.name: path.stat().st_mtime_ns for path in parts.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"u0.json"}
    assert cells(tmp_path / "run", "mcd")["faulty", "u0"]["error"] == ""


def test_second_run_does_nothing_and_still_reports_failures(scored, folders, capsys):
    root, _ = scored
    with installed(root / "again"):
        assert score(folders, root / "run") == 1
    assert "nothing to do" in capsys.readouterr().out


def test_report_writes_the_same_table(scored, capsys):
    root, _ = scored
    before = (root / "run" / "table.md").read_text()
    with installed(root / "report"):
        assert cli.main(["report", str(root / "run")]) == 0
    assert (root / "run" / "table.md").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--reference", "nowhere"], "no folder"),
        (["--generated", "x"], "NAME=DIR"),
        (["--generated", "ground-truth=whole"], "cannot name"),
        (["--generated", "a=strangers"], "matched by stem"),
        (["--generated", "a=texts.csv"], "no folder"),
        (["--generated", "a=none"], "holds no audio"),
        (["--metrics", "rtf"], "costs beside the wavs"),
        (["--metrics", "wer"], "--transcripts"),
        (["--metrics", "mdc"], "Did you mean"),
        (["--transcripts", "bad.csv"], "no '|'"),
        (["--speakers", "strangers.csv"], "stem of a reference"),
    ],
)
def test_bad_request_is_refused_in_one_sentence(folders, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(folders)
    (folders / "none").mkdir(exist_ok=True)
    (folders / "strangers").mkdir(exist_ok=True)
    soundfile.write(folders / "strangers" / "other.wav", voice(0), RATE)
    Path("bad.csv").write_text("u0\n")
    Path("strangers.csv").write_text("other|somebody\n")
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    full = {"--reference": "ref", "--generated": "whole=whole", "--metrics": "mcd", "--output": str(tmp_path / "run")}
    assert cli.main(["score", *(word for pair in {**full, **given}.items() for word in pair)]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run" / "summary.csv").exists()


def test_folder_of_a_comparison_is_refused(folders, tmp_path, capsys):
    (tmp_path / "experiment.json").write_text("{}")
    assert score(folders, tmp_path) == 2
    assert "another --output" in capsys.readouterr().err


def test_two_files_of_one_stem_are_refused(tmp_path):
    for name in ("a.wav", "a.flac"):
        soundfile.write(tmp_path / name, voice(0), RATE)
    with pytest.raises(ConfigError, match="one stem"):
        find_clips(tmp_path, tmp_path / "run")


def test_subfolders_are_searched_and_hidden_files_are_ignored(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    soundfile.write(tmp_path / "deep" / "er" / "a b.wav", voice(0), RATE)
    (tmp_path / "._a b.wav").write_bytes(b"what a file manager leaves")
    assert list(find_clips(tmp_path, tmp_path / "run")) == ["a b"]


def test_name_given_twice_has_two_draws():
    assert parse_generated(["a=x", "b=y", "a=z"]) == {"a": (Path("x"), Path("z")), "b": (Path("y"),)}
    with pytest.raises(ConfigError, match="twice"):
        parse_generated(["a=x", "a=x"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("lj.csv", "a|One|one\nb|Two, three|two, three\n"),
        ("tabs.tsv", "a\tone\nb\ttwo, three\n"),
        ("commas.csv", 'a,one\nb,"two, three"\n'),
        ("wavs.csv", "a.wav|one\nb.wav|two, three\n"),
        ("texts.json", json.dumps({"a": "one", "b": "two, three"})),
    ],
)
def test_listings_of_every_format_are_read(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_texts(tmp_path / name, "--transcripts") == {"a": "one", "b": "two, three"}


def test_duplicate_id_is_refused(tmp_path):
    (tmp_path / "texts.csv").write_text("a|one\na|two\n")
    with pytest.raises(ConfigError, match="twice"):
        read_texts(tmp_path / "texts.csv", "--transcripts")
