"""``ttsbench keep``: of a finished run what one commits and hands on, without sounds, weights and features.

That is every table, claim and figure, ``provenance.json``, the rows of every clip and the experiment, without the
folders of the machine it ran on. Claims can be judged on what was kept: ``claims/judgement.py``.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

from ttsbench.engine.store import read_json, write_json
from ttsbench.errors import TtsbenchError

EXPERIMENT, PROVENANCE = "experiment.json", "provenance.json"
FILES = (
    "table.md", "table.tex", "paper.md", "paper.tex", "claims.md", "claims.tex", "claims.csv", "summary.csv",
    "differences.csv", "best.csv", "failures.csv", "training.csv", "rows.parquet", EXPERIMENT,
    PROVENANCE,
)  # fmt: skip
FOLDER = "figures"


def result_files(folder: Path) -> list[str]:
    """Those of ``FILES`` that a run has, in the order in which one reads them."""
    return [name for name in FILES if (folder / name).exists()]


def keep_results(run: Path, destination: Path) -> list[str]:
    """Copy them, in the place of what was kept there before; the names of what was kept.

    Raises ``TtsbenchError`` where there is no finished run, or the destination is the run or holds something else.
    """
    if not (run / PROVENANCE).exists() or not (run / EXPERIMENT).exists():
        raise TtsbenchError(f"{run} holds no finished run: run its compare to the end.")
    if destination.resolve() == run.resolve():
        raise TtsbenchError(f"{run} would be kept in the place of itself: give another folder.")
    known = {*FILES, FOLDER}
    strange = sorted({path.name for path in destination.glob("*")} - known) if destination.is_dir() else []
    if strange or destination.is_file():
        raise TtsbenchError(
            f"{destination} holds more than results ({', '.join(strange[:3]) or 'a file'}): give another folder."
        )
    if destination.exists():
        shutil.rmtree(destination)
    destination.mkdir(parents=True)
    for name in result_files(run):
        shutil.copyfile(run / name, destination / name)
    if (run / FOLDER).exists():
        shutil.copytree(run / FOLDER, destination / FOLDER)
    write_json(destination / EXPERIMENT, _portable(run / EXPERIMENT))
    write_json(destination / PROVENANCE, _provenance(run / PROVENANCE))
    return sorted(path.name for path in destination.iterdir())


def _portable(path: Path) -> dict[str, object]:
    """An experiment that names no folder of this machine."""
    return {**_without_folders(read_json(path)), "claims": None}


def _provenance(path: Path) -> dict[str, object]:
    """Provenance whose command names none either."""
    found: dict[str, object] = read_json(path)
    if command := found.get("command"):
        found["command"] = shlex.join(map(_word, shlex.split(str(command))))
    return found


def _word(word: str) -> str:
    key, equals, value = word.rpartition("=")
    return f"{key}{equals}{_without_folders(value)}"


def _without_folders(value: Any) -> Any:
    """A JSON value in which what lies on this machine is called by its name alone."""
    if isinstance(value, dict):
        return {key: _without_folders(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_folders(one) for one in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
