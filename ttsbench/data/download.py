"""A published archive to a folder: resumed where it broke off, verified, unpacked whole or not at all."""

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
    """Make ``folder`` the one folder inside the tar archive at ``url``, whose SHA-256 (hex) must be ``sha256``.

    The archive is kept beside ``folder`` until it is unpacked (as ``<name>.part`` until it is verified), so a killed
    download goes on where it stopped. Raises ``CorpusError`` where the network fails, the checksum differs, the
    archive is not what it should be, or ``folder`` already holds something.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if folder.exists() and any(folder.iterdir()):
            return
        archive = folder.with_name(url.rsplit("/", 1)[-1])
        if not archive.is_file():
            part = archive.with_name(archive.name + ".part")
            _download(url, part)
            _verify(part, sha256, url)
            part.replace(archive)
        _unpack(archive, folder)
        archive.unlink()


def _download(url: str, part: Path) -> None:
    """Append to ``part`` what it lacks of ``url``; a server that cannot resume sends all of it again."""
    have = part.stat().st_size if part.is_file() else 0
    _log.info("downloading %s to %s, %.0f MB there already", url, part, have / 1e6)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            resumed = getattr(response, "status", None) == http.client.PARTIAL_CONTENT
            promised = (have if resumed else 0) + int(response.headers.get("Content-Length") or 0)
            with part.open("ab" if resumed else "wb") as file:
                shutil.copyfileobj(response, file, CHUNK)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing is left to fetch; the checksum decides whether it is right
        raise _broken_off(url, part, f"the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _broken_off(url, part, str(getattr(error, "reason", error)) or type(error).__name__) from error
    if part.stat().st_size < promised:
        raise _broken_off(url, part, f"{promised} bytes were promised")


def _broken_off(url: str, part: Path, reason: str) -> CorpusError:
    have = part.stat().st_size if part.is_file() else 0
    return CorpusError(
        f"Downloading {url} failed after {have} bytes ({reason}). "
        f"Run the same command again to go on, or fetch the archive by hand and unpack it into {part.parent}."
    )


def _verify(part: Path, sha256: str, url: str) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        part.unlink()
        raise CorpusError(
            f"{url} has SHA-256 {found}, expected {sha256}: what was downloaded is deleted. "
            "Run the same command again; if it repeats, the archive at that address is another one."
        )


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
