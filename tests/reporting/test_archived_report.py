"""`ttsbench report` on an archive: tables with other options, from its rows alone."""

import json

import pandas as pd
import pytest
from scored_archive import write_archive
from tinycorpus import tiny_experiment

from ttsbench.cli import main

SYSTEMS = ["ground-truth", "l1+oracle", "l2+oracle", "l1+l2", "l2+l2"]


@pytest.fixture
def archive(tmp_path):
    experiment = tiny_experiment(None, metrics={"mcd": {}, "nfe": {}}, table={"metrics": ["mcd"]})
    return write_archive(tmp_path / "kept", experiment, SYSTEMS)


def test_tables_of_an_archive_are_written_with_another_selection(archive, tmp_path, capsys):
    before = {path.name: path.read_bytes() for path in archive.iterdir()}
    changes = ["table.metrics=[nfe]", "table.systems=[l2+oracle, l1+oracle]", "table.titles.l2+oracle=Mine",
               "table.intervals=false"]  # fmt: skip
    assert main(["report", str(archive), "--output", str(tmp_path / "out"), "--set", *changes]) == 0
    paper = (tmp_path / "out" / "paper.md").read_text(encoding="utf-8")
    assert paper == capsys.readouterr().out
    table = [line.split("|")[1].strip() for line in paper.splitlines() if line.startswith("|")]
    assert table[2:] == ["Mine", "l1+oracle"]
    assert "MCD" not in paper and "[" not in paper.split("Signatures")[0].split("- ")[0]
    assert {path.name: path.read_bytes() for path in archive.iterdir()} == before, "the archive is as it was"


def test_notes_of_the_run_come_from_the_archive(archive, tmp_path):
    assert main(["report", str(archive), "--output", str(tmp_path / "out")]) == 0
    table = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "Corpus folder, 12 test utterances" in table
    assert "- One clip was too long." in table
    assert "broken+oracle is missing because it failed. It diverged." in table


def test_an_archive_without_output_is_written_again_and_keeps_the_selection(archive):
    assert main(["report", str(archive), "--set", "table.metrics=[nfe, mcd]"]) == 0
    assert json.loads((archive / "experiment.json").read_text())["table"]["metrics"] == ["nfe", "mcd"]
    first = (archive / "paper.tex").read_bytes()
    assert main(["report", str(archive)]) == 0
    assert (archive / "paper.tex").read_bytes() == first
    assert not (archive / "table.json").exists(), "an archive has no page"
    assert len(pd.read_csv(archive / "differences.csv"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("corpus.test=3", "only the keys under table"),
        ("table.metrics=[mdc]", "is no metric of this experiment"),
        ("table.systems=[l3+oracle]", "is no row of this experiment. Did you mean"),
        ("table.metrix=[mcd]", "Did you mean 'metrics'?"),
    ],
)
def test_other_changes_are_refused(archive, capsys, change, words):
    before = (archive / "experiment.json").read_bytes()
    assert main(["report", str(archive), "--set", change]) == 2
    assert words in capsys.readouterr().err
    assert (archive / "experiment.json").read_bytes() == before


def test_side_by_side_blocks_are_in_the_latex_table(archive):
    assert main(["report", str(archive), "--set", "table.layout=side_by_side", "table.titles.l1+oracle=Mean"]) == 0
    text = (archive / "paper.tex").read_text()
    assert r"\multicolumn{1}{c}{Prosody of the recording} & \multicolumn{1}{c}{Prosody: L2 regression}" in text
    assert [line.partition(" & ")[0] for line in text.splitlines() if line.startswith(("Mean", "l2", "ground"))] == [
        "ground-truth", "Mean", "l2",
    ]  # fmt: skip


def test_groups_of_rows_are_in_the_latex_table(archive):
    assert main(["report", str(archive), "--set", "table.layout=groups"]) == 0
    text = (archive / "paper.tex").read_text()
    names = [line.partition(" & ")[0] for line in text.splitlines() if line.startswith(("l1", "l2", r"\addline"))]
    assert [name if len(name) == 2 else name.partition("textit{")[2].partition("}")[0] for name in names] == [
        "Prosody of the recording", "l1", "l2", "Prosody: L2 regression", "l1", "l2",
    ]  # fmt: skip
