"""What is kept of a run: everything one commits, and nothing of the machine."""

import json

import pytest

from ttsbench import TtsbenchError
from ttsbench.cli import main
from ttsbench.reporting.archive import keep_results


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    for name in ("figures", "wavs", "train"):
        (folder / name).mkdir(parents=True)
    for name in ("summary.csv", "rows.parquet", "provenance.json", "index.html", "figures/ranks.pdf", "wavs/a.wav"):
        (folder / name).write_text(name, encoding="utf-8")
    corpus = {"name": "folder", "path": "/home/ann/speech/mine"}
    codec = {"name": "encodec", "options": {"model": "/home/ann/models/encodec"}}
    experiment = {"name": "mine", "corpus": corpus, "codec": codec, "claims": "/home/ann/claims.yaml", "seeds": [0]}
    (folder / "experiment.json").write_text(json.dumps(experiment), encoding="utf-8")
    command = "ttsbench compare experiments/a.yaml --set corpus.path=/home/ann/mine --output '/home/ann/runs/a b/c'"
    (folder / "provenance.json").write_text(json.dumps({"command": command, "seeds": [0]}), encoding="utf-8")
    return folder


def test_results_are_kept_and_sounds_weights_and_folders_are_not(run, tmp_path, capsys):
    kept = tmp_path / "results" / "mine"
    assert main(["keep", str(run), str(kept)]) == 0
    assert "experiment.json, figures, provenance.json, rows.parquet, summary.csv." in capsys.readouterr().out
    assert (kept / "figures" / "ranks.pdf").read_text(encoding="utf-8") == "figures/ranks.pdf"
    experiment = json.loads((kept / "experiment.json").read_text(encoding="utf-8"))
    assert experiment == {
        "name": "mine", "corpus": {"name": "folder", "path": "mine"}, "claims": None, "seeds": [0],
        "codec": {"name": "encodec", "options": {"model": "encodec"}},
    }  # fmt: skip
    provenance = json.loads((kept / "provenance.json").read_text(encoding="utf-8"))
    command = "ttsbench compare experiments/a.yaml --set corpus.path=mine --output c"
    assert provenance == {"command": command, "seeds": [0]}


def test_what_an_earlier_run_had_and_this_one_has_not_goes(run, tmp_path):
    kept = tmp_path / "kept"
    (run / "claims.csv").write_text("old", encoding="utf-8")
    assert "claims.csv" in keep_results(run, kept)
    (run / "claims.csv").unlink()
    assert "claims.csv" not in keep_results(run, kept)
    assert not (kept / "claims.csv").exists()


def test_a_folder_of_something_else_and_an_unfinished_run_are_refused(run, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine", encoding="utf-8")
    with pytest.raises(TtsbenchError, match=r"\(thesis.tex\): give another folder"):
        keep_results(run, other)
    with pytest.raises(TtsbenchError, match=r"\(a file\): give another folder"):
        keep_results(run, other / "thesis.tex")
    kept = tmp_path / "kept"
    names = keep_results(run, kept)
    with pytest.raises(TtsbenchError, match="in the place of itself"):
        keep_results(kept, kept)
    assert sorted(path.name for path in kept.iterdir()) == names
    assert (other / "thesis.tex").read_text(encoding="utf-8") == "mine"
    (run / "provenance.json").unlink()
    with pytest.raises(TtsbenchError, match="holds no finished run"):
        keep_results(run, kept)
