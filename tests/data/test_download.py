"""Download of a corpus: it resumes, is verified before it is unpacked, and writes nowhere else."""

import hashlib
import io
import tarfile
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from layoutfiles import error, rows, sound

from ttsbench.data import download, layouts
from ttsbench.data.layouts import LJSpeech
from ttsbench.errors import CorpusError


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:bz2") as tar:
        for name, content in members.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            tar.addfile(item, io.BytesIO(content))
    return buffer.getvalue()


def tiny_ljspeech(tmp_path: Path) -> bytes:
    clip = sound(tmp_path / "made.wav").read_bytes()
    return archive({"LJSpeech-1.1/metadata.csv": b"a|A|A", "LJSpeech-1.1/wavs/a.wav": clip})


def publish(monkeypatch, url: str, content: bytes) -> None:
    monkeypatch.setattr(layouts, "LJSPEECH_URL", url)
    monkeypatch.setattr(layouts, "LJSPEECH_SHA256", hashlib.sha256(content).hexdigest())


class Server(BaseHTTPRequestHandler):
    """Serves ``content`` with ranges; the first answer breaks off after ``breaks_after`` bytes."""

    def __init__(self, state: dict, *args) -> None:
        self.state = state
        super().__init__(*args)

    def do_GET(self):
        content, asked = self.state["content"], self.headers.get("Range")
        self.state["asked"].append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if start >= len(content):
            return self.send_error(416)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.state.pop("breaks_after", None)])
        return None

    def log_message(self, *_args):
        pass


@pytest.fixture
def server():
    state = {"asked": []}
    service = ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, state))
    state["url"] = f"http://127.0.0.1:{service.server_port}/LJSpeech-1.1.tar.bz2"
    threading.Thread(target=service.serve_forever, args=(0.01,), daemon=True).start()
    yield state
    service.shutdown()
    service.server_close()


def test_download_from_a_file(tmp_path, monkeypatch):
    content = tiny_ljspeech(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "LJSpeech-1.1.tar.bz2").write_bytes(content)
    publish(monkeypatch, (tmp_path / "there" / "LJSpeech-1.1.tar.bz2").as_uri(), content)
    root = tmp_path / "here" / "lj"
    for _ in range(2):
        assert rows(LJSpeech(root, download=True)) == [("a", "LJ", "A")]
    assert sorted(item.name for item in root.parent.iterdir() if item.suffix != ".lock") == ["lj"]


def test_an_interrupted_download_resumes(tmp_path, monkeypatch, server):
    content = server["content"] = tiny_ljspeech(tmp_path)
    server["breaks_after"] = 100
    publish(monkeypatch, server["url"], content)
    root = tmp_path / "data" / "lj"
    message = error(LJSpeech(root, download=True))
    assert "failed after 100 bytes" in message
    assert "again" in message
    assert rows(LJSpeech(root, download=True)) == [("a", "LJ", "A")]
    assert server["asked"] == [None, "bytes=100-"]


def test_a_download_killed_before_verification_is_completed(tmp_path, monkeypatch, server):
    content = server["content"] = tiny_ljspeech(tmp_path)
    publish(monkeypatch, server["url"], content)
    (tmp_path / "LJSpeech-1.1.tar.bz2.part").write_bytes(content)
    assert rows(LJSpeech(tmp_path / "lj", download=True)) == [("a", "LJ", "A")]


def test_partial_archive_beside_the_target_is_completed(tmp_path, monkeypatch, server):
    content = server["content"] = tiny_ljspeech(tmp_path)
    publish(monkeypatch, server["url"], content)
    (tmp_path / "LJSpeech-1.1.tar.bz2").write_bytes(content[:100])
    assert rows(LJSpeech(tmp_path / "lj", download=True)) == [("a", "LJ", "A")]
    assert server["asked"] == ["bytes=100-"]


def test_forged_archive_beside_the_target_is_not_unpacked(tmp_path, monkeypatch, server):
    content = server["content"] = tiny_ljspeech(tmp_path)
    publish(monkeypatch, server["url"], content)
    forged = archive({"LJSpeech-1.1/metadata.csv": b"a|A|forged" + b" " * len(content)})
    (tmp_path / "LJSpeech-1.1.tar.bz2").write_bytes(forged + bytes(len(content)))
    assert "the download was deleted" in error(LJSpeech(tmp_path / "lj", download=True))
    assert not (tmp_path / "lj").exists()
    assert rows(LJSpeech(tmp_path / "lj", download=True)) == [("a", "LJ", "A")]


def test_a_wrong_checksum_is_refused_before_unpacking(tmp_path, monkeypatch, server):
    server["content"] = tiny_ljspeech(tmp_path)
    publish(monkeypatch, server["url"], b"another")
    root = tmp_path / "data" / "lj"
    message = error(LJSpeech(root, download=True))
    assert hashlib.sha256(server["content"]).hexdigest() in message
    assert hashlib.sha256(b"another").hexdigest() in message
    assert not [item for item in root.parent.iterdir() if item.suffix != ".lock"]


def test_a_network_failure_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(layouts, "LJSPEECH_URL", "http://127.0.0.1:9/LJSpeech-1.1.tar.bz2")
    assert "failed after 0 bytes" in error(LJSpeech(tmp_path / "lj", download=True))


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil-absolute.txt", "LJSpeech-1.1/../../evil.txt"])
def test_archives_cannot_write_outside_their_folder(tmp_path, name):
    content = archive({"LJSpeech-1.1/metadata.csv": b"a|A", name: b"evil"})
    (tmp_path / "x.tar.bz2").write_bytes(content)
    root = tmp_path / "data" / "lj"
    with pytest.raises(CorpusError, match=r"cannot be unpacked|one folder"):
        download.fetch_archive((tmp_path / "x.tar.bz2").as_uri(), hashlib.sha256(content).hexdigest(), root)
    assert not root.exists()
    assert not list(tmp_path.rglob("evil*"))
    assert not Path("/tmp/evil-absolute.txt").exists()
