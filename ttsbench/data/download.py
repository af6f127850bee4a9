"""Download of a published archive: resumable, verified by checksum, unpacked atomically."""

from __future__ import annotations

import hashlib
import http.client
import logging
import shutil
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from filelock import FileLock

from ttsbench.errors import CorpusError

CHUNK = 1 << 20  # bytes
TIMEOUT_S = 60.0
_log = logging.getLogger(__name__)


def fetch_archive(url: str, sha256: str, folder: Path) -> None:
    """Download the tar archive at ``url`` and unpack the single folder in it as ``folder``.

    ``sha256`` is the expected checksum in hexadecimal, which an archive that already lies there must have as well: one
    that differs is taken for a partial download and completed. The archive lies beside ``folder`` until it is unpacked
    (as ``<name>.part`` until it is verified), so that an interrupted download resumes. Raises ``CorpusError`` if the
    network fails, the checksum differs or the archive does not hold exactly one folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if folder.exists() and any(folder.iterdir()):
            return
        archive = folder.with_name(url.rsplit("/", 1)[-1])
        part = archive.with_name(archive.name + ".part")
        if archive.is_file() and _sha256(archive) != sha256:
            archive.replace(part)  # probably the start of a download by hand, which is completed
        if not archive.is_file():
            _download(url, part)
            _verify(part, sha256, url)
            part.replace(archive)
        _unpack(archive, folder)
        archive.unlink()


def _download(url: str, part: Path) -> None:
    """Append the missing bytes of ``url`` to ``part``; a server that cannot resume sends the whole file."""
    have = part.stat().st_size if part.is_file() else 0
    _log.info("downloading %s to %s, %.0f MB there already", url, part, have / 1e6)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            resumed = getattr(response, "status", None) == http.client.PARTIAL_CONTENT
            expected = (have if resumed else 0) + int(response.headers.get("Content-Length") or 0)
            with part.open("ab" if resumed else "wb") as file:
                shutil.copyfileobj(response, file, CHUNK)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # the file is complete; the checksum decides whether it is correct
        raise _broken_off(url, part, f"the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _broken_off(url, part, str(getattr(error, "reason", error)) or type(error).__name__) from error
    if part.stat().st_size < expected:
        raise _broken_off(url, part, f"{expected} bytes were expected")


def _broken_off(url: str, part: Path, reason: str) -> CorpusError:
    have = part.stat().st_size if part.is_file() else 0
    return CorpusError(
        f"Downloading {url} failed after {have} bytes ({reason}). "
        f"Run the same command again to resume, or fetch the archive by hand and unpack it into {part.parent}."
    )


def _verify(part: Path, sha256: str, url: str) -> None:
    digest = _sha256(part)
    if digest != sha256:
        part.unlink()
        raise CorpusError(
            f"{url} has SHA-256 {digest}, expected {sha256}: the download was deleted. "
            "Run the same command again; if the error repeats, the archive at that address has changed."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack beside ``folder`` and rename; members that point outside the archive are refused."""
    _log.info("unpacking %s to %s", archive, folder)
    temporary = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(temporary, filter="data")
        inside = sorted(temporary.iterdir())
        if len(inside) != 1 or not inside[0].is_dir():
            raise CorpusError(f"{archive} should hold one folder, it holds {[item.name for item in inside][:5]}.")
        if folder.is_dir():
            folder.rmdir()
        inside[0].replace(folder)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise CorpusError(
            f"{archive} cannot be unpacked into {folder} ({error}): check the space left on disk."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
