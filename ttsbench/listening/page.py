"""The page of a test: one HTML file that holds its style, its script and its lists, and asks nobody for anything.

It opens from a disk as well as from a server. A policy of content lets it run no script but its own, load no audio but
that beside it, and send nothing, unless an address for the answers was given.
"""

from __future__ import annotations

import base64
import hashlib
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


@dataclass(frozen=True)
class Page:
    """What listeners see: the lists of the key, and examples before them. ``texts`` are of utterances, where shown."""

    key: Key
    kind: Kind
    title: str
    training: Sequence[KeyTrial]
    volume: str  # stimulus by which the volume is set
    texts: Mapping[str, str]
    post: str

    def text(self, trial: KeyTrial) -> str:
        """What is said in a trial, where listeners are told."""
        return self.texts.get(self.key.stimuli[trial.stimuli[0]].utterance, "")


def write_page(folder: Path, page: Page) -> None:
    """``index.html``."""
    key = page.key
    environment = Environment(
        loader=PackageLoader("ttsbench.listening", "web"), autoescape=True, undefined=StrictUndefined
    )
    style, script = (Markup(_part(name)) for name in ("listen.css", "listen.js"))
    text = environment.get_template("index.html").render(
        title=page.title, kind=page.kind, data=_data(page), style=style, script=script,
        policy=_policy(style, script, page.post), checks=any(one.expected is not None for one in key.trials.values()),
    )  # fmt: skip
    write_text(folder / "index.html", text)


def _part(name: str) -> str:
    return files("ttsbench.listening").joinpath("web", name).read_text(encoding="utf-8")


def _data(page: Page) -> dict[str, Any]:
    """What the script is told; nothing of it says which system a stimulus is of."""
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
        "lists": [[_trial(id_, key.trials[id_], page) for id_ in one] for one in key.lists],
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
    """Raise ``ConfigError`` for an address that answers cannot be sent to.

    It ends up in the page's policy, where a blank or a semicolon would end it.
    """
    parts = urlsplit(address)
    if address and (parts.scheme not in ("http", "https") or not parts.netloc or set(address) & set(" ;,'\"")):
        raise ConfigError(f"--post: '{address}' is no address of a server; give one such as https://host/answers.")
