"""A headless Chromium that tests drive through its DevTools protocol, over a pipe: no port, no driver, no package."""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 60
NAMES = ("chromium", "chromium-browser", "google-chrome")


class Page:
    """An open page."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._numbers, self._rest = to, back, itertools.count(1), b""
        self._loaded = False
        self.errors: list[str] = []  # messages of the console
        self.dialogs: list[str] = []  # kinds of the dialogs that were opened; each was accepted
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command of the protocol and return its result."""
        return self._call(method, parameters, self._session)

    def open(self, path: Path) -> None:
        """Load a file and wait for the load event."""
        self._loaded = False
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not self._loaded:
            self._note(self._next())

    def run(self, script: str) -> Any:
        """Evaluate an expression as a user gesture; raises ``AssertionError`` with the exception that it throws."""
        result = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in result:
            raise AssertionError(result["exceptionDetails"]["exception"].get("description", result))
        return result["result"].get("value")

    def wait(self, script: str, seconds: float = PATIENCE_S) -> None:
        """Wait until an expression is true."""
        until = time.monotonic() + seconds
        while not self.run(f"Boolean({script})"):
            assert time.monotonic() < until, f"never came true: {script}"
            time.sleep(0.05)

    def size(self, width: int, height: int, dark: bool = False) -> None:
        """Set the size of the window in pixels, and the preferred colour scheme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path) -> None:
        """Write a screenshot as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _call(self, method: str, parameters: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        number = self._send(method, parameters, session)
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        """Record an event."""
        method, values = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(values["type"])
            self._send("Page.handleJavaScriptDialog", {"accept": True}, self._session)
        elif method == "Runtime.exceptionThrown":
            details = values["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.errors.append(values["entry"]["text"])

    def _send(self, method: str, parameters: dict[str, Any], session: str | None) -> int:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        os.write(self._to, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        return number

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._back], [], [], PATIENCE_S)[0], f"Chromium did not answer within {PATIENCE_S} s"
            data = os.read(self._back, 1 << 20)
            assert data, "Chromium has exited"
            self._rest += data
        line, self._rest = self._rest.split(b"\0", 1)
        return json.loads(line)


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A page in a new browser; skips the test if no browser is installed."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"needs a browser: install one of {', '.join(NAMES)}")
    their_in, to = os.pipe()
    back, their_out = os.pipe()
    # The protocol uses the file descriptors 3 and 4.
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$0" "$@" 3<&{their_in} 4>&{their_out}', program, "--headless=new", "--no-sandbox",
         "--disable-gpu", "--mute-audio", "--remote-debugging-pipe", "--no-first-run", f"--user-data-dir={profile}"],
        pass_fds=(their_in, their_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(their_in)
    os.close(their_out)
    try:
        yield Page(to, back)
    finally:
        os.close(to)
        os.close(back)
        process.terminate()
        process.wait(timeout=20)
