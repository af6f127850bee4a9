"""How every figure looks: for a column (3.3 in) or a page (7 in) of a paper, in colours that all readers tell apart.

The colours are those of M. Okabe and K. Ito, "Color universal design", 2008, without the yellow that white paper
swallows. No letter is smaller than 7 pt, and PDFs embed their fonts as TrueType.
"""

from __future__ import annotations

import functools
import io
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image

from ttsbench.engine.store import write_bytes

COLUMN_INCHES = 3.3
PAGE_INCHES = 7.0
DPI = 160  # of the PNG: what a page on a screen shows, at a tenth of what a spectrogram could take
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
GREY = "#777777"  # what is compared with
LIGHT = "#DDDDDD"
STYLE: dict[Any, Any] = {
    "figure.dpi": DPI,  # letters are not as wide at every resolution: laid out as it is saved
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlepad": 3,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "figure.titlesize": 8,
    "legend.frameon": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a name or a sentence with dollars in it is no formula
}
P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def style() -> Iterator[None]:
    """Everything that is drawn inside looks like this."""
    with mpl.rc_context(STYLE):
        yield


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """A function that draws in the style of all figures."""

    @functools.wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with style():
            return draw(*args, **kwargs)

    return inner


def colour(number: int) -> str:
    """The colour of the n-th system or family; they come again after seven, with another marker."""
    return COLOURS[number % len(COLOURS)]


def marker(number: int) -> str:
    """The marker of the n-th system or family."""
    return MARKERS[number % len(MARKERS)]


def grid(count: int, columns: int, height: float, more: float = 0.5) -> tuple[Figure, list[Axes]]:
    """``count`` panels of ``height`` inches, so many side by side, with ``more`` inches for legends.

    One panel is as wide as a column, several are as wide as a page.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(PAGE_INCHES if columns > 1 else COLUMN_INCHES, height * rows + more), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in panels[count:]:
        unused.set_visible(False)
    return figure, panels[:count]


def panel_title(axes: Axes, text: str, letters: int = 25) -> None:
    """A title in lines of so many letters: as wide as one of four panels."""
    lines = text.replace("→ ", "→\u00a0").split("\n")
    wrapped = "\n".join(textwrap.fill(line, letters, break_on_hyphens=False) for line in lines)
    axes.set_title(wrapped, loc="left", fontsize=7)


def near(axes: Axes, low: float, high: float, lines: Iterable[float]) -> None:
    """Vertical limits that hold what lies from ``low`` to ``high``, and those lines across that are not far from it.

    A reference far away would press together what the panel is about.
    """
    reach = high - low
    there = [line for line in lines if low - reach <= line <= high + reach]
    bottom, top = min([low, *there]), max([high, *there])
    margin = 0.07 * (top - bottom) or 0.1
    axes.set_ylim(bottom - margin, top + margin)


def few_numbers(axes: Axes, letters: int = 16) -> None:
    """As many numbers at a horizontal axis as have room beside one another in a panel of so many letters."""
    for count in (4, 3, 2):
        axes.locator_params(axis="x", nbins=count)
        low, high = axes.get_xlim()
        shown = [place for place in axes.get_xticks() if low <= place <= high]
        if sum(map(len, axes.xaxis.get_major_formatter().format_ticks(shown))) <= letters:
            return


def log_axis(axes: Axes) -> None:
    """A logarithmic horizontal axis with a few plain numbers at it."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    wide = high / low > 20
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def legend_above(figure: Figure, panels: list[Axes], columns: int = 4) -> None:
    """One legend of all that the panels hold, each name once."""
    found: dict[str, Artist] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        for handle, label in zip(handles, labels, strict=True):
            found.setdefault(label, handle)
    if found:
        figure.legend(list(found.values()), list(found), loc="outside upper center", ncols=min(columns, len(found)))


def _lay_out(figure: Figure) -> None:
    """Place everything once and for all: each saving would do it twice, and that takes longer than drawing."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def save_figure(figure: Figure, path: Path) -> None:
    """``path`` with .png, in 256 colours, and .pdf, each whole or not at all, and the same whenever it is drawn."""
    with style():
        _lay_out(figure)
        printed, seen, small = io.BytesIO(), io.BytesIO(), io.BytesIO()
        figure.savefig(printed, format="pdf", metadata={"CreationDate": None})
        figure.savefig(seen, format="png", dpi=DPI)
    Image.open(seen).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    write_bytes(path.with_suffix(".pdf"), printed.getvalue())
    write_bytes(path.with_suffix(".png"), small.getvalue())
