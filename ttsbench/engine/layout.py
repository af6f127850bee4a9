"""The layout of a run folder: the only place that spells the names of its files and folders.

<run>/experiment.json         the resolved experiment
<run>/folders.json            only for ``ttsbench score``: the folders that are compared
<run>/left_out.json           only if systems failed: the reason of each
<run>/utterances.json         only for ``ttsbench score``: the utterances that are compared
<run>/prepare/                manifest, statistics, notes
<run>/train/<model>/          weights, curve, cost
<run>/tune/<label>-<role>/    trials and chosen sampling settings
<run>/wavs/<system>/seed<n>/  one wav and one record per clip (no seed for compared folders)
<run>/transcripts/...         the same tree, with transcripts
<run>/scores/<metric>.csv     one row per clip
<run>/figures/, clips/, *.csv, *.md, *.tex, index.html    the report
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PREPARE = "prepare"
TRAIN = "train"
TUNE = "tune"
WAVS = "wavs"
TRANSCRIPTS = "transcripts"
SCORES = "scores"
REPORT = "report"


def train_folder(model: str) -> str:
    """Return the folder of a training, relative to the run."""
    return f"{TRAIN}/{model}"


def tune_folder(label: str, role: str) -> str:
    """Return the folder of the trials of a label, relative to the run."""
    return f"{TUNE}/{label}-{role}"


def clips_folder(system: str, seed: int | None) -> str:
    """Return the folder of a system's clips relative to ``wavs`` or ``transcripts``; no seed for compared folders."""
    return system if seed is None else f"{system}/seed{seed}"


def wavs_folder(system: str, seed: int | None) -> str:
    """Return the folder of a system's wavs, relative to the run."""
    return f"{WAVS}/{clips_folder(system, seed)}"


def transcripts_folder(system: str, seed: int | None) -> str:
    """Return the folder of a system's transcripts, relative to the run."""
    return f"{TRANSCRIPTS}/{clips_folder(system, seed)}"


@dataclass(frozen=True)
class RunLayout:
    """Paths of the files and folders of one run."""

    root: Path

    @property
    def experiment(self) -> Path:
        """The resolved experiment, as JSON."""
        return self.root / "experiment.json"

    @property
    def folder_request(self) -> Path:
        """The request of ``ttsbench score``; absent in a run of ``ttsbench compare``."""
        return self.root / "folders.json"

    @property
    def compares_folders(self) -> bool:
        """True for a run of ``ttsbench score``, whose clips lie outside the run folder."""
        return self.folder_request.exists()

    @property
    def utterances(self) -> Path:
        """The utterances that ``ttsbench score`` compares; absent in a run of ``ttsbench compare``."""
        return self.root / "utterances.json"

    @property
    def left_out(self) -> Path:
        """The systems that failed, with reasons; absent if the table has every system."""
        return self.root / "left_out.json"

    @property
    def prepare(self) -> Path:
        """The prepared corpus."""
        return self.root / PREPARE

    @property
    def train(self) -> Path:
        """The folder that holds one folder per training."""
        return self.root / TRAIN

    @property
    def wavs(self) -> Path:
        """The folder that holds the wavs and records of all systems."""
        return self.root / WAVS

    @property
    def scores(self) -> Path:
        """The scored rows."""
        return self.root / SCORES

    @property
    def figures(self) -> Path:
        """The figures of the report."""
        return self.root / "figures"

    @property
    def worker_files(self) -> Path:
        """Progress and output of tasks while they run on other machines."""
        return self.root / ".workers"

    @property
    def provenance(self) -> Path:
        """The provenance of the results, as JSON."""
        return self.root / "provenance.json"

    @property
    def summary(self) -> Path:
        """The table in numbers: one row per system and metric."""
        return self.root / "summary.csv"

    def training(self, model: str) -> Path:
        """The folder of one training."""
        return self.root / train_folder(model)

    def wavs_of(self, system: str, seed: int | None) -> Path:
        """The wavs and records of one system and training seed."""
        return self.root / wavs_folder(system, seed)

    def transcripts_of(self, system: str, seed: int | None) -> Path:
        """The transcripts of one system and training seed."""
        return self.root / transcripts_folder(system, seed)

    def metric_rows(self, metric: str) -> Path:
        """The scored rows of one metric."""
        return self.scores / f"{metric}.csv"
