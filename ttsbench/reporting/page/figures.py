"""The figures of the page: every PNG in ``figures/`` with its caption from ``figures/captions.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from ttsbench.engine.store import read_json


@dataclass(frozen=True)
class PageFigure:
    """A figure; addresses are relative to the page. ``pdf`` is empty where there is none."""

    caption: str
    png: str
    pdf: str
    width: int
    height: int


def figures_of(folder: Path) -> list[PageFigure]:
    """Those with captions in their order, then what else is there by name."""
    here = folder / "figures"
    captions: dict[str, str] = read_json(here / "captions.json") if (here / "captions.json").exists() else {}
    stems = [*captions, *sorted(path.stem for path in here.glob("*.png") if path.stem not in captions)]
    return [_figure(here, stem, captions.get(stem, "")) for stem in stems if (here / f"{stem}.png").exists()]


def _figure(here: Path, stem: str, caption: str) -> PageFigure:
    pdf = f"figures/{quote(stem)}.pdf" if (here / f"{stem}.pdf").exists() else ""
    with Image.open(here / f"{stem}.png") as image:
        width, height = image.size
    words = caption or stem.replace("-", " ").replace("_", " ").capitalize()
    return PageFigure(words, f"figures/{quote(stem)}.png", pdf, width, height)
