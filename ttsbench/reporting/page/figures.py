"""The figures of the page: every PNG in ``figures/`` with its caption, and notes on figures that could not be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import read_json


@dataclass(frozen=True)
class PageFigure:
    """A figure with addresses relative to the page; ``pdf`` is empty if there is no PDF."""

    caption: str
    png: str
    pdf: str
    width: int
    height: int


def figures_of(folder: Path) -> list[PageFigure]:
    """Return figures with captions in their order, then others by name."""
    here = RunLayout(folder).figures
    captions = _read(here / "captions.json")
    stems = [*captions, *sorted(path.stem for path in here.glob("*.png") if path.stem not in captions)]
    return [_figure(here, stem, captions.get(stem, "")) for stem in stems if (here / f"{stem}.png").exists()]


def figure_notes(folder: Path) -> list[str]:
    """Return the reasons why figures could not be drawn."""
    return list(_read(RunLayout(folder).figures / "notes.json").values())


def _read(path: Path) -> dict[str, str]:
    return dict(read_json(path)) if path.exists() else {}


def _figure(here: Path, stem: str, caption: str) -> PageFigure:
    pdf = f"figures/{quote(stem)}.pdf" if (here / f"{stem}.pdf").exists() else ""
    with Image.open(here / f"{stem}.png") as image:
        width, height = image.size
    words = caption or stem.replace("-", " ").replace("_", " ").capitalize()
    return PageFigure(words, f"figures/{quote(stem)}.png", pdf, width, height)
