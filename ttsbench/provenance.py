"""What a result was made with: commit, packages, machine, seeds and the hashes of the weights."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from ttsbench.jobs import Run

WATCHED = ("espeakng-loader", "lightning", "numba", "numpy", "onnxruntime", "pocketsphinx", "pymcd", "pysptk",
           "pyworld", "resemblyzer", "scipy", "soxr", "speechbrain", "speechmos", "torch", "torchaudio", "transformers",
           "ttsbench", "utmosv2")  # fmt: skip


def provenance(run: Run) -> dict[str, Any]:
    """A JSON record of everything a reader needs to make the same result."""
    weights = sorted((run.folder / "train").glob("*/weights.safetensors"))
    return {
        "commit": commit(),
        "python": platform.python_version(),
        "packages": {name: version for name, version in _versions().items() if name in WATCHED},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
        "device": _device(run.experiment.compute.accelerator),
        "seeds": list(run.experiment.seeds),
        "weights": {path.parent.name: _file_hash(path) for path in weights},
    }


def commit() -> str | None:
    """The commit of the source tree, "+" when it has changes; None where ttsbench is installed without one."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    return {found.name.lower(): found.version for found in distributions() if found.name}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _device(accelerator: str) -> str:
    import torch

    return "cpu" if accelerator == "cpu" or not torch.cuda.is_available() else str(torch.cuda.get_device_name())


def _file_hash(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
