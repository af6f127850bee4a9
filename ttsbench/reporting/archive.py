"""``ttsbench archive``: copy the results of a finished run, without audio, weights and features.

The copy holds every table, claim and figure, ``provenance.json``, the scores of every clip and the experiment. Paths of
the machine are reduced to names. An archive is meant to be committed, so scores are stored in single precision and
figures as PNG with their data. ``ttsbench claims`` evaluates claims on an archived run: ``claims/judgement.py``.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ttsbench.engine.store import read_json, write_json
from ttsbench.errors import TtsbenchError
from ttsbench.evaluation.clip_table import FILE, LABELS

EXPERIMENT, PROVENANCE = "experiment.json", "provenance.json"
FILES = (
    "table.md", "table.tex", "paper.md", "paper.tex", "paper-signatures.md", "claims.md", "claims.tex",
    "claims.csv", "summary.csv", "differences.csv", "best.csv", "failures.csv", "training.csv", "rows.parquet",
    EXPERIMENT, PROVENANCE,
)  # fmt: skip
FOLDER = "figures"


def result_files(folder: Path) -> list[str]:
    """Return the names of ``FILES`` that a run holds, in reading order."""
    return [name for name in FILES if (folder / name).exists()]


def archive_run(run: Path, destination: Path) -> list[str]:
    """Copy the results of ``run`` to ``destination``, replace an earlier archive there, and return the copied names.

    Raises ``TtsbenchError`` if ``run`` is not finished, or ``destination`` is the run itself or holds other files.
    """
    if not (run / PROVENANCE).exists() or not (run / EXPERIMENT).exists():
        raise TtsbenchError(f"{run} holds no finished run. Run its compare command to the end.")
    if destination.resolve() == run.resolve():
        raise TtsbenchError(f"{run} cannot be archived into itself. Give another folder.")
    known = {*FILES, FOLDER}
    unknown = sorted({path.name for path in destination.glob("*")} - known) if destination.is_dir() else []
    if unknown or destination.is_file():
        raise TtsbenchError(
            f"{destination} holds more than results ({', '.join(unknown[:3]) or 'a file'}). Give another folder."
        )
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{destination.name}.", dir=destination.parent) as temporary:
        copy = Path(temporary, "archive")
        _copy(run, copy)
        if destination.exists():
            destination.rename(Path(temporary, "previous"))  # deleted only once the new archive is complete
        copy.rename(destination)
    return sorted(path.name for path in destination.iterdir())


def _copy(run: Path, folder: Path) -> None:
    """Write the archive of a run into a new folder."""
    folder.mkdir()
    for name in result_files(run):
        if name == FILE:
            _copy_rows(run / name, folder / name)
        else:
            shutil.copyfile(run / name, folder / name)
    if (run / FOLDER).exists():
        shutil.copytree(run / FOLDER, folder / FOLDER, ignore=shutil.ignore_patterns("*.pdf"))
    write_json(folder / EXPERIMENT, _portable_experiment(run / EXPERIMENT))
    write_json(folder / PROVENANCE, _portable_provenance(run / PROVENANCE))


def _copy_rows(source: Path, destination: Path) -> None:
    """Copy rows in single precision, sorted and encoded for a small file: a fifth of the size of the original."""
    frame = pd.read_parquet(source).sort_values(["metric", "utterance", "system", "seed", "sample"], kind="stable")
    frame["value"] = frame["value"].astype(np.float32)
    frame["statistics"] = frame["statistics"].map(lambda values: np.asarray(values, dtype=np.float32))
    frame.to_parquet(
        destination,
        index=False,
        compression="zstd",
        compression_level=19,
        use_dictionary=[name for name in LABELS if name in frame],
        column_encoding={"statistics.list.element": "BYTE_STREAM_SPLIT"},
    )


def _portable_experiment(path: Path) -> dict[str, object]:
    """Return the experiment without absolute paths."""
    return {**_without_folders(read_json(path)), "claims": None}


def _portable_provenance(path: Path) -> dict[str, object]:
    """Return the provenance with a command that holds no absolute paths."""
    values: dict[str, object] = read_json(path)
    if command := values.get("command"):
        values["command"] = shlex.join(map(_portable_word, shlex.split(str(command))))
    return values


def _portable_word(word: str) -> str:
    key, equals, value = word.rpartition("=")
    return f"{key}{equals}{_without_folders(value)}"


def _without_folders(value: Any) -> Any:
    """Return a JSON value in which every absolute path is reduced to its last component."""
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
