"""``index.html``: what a run's folder holds, put together from its files alone, so that a copy of it has one too.

Text and data come from corpora and recognisers: the templates escape everything, and a policy forbids the page
whatever it was not written with, the network first of all.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ttsbench.engine.store import write_text
from ttsbench.errors import TtsbenchError
from ttsbench.reporting.archive import result_files
from ttsbench.reporting.page.blind import blind_trials
from ttsbench.reporting.page.claims import judged_claims
from ttsbench.reporting.page.facts import provenance_of, sentence
from ttsbench.reporting.page.figures import figures_of
from ttsbench.reporting.page.listening import listening_of
from ttsbench.reporting.page.table import read_table

PAGE = "index.html"
SCRIPTS = ("table.js", "listening.js", "blind.js")
STYLE = "page.css"


def write_page(folder: Path, listen: Sequence[str] = ()) -> None:
    """Write ``index.html`` into a run's folder; ``listen`` names the utterances to hear, a spread choice where empty.

    Raises ``TtsbenchError`` for a folder without ``summary.csv``, and for an utterance that the run does not have.
    """
    if not (folder / "summary.csv").exists():
        raise TtsbenchError(f"{folder} has no summary.csv, so there is nothing to show; finish its compare first.")
    table = read_table(folder)
    listening = listening_of(folder, table.systems, listen)
    provenance = provenance_of(folder)
    scripts = [_static(name) for name in SCRIPTS]
    environment = Environment(
        loader=PackageLoader("ttsbench.reporting.page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"code": _code, "breakable": _breakable}
    text = environment.get_template("index.html.jinja").render(
        table=table,
        sentence=sentence(folder, table, provenance),
        claims=judged_claims(folder),
        figures=figures_of(folder),
        listening=listening,
        blind=blind_trials(folder, table, listening) if listening else None,
        provenance=provenance,
        files=result_files(folder),
        style=_static(STYLE),
        scripts=scripts,
        policy=_policy(scripts),
    )
    write_text(folder / PAGE, text)


def _policy(scripts: Sequence[str]) -> str:
    """Own scripts by their hash, pictures and sounds from beside the page, and nothing else."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    return (  # a page that was opened from disk is of no origin, so that 'self' alone would leave out its files
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src 'self' file: data:; "
        "media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )


def _code(note: str) -> Markup:
    """A note of the table, escaped, with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(note))))


def _breakable(name: str) -> Markup:
    """The name of a system, escaped, that may go on in the next line after a plus or an underscore."""
    return Markup(re.sub(r"([+_])", r"\1<wbr>", str(escape(name))))


def _static(name: str) -> str:
    return (files("ttsbench.reporting.page") / "static" / name).read_text(encoding="utf-8")
