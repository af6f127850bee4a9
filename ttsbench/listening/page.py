"""Write the page of a test: one HTML file with its style, script and lists, and without external resources.

It works from disk and from a server. A content security policy allows only its own script, the audio beside it, and no
requests except to the given address for answers.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ttsbench.engine.store import write_text
from ttsbench.errors import ConfigError
from ttsbench.listening.key import Key, KeyTrial
from ttsbench.listening.kinds import Kind

# A host by name, IPv4 or IPv6, a port, and a path of the characters that RFC 3986 allows; no wildcard of the policy.
_ADDRESS = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?][A-Za-z0-9._~:/?#@!$&()+=%-]*)?")


@dataclass(frozen=True)
class Page:
    """The content of the page; ``texts`` maps utterances to the texts that are shown."""

    key: Key
    kind: Kind
    title: str
    training: Sequence[KeyTrial]
    volume: str  # stimulus for setting the volume
    texts: Mapping[str, str]
    post: str

    def text(self, trial: KeyTrial) -> str:
        """Return the displayed text of a trial; empty if texts are hidden."""
        return self.texts.get(self.key.stimuli[trial.stimuli[0]].utterance, "")


def write_page(folder: Path, page: Page) -> None:
    """Write ``index.html``."""
    key = page.key
    environment = Environment(
        loader=PackageLoader("ttsbench.listening", "web"), autoescape=True, undefined=StrictUndefined
    )
    style, script = (Markup(_part(name)) for name in ("listen.css", "listen.js"))
    text = environment.get_template("index.html").render(
        title=page.title, kind=page.kind, data=_data(page), style=style, script=script,
        policy=_policy(style, script, page.post),
        checks=any(trial.expected is not None for trial in key.trials.values()),
    )  # fmt: skip
    write_text(folder / "index.html", text)


def _part(name: str) -> str:
    return files("ttsbench.listening").joinpath("web", name).read_text(encoding="utf-8")


def _data(page: Page) -> dict[str, Any]:
    """Return the data of the script, which does not reveal the systems."""
    key, kind = page.key, page.kind
    return {
        "testId": key.test_id,
        "arrangement": kind.arrangement,
        "question": kind.question,
        "low": kind.low,
        "high": kind.high,
        "labels": [[rating, label] for rating, label in kind.labels.items()],
        "volume": page.volume,
        "training": [_trial(f"training-{number}", trial, page) for number, trial in enumerate(page.training)],
        "lists": [[_trial(id_, key.trials[id_], page) for id_ in trials] for trials in key.lists],
        "post": page.post,
    }


def _trial(id_: str, trial: KeyTrial, page: Page) -> dict[str, Any]:
    return {"id": id_, "stimuli": trial.stimuli, "reference": trial.reference, "text": page.text(trial)}


def _policy(style: str, script: str, post: str) -> str:
    sources = {
        "default-src": "'none'",
        "style-src": _digest(style),
        "script-src": _digest(script),
        "media-src": "'self' file:",
        "connect-src": "{0.scheme}://{0.netloc}".format(urlsplit(post)) if post else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{directive} {source}" for directive, source in sources.items())


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def check_address(address: str) -> None:
    """Raise ``ConfigError`` for an invalid address; an empty one sends nothing.

    The address becomes part of the page's security policy, where a blank or a semicolon would end it.
    """
    if address and not _is_server(address):
        raise ConfigError(f"--post: '{address}' is not the address of a server. Give one such as https://host/answers.")


def _is_server(address: str) -> bool:
    """Return whether an address is HTTP with a host, a valid port and no name of a user."""
    if not _ADDRESS.fullmatch(address):
        return False
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:  # a port above 65535, or brackets without an IPv6 address
        return False
