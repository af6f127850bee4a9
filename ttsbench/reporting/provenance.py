"""Record how a result was made: command, commit, packages, machine, seeds, and hashes of corpus and weights."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from ttsbench.config.systems import GROUND_TRUTH
from ttsbench.data.corpus import PreparedCorpus
from ttsbench.engine.job import Run
from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import content_hash, file_hash, read_json, write_text
from ttsbench.errors import ClipError
from ttsbench.evaluation.clip_record import read_record
from ttsbench.evaluation.test_set import evaluated_utterances
from ttsbench.reporting.plugins import plugin_packages

COMMAND, COMMITS = "command.txt", "commits.txt"
PACKAGES = ("espeakng-loader", "lightning", "numba", "numpy", "onnxruntime", "pocketsphinx", "pymcd", "pysptk",
           "pyworld", "resemblyzer", "scipy", "soxr", "speechbrain", "speechmos", "torch", "torchaudio", "transformers",
           "ttsbench", "utmosv2")  # fmt: skip


def provenance(run: Run) -> dict[str, Any]:
    """Return a JSON record of everything that is needed to reproduce a run."""
    weights = sorted(run.layout.train.glob("*/weights.safetensors"))
    command = run.folder / COMMAND
    return {
        "command": command.read_text(encoding="utf-8") if command.exists() else None,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "commits": commits(run.folder),
        "python": platform.python_version(),
        "packages": {name: version for name, version in sorted(_versions().items()) if name in PACKAGES},
        "plugins": plugin_packages(run.experiment),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
        "device": _device(run.experiment.compute.accelerator),
        "seeds": list(run.experiment.seeds),
        "corpus": _corpus(run),
        "weights": {path.parent.name: file_hash(path) for path in weights},
    }


def _corpus(run: Run) -> dict[str, Any]:
    """Return name, size and a hash of texts, splits and the bytes of every recording."""
    if run.compares_folders:
        listed = [[item.id, item.text, _reference(run.folder, item.id)] for item in evaluated_utterances(run.folder)]
        return {"name": "folder", "utterances": len(listed), "hash": content_hash(listed)}
    utterances = PreparedCorpus(run.layout.prepare).utterances
    # Features are cached under the hash of their recording.
    listed = [[item.id, item.text, item.split, Path(item.features).stem] for item in utterances]
    facts = {"name": run.experiment.corpus.name, "utterances": len(listed), "hash": content_hash(listed)}
    return {**facts, "notes": preparation_notes(run.folder)}


def preparation_notes(folder: Path) -> list[str]:
    """Return the notes of the prepare stage, which an archive has in its provenance."""
    layout = RunLayout(folder)
    notes: list[str] = []
    if layout.prepare.exists():
        notes = read_json(layout.prepare / "notes.json")
    elif layout.provenance.exists():
        notes = (read_json(layout.provenance).get("corpus") or {}).get("notes", [])
    return notes


def _reference(folder: Path, id_: str) -> str | None:
    try:
        wavs = RunLayout(folder).wavs_of(GROUND_TRUTH, None)
        return read_record(wavs, id_, 0).content if wavs.exists() else None
    except ClipError as error:
        return str(error)


def commit() -> str | None:
    """Return the commit of the source tree, with "+" if it has changes; None without a git repository."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def commits(folder: Path) -> list[str]:
    """Return the commits that worked on the run, oldest first; a resumed run may have several."""
    path = folder / COMMITS
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def record_work(folder: Path, command: str) -> None:
    """Record the command and the commit that start or resume a run."""
    write_text(folder / COMMAND, command)
    known, current = commits(folder), commit()
    if current and current not in known:
        write_text(folder / COMMITS, "".join(f"{item}\n" for item in [*known, current]))


def _git(root: Path, *arguments: str) -> str:
    process = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return process.stdout.strip()


def _versions() -> dict[str, str]:
    return {package.name.lower(): package.version for package in distributions() if package.name}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _device(accelerator: str) -> str:
    import torch

    return "cpu" if accelerator == "cpu" or not torch.cuda.is_available() else str(torch.cuda.get_device_name())
