"""The whole pipeline on a corpus of twelve short clips: its files, and what is recomputed."""

import contextlib
import io
import shutil
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
import soundfile
import yaml
from finishedsite import contents, rows, times, without_rtf
from pandas.testing import assert_frame_equal
from tinyrun import METRICS, compare

from ttsbench.cli import main
from ttsbench.engine.store import read_json, write_json
from ttsbench.evaluation.summary import SUMMARY_COLUMNS

REPOSITORY = Path(__file__).resolve().parents[2]
SYSTEMS = ["ground-truth", "copy-synthesis", "l1+oracle", "l2+oracle", "l1+l1", "l2+l2"]


# A finished run


def test_first_run_writes_every_file(site):
    assert site.first.status == 0, site.first.err
    run = site.finished
    for name in (
        "experiment.json", "prepare/manifest.jsonl", "prepare/excluded.csv", "prepare/notes.json",
        "prepare/statistics.json", "summary.csv", "differences.csv", "best.csv", "failures.csv", "rows.parquet",
        "table.md", "table.tex", "claims.md", "provenance.json", "figures/captions.json", "figures/training.pdf",
        "figures/spectrograms.png", "index.html", "table.json", *(f"scores/{metric}.csv" for metric in METRICS),
    ):  # fmt: skip
        assert (run / name).is_file(), name
    models = [f"{label}-{role}-seed0" for label in ("l1", "l2") for role in ("acoustic", "prosody")]
    assert sorted(path.name for path in (run / "train").iterdir()) == sorted(models)
    for model in models:
        assert {"weights.safetensors", "model.json", "curve.csv", "cost.json"} <= {
            path.name for path in (run / "train" / model).iterdir()
        }
    assert sorted(path.name for path in (run / "wavs").iterdir()) == sorted(SYSTEMS)
    for system in SYSTEMS:
        assert len(list((run / "wavs" / system / "seed0" / "sample0").glob("*.wav"))) == 3
        assert len(read_json(run / "transcripts" / system / "seed0" / "transcripts.json")["clips"]) == 3
    provenance = read_json(run / "provenance.json")
    assert set(provenance["weights"]) == set(models)
    assert provenance["command"] == f"ttsbench compare {site.experiment} --output {run} --jobs 2"
    assert provenance["commits"] == ([provenance["commit"]] if provenance["commit"] else [])
    assert provenance["corpus"]["utterances"] == 11


def test_page_plays_every_system(site):
    page = (site.finished / "index.html").read_text(encoding="utf-8")
    ids = {path.stem for path in (site.finished / "wavs" / "l1+l1" / "seed0" / "sample0").glob("*.wav")}
    for id_ in ids:
        for system in SYSTEMS:
            assert f'src="wavs/{quote(system)}/seed0/sample0/{id_}.wav"' in page
    assert len(list((site.finished / "clips").glob("*.png"))) == len(ids) * len(SYSTEMS)
    assert "the first of each speaker in turn" in page


def test_no_temporary_file_remains(site):
    hidden = [path for path in site.finished.rglob(".*") if path.name != ".lock"]
    assert not hidden
    assert not list(site.finished.rglob("checkpoint.safetensors"))


def test_summary_has_every_system_and_metric(site):
    result = rows(site.finished / "summary.csv")
    assert tuple(result[0]) == SUMMARY_COLUMNS
    assert [(row["system"], row["metric"]) for row in result] == [(s, m) for s in SYSTEMS for m in METRICS]
    cells = {(row["system"], row["metric"]): row for row in result}
    assert float(cells["ground-truth", "mcd"]["value"]) == pytest.approx(0, abs=1e-6)
    assert float(cells["copy-synthesis", "mcd"]["value"]) < float(cells["l1+oracle", "mcd"]["value"])
    assert float(cells["copy-synthesis", "nfe"]["value"]) == 0
    assert all(float(cells[system, "nfe"]["value"]) == 1 for system in SYSTEMS[2:])
    for metric in ("rtf", "nfe", "params"):
        row = cells["ground-truth", metric]
        assert (row["value"], row["low"], row["high"], row["n"], row["n_failed"]) == ("", "", "", "0", "0")
    assert all((row["n"], row["n_failed"]) == ("3", "0") for key, row in cells.items() if key[0] != "ground-truth")
    assert all(cells[system, "wer"]["signature"].endswith("|echo|v1") for system in SYSTEMS)
    assert float(cells["l1+l1", "params"]["value"]) > float(cells["l1+oracle", "params"]["value"])


