"""Inputs of a prepared corpus: a change behind a link is noticed, and alignments of other clips are refused."""

import pandas as pd
import soundfile
from speechlike import speechlike
from tinycorpus import SAMPLE_RATE, prepared, tiny_corpus

from ttsbench.config.schema import CorpusConfig
from ttsbench.pipeline.fingerprint import corpus_fingerprint


def test_a_changed_wav_behind_a_link_changes_the_fingerprint(tmp_path):
    corpus = tiny_corpus(tmp_path / "corpus", 3)
    (corpus / "wavs").rename(tmp_path / "elsewhere")
    (corpus / "wavs").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "elsewhere")
    config = CorpusConfig(name="folder", path=corpus)
    before = corpus_fingerprint(config)
    assert corpus_fingerprint(config) == before
    soundfile.write(tmp_path / "elsewhere" / "c01.wav", speechlike(1.4, 150.0, SAMPLE_RATE), SAMPLE_RATE)
    assert corpus_fingerprint(config) != before


def test_textgrids_of_other_clips_or_in_milliseconds_are_excluded_and_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path / "cache"))
    corpus = tiny_corpus(tmp_path / "corpus", 16)
    grids = corpus / "TextGrid"
    first, other = grids / "c00.TextGrid", grids / "c04.TextGrid"  # 1.30 and 1.50 s
    swapped = first.read_text(), other.read_text()
    other.write_text(swapped[0])
    first.write_text(swapped[1])
    times = (line.split(" = ") for line in (grids / "c02.TextGrid").read_text().splitlines())
    in_ms = [f"{name} = {1000 * float(value[0])}" if value and name.strip() in ("xmin", "xmax") else
             " = ".join([name, *value]) for name, *value in times]  # fmt: skip
    (grids / "c02.TextGrid").write_text("\n".join(in_ms))
    run = prepared(tmp_path, corpus)
    excluded = pd.read_csv(run.layout.prepare / "excluded.csv").set_index("id")["reason"]
    assert list(excluded.index) == ["c00", "c02", "c04"]
    assert excluded.str.contains("give the TextGrid of this clip").all()
