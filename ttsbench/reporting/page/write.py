"""Write ``index.html`` from the files of a run's folder alone, so that it can be written for copies of a run too.

Text and data come from corpora and recognisers. The templates therefore escape everything, and a content security
policy forbids network access and all scripts but the page's own.
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

from ttsbench.audio.pitch import F0_MAX, F0_MIN
from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import write_text
from ttsbench.errors import TtsbenchError
from ttsbench.reporting.archive import result_files
from ttsbench.reporting.page.blind import blind_trials
from ttsbench.reporting.page.claims import judged_claims
from ttsbench.reporting.page.facts import provenance_of, sentence
from ttsbench.reporting.page.figures import figure_notes, figures_of
from ttsbench.reporting.page.listening import Listening, listening_of
from ttsbench.reporting.page.table import read_table

PAGE = "index.html"
SCRIPTS = ("table.js", "listening.js", "blind.js")
STYLE = "page.css"
BANNER = '<p class="banner" role="status">This run is being computed again. The page shows the previous results.</p>'


def write_page(folder: Path, listen: Sequence[str] = ()) -> None:
    """Write ``index.html`` into a run's folder; ``listen`` names the utterances to play, by default a few per speaker.

    Raises ``TtsbenchError`` for a folder without ``summary.csv``, and for an unknown utterance.
    """
    text, _ = render_page(folder, listen)
    write_text(folder / PAGE, text)


def render_page(folder: Path, listen: Sequence[str] = (), packed: bool = False) -> tuple[str, Listening | None]:
    """Return the HTML of the page and its clips; a ``packed`` page plays only the clips that it shows."""
    if not RunLayout(folder).summary.exists():
        raise TtsbenchError(f"{folder} has no summary.csv. Finish its compare command first.")
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
        figure_notes=figure_notes(folder),
        listening=listening,
        blind=blind_trials(folder, table, listening, packed) if listening else None,
        provenance=provenance,
        files=[name for name in result_files(folder) if not (packed and name == "rows.parquet")],
        f0_range=f"{F0_MIN:g} to {F0_MAX:g}",
        style=_static(STYLE),
        scripts=scripts,
        policy=_policy(scripts),
    )
    return text, listening


def mark_outdated(folder: Path) -> None:
    """Add a banner to the page of a run that is computed again; ``write_page`` replaces the page at the end."""
    path = folder / PAGE
    if path.exists():
        text = path.read_text(encoding="utf-8")
        if BANNER not in text:
            write_text(path, text.replace("<main>", f"{BANNER}\n<main>", 1))


def _policy(scripts: Sequence[str]) -> str:
    """Allow the page's own scripts by hash, images and audio beside the page, and nothing else."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (  # a page opened from disk has no origin, so 'self' alone would block its files
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src 'self' file: data:; "
        "media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )


def _code(note: str) -> Markup:
    """Escape a note and turn text between backticks into code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(note))))


def _breakable(name: str) -> Markup:
    """Escape the name of a system and allow line breaks after a plus or an underscore."""
    return Markup(re.sub(r"([+_])", r"\1<wbr>", str(escape(name))))


def _static(name: str) -> str:
    return (files("ttsbench.reporting.page") / "static" / name).read_text(encoding="utf-8")
