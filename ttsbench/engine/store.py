"""Run folders: atomic writes, sentinels that hold the hash of a job's inputs, and a lock.

A stage writes each file under a temporary name and renames it, so a file that exists is whole. A job's folder holds
``key`` (the hash of its inputs) from the start and ``done`` at the end: a killed job resumes where it was, a job whose
inputs changed starts from an empty folder, and a finished one is not run again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from ttsbench.errors import TtsbenchError

KEY = "key"
DONE = "done"
BLOCKS, BLOCK_BYTES = 16, 4096  # of a file, for a hash that need not read all of it


def cache_dir() -> Path:
    """Where generated corpora and features are kept between runs: ``TTSBENCH_CACHE`` or ``~/.cache/ttsbench``."""
    return Path(os.environ.get("TTSBENCH_CACHE") or Path.home() / ".cache" / "ttsbench")


def content_hash(value: Any) -> str:
    """Hash of a JSON value; equal values hash equally whatever the order of their keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def file_hash(path: Path) -> str:
    """Of all that a file holds."""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def sampled_hash(path: Path) -> str:
    """Hash of a file's size and of evenly spaced blocks of it: of the whole file up to 64 KiB, else in one millisecond.

    It is the same wherever the file lies and whenever it was copied there. A change within a larger file that keeps its
    size and misses every block is not seen.
    """
    size = path.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=12)
    with path.open("rb") as file:
        for index in range(BLOCKS):
            file.seek(size * index // BLOCKS)
            digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()


@contextmanager
def replacing(path: Path, binary: bool = False) -> Iterator[IO[Any]]:
    """A file to write to, which takes its name when the block ends well; a full disk gets a sentence."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            text = os.fdopen(handle, "w", encoding="utf-8", newline="") if not binary else None
            with text or os.fdopen(handle, "wb") as file:
                yield file
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise TtsbenchError(
                f"No space left on the disk that holds {path.parent}. Free some, or choose another --output; "
                "what was computed so far is kept and the same command resumes."
            ) from error
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write whole or not at all."""
    with replacing(path, binary=True) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, sort_keys=False) + "\n")


def read_json(path: Path) -> Any:
    """What ``write_json`` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def is_done(folder: Path, key: str) -> bool:
    """Whether the job that owns this folder finished with these inputs."""
    try:
        return (folder / DONE).read_text(encoding="utf-8") == key
    except OSError:
        return False


def open_folder(folder: Path, key: str) -> None:
    """Make the folder ready for a job: keep what an interrupted run with the same inputs left, else start empty."""
    try:
        same = (folder / KEY).read_text(encoding="utf-8") == key
    except OSError:
        same = False
    if not same and folder.exists():
        shutil.rmtree(folder)
    write_text(folder / KEY, key)


def mark_done(folder: Path, key: str) -> None:
    """The last thing a job does."""
    write_text(folder / DONE, key)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Refuse a second run in the same folder. The system drops the lock with the process, however it dies."""
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise TtsbenchError(
            f"Another ttsbench is running in {folder}. Wait for it, or give this one its own --output."
        ) from None
    except OSError as error:
        raise TtsbenchError(
            f"The run folder {folder} cannot be used ({error.strerror}). Choose another --output."
        ) from error
    try:
        yield
    finally:
        lock.release()


def check_space(folder: Path, needed_bytes: int) -> None:
    """Refuse to start work that the disk cannot hold."""
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed_bytes:
        raise TtsbenchError(
            f"{folder} needs about {needed_bytes / 1e9:.2f} GB and {free / 1e9:.2f} GB are free on its disk. "
            "Free some, or choose another --output (and TTSBENCH_CACHE for features)."
        )
