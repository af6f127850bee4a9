"""Keys of jobs: the hash of everything that a job's result depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttsbench.engine.job import Stage
from ttsbench.engine.store import content_hash

# Raise a stage's version if the code of the stage changes its results.
VERSIONS: Mapping[Stage, int] = {
    "prepare": 2, "train": 1, "tune": 1, "synthesize": 3, "external": 1, "collect": 1, "transcribe": 2, "score": 6,
    "report": 3,
}  # fmt: skip


def job_key(stage: Stage, *parts: Any) -> str:
    """Return the key of a job from its stage, the version of the stage, and everything else that it depends on."""
    return content_hash([stage, VERSIONS[stage], *parts])
