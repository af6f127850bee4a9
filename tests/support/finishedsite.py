"""A finished run of a tiny corpus, and comparisons of the files of runs."""

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path

from tinyrun import Result


@dataclass(frozen=True)
class Site:
    """A corpus with one corrupt clip, an experiment, and a finished run, shared by the tests of this module."""

    root: Path
    experiment: Path
    finished: Path
    first: Result

    def copy(self, folder: Path) -> Path:
        """Copy the finished run, with the times of its files."""
        shutil.copytree(self.finished, folder)
        return folder


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def files(folder, pattern):
    return {str(path.relative_to(folder)): path for path in sorted(folder.glob(pattern))}


def contents(folder, pattern):
    return {name: path.read_bytes() for name, path in files(folder, pattern).items()}


def times(folder, pattern):
    return {name: path.stat().st_mtime_ns for name, path in files(folder, pattern).items()}


def without_rtf(run):
    lines = (run / "summary.csv").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.split(",")[1] != "rtf"]
