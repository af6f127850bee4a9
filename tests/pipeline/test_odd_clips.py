"""``ttsbench score``: an unusual file name, an unreadable file or a faulty metric affects only its own cells."""

import struct

import numpy as np
import pandas as pd
import pytest
import soundfile
from speechlike import speechlike
from tinycorpus import installed

from ttsbench import cli

RATE = 16000
LONG = "L" * 251  # with ".wav" the longest name that file systems allow
HAN = "語" * 83
LATIN1 = "caf\udce9"  # the bytes of "café" in Latin-1, as Python represents them
PLAIN = ("good", "none", "text", "exit", "bomb", "unreadable")


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Score clips with unusual names, an oversized and an unreadable file, and two faulty metrics."""
    root = tmp_path_factory.mktemp("odd")
    for folder in ("ref", "gen"):
        (root / folder).mkdir()
        for number, name in enumerate((*PLAIN, LONG, HAN, LATIN1)):
            path = root / folder / f"{name}.wav"
            with path.open("wb") as file:
                soundfile.write(file, 0.3 * speechlike(1.0, 110.0 + 8 * number, RATE), RATE, format="WAV")
    (root / "gen" / "bomb.wav").unlink()
    soundfile.write(root / "gen" / "bomb.flac", np.zeros(RATE * 60, np.int16), RATE)
    content = bytearray((root / "gen" / "bomb.flac").read_bytes())
    struct.pack_into(">I", content, 22, 0xF0000000)  # 4e9 samples
    (root / "gen" / "bomb.flac").write_bytes(content)
    (root / "gen" / "unreadable.wav").unlink()
    (root / "gen" / "unreadable.wav").symlink_to("/proc/self/mem")  # a regular file that cannot be read, even by root
    with installed(root / "site"):
        status = cli.main(
            ["score", "--reference", str(root / "ref"), "--generated", f"g={root / 'gen'}",
             "--metrics", "mcd,faulty,irreducible", "--set", "statistics.resamples=100", "--jobs", "2", "--quiet",
             "--output", str(root / "run")]
        )  # fmt: skip
    return root / "run", status


def cells(run, metric):
    table = pd.read_csv(run / "scores" / f"{metric}.csv", keep_default_na=False, dtype=str)
    return {row["utterance"]: row for _, row in table.iterrows() if row["system"] == "g"}


def test_run_reports_failures_and_writes_its_table(scored):
    run, status = scored
    assert status == 1
    assert "MCD" in (run / "table.md").read_text(encoding="utf-8") and (run / "index.html").is_file()


@pytest.mark.parametrize("id_", [LONG, HAN, "caf\\xe9"])
def test_clips_with_odd_names_are_scored(scored, id_):
    assert float(cells(scored[0], "mcd")[id_]["distortion_db"]) == 0
    assert cells(scored[0], "faulty")[id_]["error"] == ""


def test_file_that_would_decode_to_gigabytes_is_refused(scored):
    assert "more than 600 s" in cells(scored[0], "mcd")["bomb"]["error"]


def test_unreadable_file_is_a_failure_with_its_reason(scored):
    assert "cannot be read (Input/output error)" in cells(scored[0], "mcd")["unreadable"]["error"]


def test_metric_that_misbehaves_costs_its_own_cells(scored):
    faulty, mcd = cells(scored[0], "faulty"), cells(scored[0], "mcd")
    assert faulty["none"]["error"] == "faulty gave None for the columns peak"
    assert faulty["text"]["error"] == "faulty gave ('loud',) for the columns peak"
    assert faulty["exit"]["error"] == "SystemExit: leaving"
    assert {id_ for id_, row in mcd.items() if row["error"]} == {"bomb", "unreadable"}
    assert faulty["good"]["error"] == ""


def test_metric_without_a_mean_costs_its_own_column(scored):
    cell = cells(scored[0], "irreducible")["good"]
    assert cell["error"].startswith("reduce fails on this clip: TypeError: ") and "NoneType" in cell["error"]
