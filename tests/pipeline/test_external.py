"""Systems that are not trained stand beside trained rows: a folder, a command, a function and a checkpoint."""

import json
import os
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import soundfile
import yaml
from speechlike import speechlike
from tinycorpus import installed
from tinyrun import compare, tiny_site

from ttsbench import cli
from ttsbench.config.loading import validate
from ttsbench.errors import ConfigError
from ttsbench.stages.external import _filled

PROGRAM = """
import sys, soundfile
from speechlike import speechlike
text, output, prompt, seed = sys.stdin.read().strip(), sys.argv[1], sys.argv[2], int(sys.argv[3])
if text.startswith(sys.argv[4]):
    sys.exit("this sentence is too hard")
assert prompt.endswith(".wav") and seed >= 0
soundfile.write(output, speechlike(1.0 + 0.01 * len(text), 120.0, 24000), 24000)
"""
MODULE = """
import soundfile
from speechlike import speechlike
def speak(*, text, prompt, seed, output):
    soundfile.write(output, speechlike(1.2, 140.0, 16000), 16000)
"""


def cells(run, metric):
    return pd.read_csv(run / "summary.csv").set_index(["metric", "system"]).loc[metric]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A trained run, and a second run with every kind of external system on the same corpus."""
    root = tmp_path_factory.mktemp("external")
    with tiny_site(root) as experiment, pytest.MonkeyPatch.context() as patch:
        first = root / "first"
        assert compare(experiment, "--output", first, "--quiet", "--jobs", "1").status == 0
        (root / "program.py").write_text(PROGRAM)
        (root / "site").mkdir()
        (root / "site" / "my_voice.py").write_text(MODULE)
        patch.syspath_prepend(str(root / "site"))
        support = str(Path(__file__).parents[1] / "support")
        paths = [str(root / "site"), support, *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", ":".join(paths))
        sentences = root / "sentences"
        assert cli.main(["sentences", str(experiment), "--output", str(sentences), "--quiet"]) == 0
        listed = pd.read_csv(sentences / "sentences.csv", dtype=str)
        (root / "folder").mkdir()
        for id_ in listed["id"][1:]:  # the clip of one sentence is missing
            soundfile.write(root / "folder" / f"{id_}.WAV", speechlike(1.3, 130.0, 16000), 16000)
        hard = listed["text"][0]
        command = f'{sys.executable} {root / "program.py"} {{output}} {{prompt}} {{seed}} "{hard}"'
        external = {
            "studio": {"folder": str(root / "folder")},
            "piper": {"command": command},
            "mine": {"function": "my_voice:speak"},
            "earlier": {"checkpoint": str(first / "train" / "l1-acoustic-seed0")},
        }
        values = yaml.safe_load(experiment.read_text())
        second = root / "second.yaml"
        second.write_text(yaml.safe_dump({**values, "external": external, "adapters": {"l1": {}}}, sort_keys=False))
        result = compare(second, "--output", root / "second", "--quiet", "--jobs", "1")
        yield root, result, listed


def test_external_systems_are_rows_of_one_table(finished):
    root, result, listed = finished
    run = root / "second"
    assert result.status == 0, result.err
    systems = list(dict.fromkeys(pd.read_csv(run / "summary.csv")["system"]))
    assert systems == ["ground-truth", "copy-synthesis", "l1+oracle", "l1+l1", "studio", "piper", "mine", "earlier"]
    for metric in ("mcd", "wer"):
        table = cells(run, metric)
        assert table.loc[["studio", "piper"], "n"].tolist() == [len(listed) - 1] * 2
        assert table.loc[["mine", "earlier"], "n"].tolist() == [len(listed)] * 2
        assert table["signature"].nunique() == 1
    failures = pd.read_csv(run / "failures.csv", dtype=str)
    reasons = failures.groupby("system")["error"].agg(" ".join)
    assert "there is no" in reasons["studio"]
    assert "this sentence is too hard" in reasons["piper"]


def test_checkpoint_gives_the_numbers_of_its_run(finished):
    root, _, _ = finished
    assert cells(root / "second", "mcd").loc["earlier", "value"] == pytest.approx(
        cells(root / "first", "mcd").loc["l1+oracle", "value"]
    )
    assert cells(root / "second", "params").loc["earlier", "value"] > 0


def test_commands_and_functions_are_timed_and_a_folder_is_not(finished):
    root, _, _ = finished
    rtf = cells(root / "second", "rtf")
    assert rtf.loc["piper", "value"] > rtf.loc["mine", "value"] > 0  # a command starts Python for every sentence
    assert rtf.loc["studio", "n"] == 0
    assert cells(root / "second", "nfe").loc[["piper", "mine"], ["n", "n_failed"]].to_numpy().tolist() == [
        [0, 1],  # the sentence that failed
        [0, 0],
    ]


def test_sentences_list_prompts_of_the_same_speaker(finished):
    root, _, listed = finished
    assert list(listed) == ["id", "text", "speaker", "language", "prompt_audio", "prompt_text"]
    lines = (root / "sentences" / "sentences.lst").read_text().splitlines()
    assert [line.split("|")[0] for line in lines] == listed["id"].tolist()
    for line, (_, row) in zip(lines, listed.iterrows(), strict=True):
        assert line.split("|")[1:] == [row["prompt_text"], row["prompt_audio"], row["text"]]
        assert Path(row["prompt_audio"]).is_file()
        assert Path(row["prompt_audio"]).stem not in set(listed["id"])


def test_a_second_run_does_nothing_and_a_changed_wav_is_noticed(finished):
    root, _, listed = finished
    with installed(root / "plugins_again"):
        assert "nothing to do" in compare(root / "second.yaml", "--output", root / "second", "--quiet").out
        before = cells(root / "second", "mcd")["value"]
        path = root / "folder" / f"{listed['id'][1]}.WAV"
        soundfile.write(path, speechlike(1.1, 180.0, 16000), 16000)
        assert compare(root / "second.yaml", "--output", root / "second", "--quiet", "--jobs", "1").status == 0
        after = cells(root / "second", "mcd")["value"]
    assert before["studio"] != after["studio"]
    assert before.drop("studio").equals(after.drop("studio"))


def test_runs_are_merged_where_they_agree(finished, tmp_path, capsys):
    root, _, _ = finished
    only = tmp_path / "only"
    shutil.copytree(root / "second", only)
    rows = pd.read_parquet(only / "rows.parquet")
    attributes = rows.attrs
    rows = rows[~rows["system"].isin(["l1+oracle", "l1+l1"])]
    rows.attrs = attributes
    rows.to_parquet(only / "rows.parquet")
    table = pd.read_csv(only / "summary.csv", dtype=str, keep_default_na=False)
    table[~table["system"].isin(["l1+oracle", "l1+l1"])].to_csv(only / "summary.csv", index=False)
    assert cli.main(["merge", str(root / "first"), str(only), "--output", str(tmp_path / "both")]) == 0
    merged = cells(tmp_path / "both", "mcd")
    assert {"l1+oracle", "l2+oracle", "studio", "piper"} <= set(merged.index)
    assert merged.loc["l2+oracle", "value"] == pytest.approx(cells(root / "first", "mcd").loc["l2+oracle", "value"])
    assert cli.main(["merge", str(root / "first"), str(root / "second"), "--output", str(tmp_path / "no")]) == 2
    assert "'l1+oracle' is a row of two runs" in capsys.readouterr().err
    table["signature"] = table["signature"].str.replace("mcd|", "mcd|other|")
    table.to_csv(only / "summary.csv", index=False)
    assert cli.main(["merge", str(root / "first"), str(only), "--output", str(tmp_path / "no")]) == 2
    assert "mcd was computed in two ways" in capsys.readouterr().err


def test_score_reads_costs_beside_wavs(finished, tmp_path):
    root, _, _ = finished
    wavs = root / "second" / "wavs"
    arguments = ["score", "--reference", str(wavs / "ground-truth" / "seed0" / "sample0"), "--generated"]
    arguments += [f"l1={wavs / 'l1+oracle' / 'seed0' / 'sample0'}", f"studio={root / 'folder'}", "--metrics", "rtf,nfe"]
    cli.main([*arguments, "--output", str(tmp_path / "run"), "--quiet", "--jobs", "1"])
    scored, made = cells(tmp_path / "run", "rtf"), cells(root / "second", "rtf")
    assert scored.loc["l1", "value"] == pytest.approx(made.loc["l1+oracle", "value"])
    assert scored.loc["studio", "n"] == 0


def test_placeholders_are_replaced_once():
    values = {"{text}": "say {seed}", "{seed}": "7"}
    assert _filled("--x={text}/{seed}", values) == "--x=say {seed}/7"


@pytest.mark.parametrize(
    ("external", "words"),
    [
        ({"a": {}}, "one of folder, command, function and checkpoint"),
        ({"a": {"command": "x", "function": "y:z"}}, "one of folder"),
        ({"a b": {"command": "x"}}, "cannot name a row"),
        ({"a": {"comand": "x"}}, "comand"),
    ],
)
def test_malformed_external_systems_are_refused(external, words):
    with pytest.raises(ConfigError, match=words):
        validate({"name": "x", "metrics": {"mcd": {}}, "external": external}, "x")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"folder": "nowhere"}, "no folder"),
        ({"function": "no_such_module:speak"}, "cannot be imported"),
        ({"checkpoint": "."}, "no model.json"),
    ],
)
def test_missing_external_systems_are_refused_before_any_work(finished, tmp_path, monkeypatch, config, words):
    root, _, _ = finished
    monkeypatch.chdir(tmp_path)
    values = yaml.safe_load((root / "tiny.yaml").read_text())
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump({**values, "external": {"x": config}}))
    with installed(tmp_path / "plugins_again"):
        result = compare(tmp_path / "bad.yaml", "--output", tmp_path / "run")
    assert result.status == 2
    assert words in result.err


def test_checkpoint_of_another_corpus_is_refused(finished, tmp_path):
    root, _, _ = finished
    values = yaml.safe_load((root / "tiny.yaml").read_text())
    values["corpus"]["split_seed"] = 1
    checkpoint = str(root / "first" / "train" / "l1-acoustic-seed0")
    (tmp_path / "bad.yaml").write_text(json.dumps({**values, "external": {"x": {"checkpoint": checkpoint}}}))
    with installed(tmp_path / "plugins_again"):
        result = compare(tmp_path / "bad.yaml", "--output", tmp_path / "run")
    assert result.status == 2
    assert "another corpus" in result.err
