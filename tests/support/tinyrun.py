"""``ttsbench compare`` in this process, on a corpus of twelve short clips one of which is corrupt."""

import contextlib
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tinycorpus import TINY, installed, tiny_corpus

from ttsbench.cli import main

METRICS = ["mcd", "wer", "rtf", "nfe", "params"]


@dataclass(frozen=True)
class Result:
    """Exit status, output and duration of a command."""

    status: int
    out: str
    err: str
    seconds: float


def compare(*arguments: str | Path) -> Result:
    """``ttsbench compare`` with these arguments."""
    began = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        status = main(["compare", *map(str, arguments)])
    return Result(status, out.getvalue(), err.getvalue(), time.monotonic() - began)


@contextmanager
def tiny_site(root: Path) -> Iterator[Path]:
    """The experiment ``root/tiny.yaml`` of two objectives, with corpus, plug-ins and a cache of its own."""
    with pytest.MonkeyPatch.context() as patch, installed(root / "plugins"):
        patch.setenv("TTSBENCH_CACHE", str(root / "cache"))
        corpus = tiny_corpus(root / "corpus", 12, corrupt=["c07"])
        values = {
            "corpus": {"name": "folder", "path": str(corpus), "test": 3, "valid": 2},
            "adapters": {"l1": {}, "l2": {}},
            "transcriber": {"name": "echo"},
            "metrics": {name: {} for name in METRICS},
            **TINY,
        }
        experiment = root / "tiny.yaml"
        experiment.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        yield experiment
