"""Archives hold every result of a run, and no path of the machine."""

import json

import numpy as np
import pandas as pd
import pytest
from ratio_rows import three_seeds

from ttsbench import TtsbenchError
from ttsbench.cli import main
from ttsbench.evaluation.clip_table import clip_frame, write_clip_rows
from ttsbench.reporting.archive import archive_run


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    for name in ("figures", "wavs", "train"):
        (folder / name).mkdir(parents=True)
    names = ("summary.csv", "provenance.json", "index.html", "figures/ranks.pdf", "figures/ranks.png", "wavs/a.wav")
    for name in names:
        (folder / name).write_text(name, encoding="utf-8")
    write_clip_rows(clip_frame([three_seeds(tmp_path)], {}), folder / "rows.parquet")
    corpus = {"name": "folder", "path": "/home/ann/speech/mine"}
    codec = {"name": "encodec", "options": {"model": "/home/ann/models/encodec"}}
    experiment = {"name": "mine", "corpus": corpus, "codec": codec, "claims": "/home/ann/claims.yaml", "seeds": [0]}
    (folder / "experiment.json").write_text(json.dumps(experiment), encoding="utf-8")
    command = "ttsbench compare experiments/a.yaml --set corpus.path=/home/ann/mine --output '/home/ann/runs/a b/c'"
    (folder / "provenance.json").write_text(json.dumps({"command": command, "seeds": [0]}), encoding="utf-8")
    return folder


def test_archive_holds_results_without_audio_weights_and_paths(run, tmp_path, capsys):
    archived = tmp_path / "results" / "mine"
    assert main(["archive", str(run), str(archived)]) == 0
    assert "experiment.json, figures, provenance.json, rows.parquet, summary.csv." in capsys.readouterr().out
    assert [path.name for path in (archived / "figures").iterdir()] == ["ranks.png"]
    experiment = json.loads((archived / "experiment.json").read_text(encoding="utf-8"))
    assert experiment == {
        "name": "mine", "corpus": {"name": "folder", "path": "mine"}, "claims": None, "seeds": [0],
        "codec": {"name": "encodec", "options": {"model": "encodec"}},
    }  # fmt: skip
    provenance = json.loads((archived / "provenance.json").read_text(encoding="utf-8"))
    command = "ttsbench compare experiments/a.yaml --set corpus.path=mine --output c"
    assert provenance == {"command": command, "seeds": [0]}


def test_rows_of_an_archive_are_read_like_those_of_the_run(run, tmp_path):
    """Claims are evaluated on them: signatures, statistics and values survive, to single precision."""
    archive_run(run, tmp_path / "archived")
    first, again = (pd.read_parquet(folder / "rows.parquet") for folder in (run, tmp_path / "archived"))
    assert first.attrs == again.attrs and first.attrs["metrics"]
    order = ["metric", "utterance", "system", "seed", "sample"]
    first = first.sort_values(order, kind="stable").reset_index(drop=True)
    np.testing.assert_allclose(again["value"], first["value"], rtol=1e-6)
    for mine, theirs in zip(again["statistics"], first["statistics"], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)
    keys = [*order, "speaker", "error", "warning"]
    assert first[keys].astype(str).equals(again[keys].astype(str))


def test_archive_replaces_an_earlier_archive(run, tmp_path):
    archived = tmp_path / "archived"
    (run / "claims.csv").write_text("old", encoding="utf-8")
    assert "claims.csv" in archive_run(run, archived)
    (run / "claims.csv").unlink()
    assert "claims.csv" not in archive_run(run, archived)
    assert not (archived / "claims.csv").exists()


def test_archive_refuses_foreign_folders_and_unfinished_runs(run, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine", encoding="utf-8")
    with pytest.raises(TtsbenchError, match=r"\(thesis.tex\). Give another folder"):
        archive_run(run, other)
    with pytest.raises(TtsbenchError, match=r"\(a file\). Give another folder"):
        archive_run(run, other / "thesis.tex")
    archived = tmp_path / "archived"
    names = archive_run(run, archived)
    with pytest.raises(TtsbenchError, match="into itself"):
        archive_run(archived, archived)
    assert sorted(path.name for path in archived.iterdir()) == names
    assert (other / "thesis.tex").read_text(encoding="utf-8") == "mine"
    (run / "provenance.json").unlink()
    with pytest.raises(TtsbenchError, match="holds no finished run"):
        archive_run(run, archived)