def test_table_goes_to_standard_output_and_progress_to_standard_error(site):
    assert site.first.out.startswith("# tiny\n")
    assert all(f"| {system} " in site.first.out for system in SYSTEMS)
    assert "jobs to do" in site.first.err
    assert "done    report" in site.first.err


def test_wavs_are_as_long_as_their_prosody(site):
    manifest = {row["id"]: row for row in map(yaml.safe_load, (site.finished / "prepare/manifest.jsonl").open())}
    for system in SYSTEMS[:4]:  # the rest draw their own durations
        for path in (site.finished / "wavs" / system / "seed0" / "sample0").glob("*.wav"):
            assert soundfile.info(path).frames == manifest[path.stem]["frames"] * 256
            assert soundfile.info(path).samplerate == 16000


def test_corrupt_clip_is_excluded_and_counted(site):
    excluded = rows(site.finished / "prepare" / "excluded.csv")
    assert [row["id"] for row in excluded] == ["c07"]
    assert "c07.wav" in excluded[0]["reason"]
    lines = (site.finished / "prepare" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 11
    assert not any('"c07"' in line for line in lines)
    assert "1 clips were excluded" in (site.finished / "table.md").read_text(encoding="utf-8")


def test_second_run_does_nothing(site):
    before = times(site.finished, "**/*")
    again = compare(site.experiment, "--output", site.finished)
    assert again.status == 0
    assert "is finished and up to date" in again.out
    assert "| l1+oracle " in again.out
    changed = {name for name, when in times(site.finished, "**/*").items() if before.get(name) != when}
    assert changed <= {"experiment.json", ".lock"}


def test_dry_run_writes_nothing(site, tmp_path):
    result = compare(site.experiment, "--output", tmp_path / "none", "--dry-run")
    assert result.status == 0
    assert "tiny: 19 jobs" in result.out
    assert not (tmp_path / "none").exists()
    assert "  done" in compare(site.experiment, "--output", site.finished, "--dry-run").out


def test_last_lines_name_the_files(site):
    said = site.first.out.splitlines()[-2]
    assert said.startswith(f"In {site.finished}: table.md, table.tex, claims.md,")
    assert said.endswith("rows.parquet, experiment.json, provenance.json, figures/.")


def test_changed_titles_and_claims_recompute_only_the_report(site, tmp_path):
    run = site.copy(tmp_path / "run")
    part = {"metric": "nfe", "less": "l1+oracle", "than": ["l2+oracle"], "margin": 1}
    claims = tmp_path / "mine.yaml"
    claims.write_text(yaml.safe_dump({"C1": {"statement": "so", "paper": "p", "endpoint": part}}), encoding="utf-8")
    shown = ("table={metrics: [wer, mcd], systems: [l2+oracle, ground-truth], titles: {l2+oracle: Squares}}",
             f"claims={claims}")  # fmt: skip
    result = compare(site.experiment, "--output", run, "--set", *shown)
    assert result.status == 0, result.err
    assert "1 jobs to do, 18 already done" in result.err
    heads = [line for line in (run / "paper.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0].strip("| ") for line in heads] == ["system", "-" * 12, "ground-truth", "Squares"]
    assert [head.strip() for head in heads[0].split("|")[2:4]] == ["WER (%) ↓", "MCD (dB) ↓"]
    assert "| Squares " in (run / "table.md").read_text(encoding="utf-8")
    assert r"\label{tab:tiny-paper}" in (run / "paper.tex").read_text(encoding="utf-8")
    assert "| C1 | so | folder: **underpowered** |" in (run / "claims.md").read_text(encoding="utf-8")
    claims.write_text(claims.read_text(encoding="utf-8").replace("so", "thus"), encoding="utf-8")
    again = compare(site.experiment, "--output", run, "--set", shown[1])
    assert "1 jobs to do, 18 already done" in again.err, "an edited claim is judged again"
    assert "thus" in (run / "claims.md").read_text(encoding="utf-8")
    assert not (run / "paper.md").exists(), "what is no longer asked for is no longer there"


def test_rows_of_all_clips_are_in_one_file(site):
    frame = pd.read_parquet(site.finished / "rows.parquet")
    assert set(frame["system"]) == set(SYSTEMS) and set(frame["metric"]) == set(METRICS)
    assert frame.groupby("metric", observed=True).size().to_dict() == {
        "mcd": 18, "wer": 18, "rtf": 15, "nfe": 15, "params": 15,
    }  # fmt: skip
    assert set(frame["speaker"]) <= {"s0", "s1"} and frame["value"].notna().all()


def test_report_writes_the_same_tables_again(site, tmp_path):
    run = site.copy(tmp_path / "run")
    heard = next((run / "wavs" / "l1+l1" / "seed0" / "sample0").glob("*.wav")).stem
    (run / "summary.csv").unlink()
    (run / "table.tex").unlink()
    (run / "index.html").unlink()
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["report", str(run), "--listen", heard]) == 0
    page = (run / "index.html").read_text(encoding="utf-8")
    assert page.count('<details class="utterance"') == 1
    assert f"{heard}.wav" in page
    for name in ("summary.csv", "table.tex", "table.md", "differences.csv", "rows.parquet"):
        assert (run / name).read_bytes() == (site.finished / name).read_bytes(), name


# The same numbers, however it is run


def test_numbers_of_workers_and_batch_size_change_no_byte(site, tmp_path):
    other = compare(site.experiment, "--output", tmp_path / "run", "--jobs", "1", "--set", "synthesis.batch_size=1")
    assert other.status == 0, other.err
    for pattern in ("wavs/**/*.wav", "train/*/weights.safetensors", "train/*/curve.csv", "transcripts/**/*.json"):
        result = contents(tmp_path / "run", pattern)
        assert result, pattern
        assert result == contents(site.finished, pattern), pattern
    assert without_rtf(tmp_path / "run") == without_rtf(site.finished)


# Recomputing what depends on a change, and nothing else


def test_new_metric_computes_only_its_own_cells(site, tmp_path):
    run = site.copy(tmp_path / "run")
    for part in (run / "scores" / "parts").glob("*.json"):  # plant a value that only a recomputation would mend
        cells = read_json(part)
        write_json(part, {key: {"values": [41.0]} if cell.get("values") == [1.0] else cell
                          for key, cell in cells.items()})  # fmt: skip
    before = {
        pattern: times(run, pattern) for pattern in ("wavs/**/*", "transcripts/**/*", "train/**/*", "prepare/**/*")
    }
    result = compare(site.experiment, "--output", run, "--set", "metrics.mcd_plain={}")
    assert result.status == 0, result.err
    assert "2 jobs to do, 17 already done" in result.err
    assert before == {pattern: times(run, pattern) for pattern in before}
    values = {(row["system"], row["metric"]): row for row in rows(run / "summary.csv")}
    assert float(values["l1+oracle", "nfe"]["value"]) == 41
    assert "align:time" in values["l1+oracle", "mcd_plain"]["signature"]
    assert float(values["l1+oracle", "mcd_plain"]["value"]) > 0


def test_deleted_wav_is_synthesized_again(site, tmp_path):
    run = site.copy(tmp_path / "run")
    folder = run / "wavs" / "l1+oracle" / "seed0"
    victim = next(folder.glob("sample0/*.wav"))
    for path in (victim, victim.with_suffix(".json"), folder / "done"):
        path.unlink()
    result = compare(site.experiment, "--output", run)
    assert result.status == 0, result.err
    assert "2 jobs to do, 17 already done" in result.err
    changed = {name for name, when in times(run, "wavs/**/*.wav").items()
               if when != times(site.finished, "wavs/**/*.wav")[name]}  # fmt: skip
    assert changed == {str(victim.relative_to(run))}
    assert contents(run, "wavs/**/*.wav") == contents(site.finished, "wavs/**/*.wav")


def test_features_missing_from_the_cache_are_computed_again(site, tmp_path):
    run = site.copy(tmp_path / "run")
    shutil.rmtree(run / "wavs" / "copy-synthesis")
    shutil.rmtree(site.root / "cache" / "features")
    result = compare(site.experiment, "--output", run)
    assert result.status == 0, result.err
    assert "3 jobs to do" in result.err
    assert contents(run, "wavs/**/*.wav") == contents(site.finished, "wavs/**/*.wav")


def test_failing_objective_costs_only_its_own_row(site, tmp_path):
    run = site.copy(tmp_path / "run")
    bad = "adapters.bad={adapter: two_groups, options: {nan_at: 1}}"
    result = compare(site.experiment, "--output", run, "--set", bad, "prosody=[oracle]")
    assert result.status == 1
    assert "became nan at step 1" in result.err
    assert "Traceback" not in result.err
    assert contents(run, "wavs/**/*.wav") == contents(site.finished, "wavs/**/*.wav")
    assert "bad+oracle is missing because it failed." in result.out, "the table has the others, and says why"
    summary = pd.read_csv(run / "summary.csv")
    assert set(summary["system"]) == {"ground-truth", "copy-synthesis", "l1+oracle", "l2+oracle"}
    complete = pd.read_csv(site.finished / "summary.csv").merge(summary[["system", "metric"]])
    columns = ["system", "metric", "value", "n"]
    assert_frame_equal(summary[columns], complete[columns])
    failures = pd.read_csv(run / "failures.csv")
    assert "became nan at step 1" in failures.loc[failures["system"] == "bad+oracle", "error"].item()
    tables = contents(run, "*.csv")
    assert main(["report", str(run)]) == 0
    assert contents(run, "*.csv") == tables, "a report of the same run"
    healed = compare(site.experiment, "--output", run, "--set", "prosody=[oracle]")
    assert healed.status == 0 and "is missing" not in (run / "table.md").read_text(encoding="utf-8")
    assert not (run / "left_out.json").exists()


def test_diverging_sampling_is_a_failed_clip_with_the_step(site, tmp_path):
    run = site.copy(tmp_path / "run")
    wild = "adapters.wild={adapter: nce_ebm, nfe: 30, sampling: {step: 1.0, noise: 20.0}}"
    more = ("adapters.nce_ebm={nfe: 2}", "adapters.sled_text={}")
    result = compare(site.experiment, "--output", run, "--set", wild, *more, "prosody=[oracle]")
    assert result.status == 1 and "wild+oracle: all clips failed" in result.err
    failed = [row for row in rows(run / "failures.csv") if row["system"] == "wild+oracle" and row["metric"] == "mcd"]
    assert failed, result.err
    assert all("Langevin dynamics diverged at step" in row["error"] and "of 30" in row["error"] for row in failed)
    assert not [row for row in rows(run / "failures.csv") if row["system"] == "nce_ebm+oracle"], result.err
    values = {(row["system"], row["metric"]): row for row in rows(run / "summary.csv")}
    assert float(values["nce_ebm+oracle", "nfe"]["value"]) == 3  # two steps, and the hypothesis
    assert values["wild+oracle", "mcd"]["value"] == ""
    # Trained for no time, the free-running model either stops somewhere or is cut, and is asked for no prosody.
    cut = [row["error"] for row in rows(run / "failures.csv") if row["system"] == "sled_text+text"]
    assert all("reached the length limit of" in error for error in cut)
    assert len(list((run / "wavs" / "sled_text+text").rglob("*.wav"))) + len({*cut}) >= 1
    assert "sled_text+oracle" not in {system for system, _ in values}
    note = (
        "- Start from other trained models, whose training is not part of their budget: wild (L2 regression), nce_ebm ("
    )
    assert note in (run / "table.md").read_text(encoding="utf-8")
    curve = rows(run / "train" / "wild-acoustic-seed0" / "curve.csv")  # one training serves both
    assert 0 <= float(curve[-1]["monitored_accuracy"]) <= 1
