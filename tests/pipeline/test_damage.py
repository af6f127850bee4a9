"""A finished run that was damaged heals: the same command makes the damaged files again, to the same table."""

import csv

import pytest
from tinyrun import compare, tiny_site

from ttsbench import cli

COSTS = {"rtf"}


def rows(folder):
    with (folder / "summary.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["metric"] not in COSTS]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("damage")
    with tiny_site(root) as experiment:
        result = compare(experiment, "--output", root / "run", "--jobs", 2, "--quiet")
        assert result.status == 0, result.err
        yield experiment, root / "run", rows(root / "run")


def test_doctor_names_damage_and_a_second_run_mends_it(site, capsys):
    """A deleted wav is synthesised again, and a table of rows that ends early is never read as whole."""
    experiment, run, expected = site
    wav = sorted((run / "wavs" / "l2+oracle").rglob("*.wav"))[0]
    table = run / "scores" / "mcd.csv"
    before = wav.read_bytes(), table.read_bytes()
    assert cli.main(["doctor", str(run)]) == 0
    wav.unlink()
    table.write_bytes(before[1][: before[1].rindex(b"\n", 0, -1) + 1])  # without its last row
    capsys.readouterr()
    assert cli.main(["doctor", str(run)]) == 1
    report = capsys.readouterr().out
    assert all(f"broken   {path}: missing or damaged" in report for path in (wav, table))
    result = compare(experiment, "--output", run, "--jobs", 2, "--quiet")
    assert result.status == 0 and (wav.read_bytes(), table.read_bytes()) == before
    assert rows(run) == expected
    assert cli.main(["doctor", str(run)]) == 0


def test_every_kind_of_damage_heals(site):
    experiment, run, expected = site
    weights = next((run / "train").glob("l1-acoustic*/weights.safetensors"))
    damaged = {
        weights: weights.read_bytes()[:100],
        next((run / "scores").glob("mcd.csv")): b"system,seed\n",
        next((run / "scores" / "parts").glob("*.json")): b"{",
        next((run / "transcripts").rglob("transcripts.json")): b"",
        next((run / "wavs").rglob("*.wav")): b"RIFF",
        next((run / "wavs" / "l1+oracle").rglob("draws/*.npz")): b"PK",
        run / "table.md": None,
        run / "index.html": b"<",
        run / "prepare" / "manifest.jsonl": b"{}",
    }
    same = {path: path.read_bytes() for path in damaged if path.suffix in (".safetensors", ".wav", ".npz", ".jsonl")}
    for path, content in damaged.items():
        path.unlink() if content is None else path.write_bytes(content)
    result = compare(experiment, "--output", run, "--jobs", 2, "--quiet")
    assert result.status == 0, result.err
    assert rows(run) == expected
    assert {path: path.read_bytes() for path in same} == same
    assert all(path.exists() for path in damaged)
    for name in ("weights.safetensors", "mcd.csv", "transcripts.json", "table.md", "manifest.jsonl"):
        assert f"{name}" in result.err and "missing or damaged; the job runs again" in result.err
    assert "nothing to do" in compare(experiment, "--output", run, "--quiet").out
