"""Files of runs: atomic writes, hashes, a lock on the run folder, and checks of free space.

Every file is written under a temporary name and renamed, so that an interrupted run leaves no half-written file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from ttsbench.errors import TtsbenchError

BLOCKS, BLOCK_BYTES = 16, 4096  # blocks of a file that a sampled hash reads
UNENCODABLE = "backslashreplace"  # how text files show a byte of a name that is not UTF-8
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
MAX_STEM_BYTES = 180  # leaves room for an ending and for the marks of a temporary file: file systems allow 255 bytes


def cache_dir() -> Path:
    """Return the folder for generated corpora, features and models: ``TTSBENCH_CACHE`` or ``~/.cache/ttsbench``."""
    return Path(os.environ.get("TTSBENCH_CACHE") or Path.home() / ".cache" / "ttsbench")


def content_hash(value: Any) -> str:
    """Return the hash of a JSON value, which does not depend on the order of keys.

    >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def file_hash(path: Path) -> str:
    """Return the hash of all bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def sampled_hash(path: Path) -> str:
    """Return the hash of a file's size and of evenly spaced blocks, which is the whole file up to 64 KiB.

    It depends neither on the path nor on times, and takes about 1 ms. It misses a change in a larger file that keeps
    the size and lies outside of every block.
    """
    size = path.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=12)
    with path.open("rb") as file:
        for index in range(BLOCKS):
            file.seek(size * index // BLOCKS)
            digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()


def file_stem(name: str) -> str:
    """Return a stem for a file that is named after ``name``: the name, or a shorter one if few bytes would be left.

    >>> file_stem("LJ001-0002"), len(file_stem("x" * 250))
    ('LJ001-0002', 175)
    """
    encoded = name.encode("utf-8", "backslashreplace")
    if len(encoded) <= MAX_STEM_BYTES:
        return name
    return f"{encoded[:150].decode('utf-8', 'ignore')}-{content_hash(name)}"


@contextmanager
def replacing(path: Path, binary: bool = False, durable: bool = False) -> Iterator[IO[Any]]:
    """Yield a file that takes its name when the block ends without an error.

    ``durable`` writes the content to the disk before the file takes its name. Raises ``TtsbenchError`` on a full disk.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            text = os.fdopen(handle, "w", encoding="utf-8", errors=UNENCODABLE, newline="") if not binary else None
            with text or os.fdopen(handle, "wb") as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise TtsbenchError(
                f"No space left on the disk that holds {path.parent}. Free some, or choose another --output; "
                "what was computed so far remains, and the same command resumes."
            ) from error
        raise


def write_bytes(path: Path, data: bytes, durable: bool = False) -> None:
    """Write a file completely or not at all."""
    with replacing(path, binary=True, durable=durable) as file:
        file.write(data)


def write_text(path: Path, text: str, durable: bool = False) -> None:
    """Write a UTF-8 file completely or not at all; bytes of a name that are not UTF-8 become escape sequences."""
    write_bytes(path, text.encode("utf-8", UNENCODABLE), durable)


def write_json(path: Path, value: Any, durable: bool = False) -> None:
    """Write indented JSON completely or not at all; paths that are not UTF-8 are restored by ``read_json``."""
    text = json.dumps(value, indent=1, ensure_ascii=False, sort_keys=False) + "\n"
    write_text(path, _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text), durable)


def read_json(path: Path) -> Any:
    """Return the value of a JSON file; raises ``TtsbenchError`` for a damaged file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TtsbenchError(f"{path} is damaged ({error}). Delete it and run the same command again.") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder; raises ``TtsbenchError`` if another process holds it.

    The system releases the lock when the process ends for any reason. A folder that the call created and that is still
    empty at its end, as after a refused command, is removed.
    """
    lock = FileLock(folder / ".lock")
    created = not folder.exists()
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
        if created and [path.name for path in folder.iterdir()] == [".lock"]:
            (folder / ".lock").unlink()
            folder.rmdir()
        lock.release()


def check_space(folder: Path, needed_bytes: int) -> None:
    """Raise ``TtsbenchError`` if the disk has less free space than the work needs."""
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed_bytes:
        raise TtsbenchError(
            f"{folder} needs about {needed_bytes / 1e9:.2f} GB and {free / 1e9:.2f} GB are free on its disk. "
            "Free some, or choose another --output (and TTSBENCH_CACHE for features)."
        )
