"""The look of all figures: for a column (3.3 in) or a page (6.9 in) of a paper, in colours safe for all readers.

The colours are those of M. Okabe and K. Ito, "Color universal design", 2008, without yellow, which is hard to see on
white paper. No letter is smaller than 7 pt by default, and PDFs embed their fonts as TrueType. Matplotlib settings that
the user has changed take precedence over those here.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator
from PIL import Image

from ttsbench.engine.store import write_bytes

COLUMN_INCHES = 3.3
PAGE_INCHES = 6.9
FONT_SIZE = 8.0
DPI = 160  # of the PNG, for a page on a screen
GREY = "#777777"  # references
LIGHT = "#DDDDDD"
ACCENT = "#0072B2"  # marks that do not identify a system
STYLE: dict[str, Any] = {
    "figure.dpi": DPI,  # the width of letters depends on the resolution, so the layout uses that of the file
    "font.family": ["DejaVu Sans"],
    "axes.titlepad": 3.0,
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
    "text.parse_math": False,  # dollar signs in names are no formulas
}
P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def style(font_size: float = FONT_SIZE) -> Iterator[None]:
    """Apply the style to all figures drawn inside; ``font_size`` (pt) is for titles, tick labels are 1 pt smaller."""
    sizes = {
        "font.size": font_size,
        **dict.fromkeys(("axes.titlesize", "axes.labelsize", "figure.titlesize", "figure.labelsize"), font_size),
        **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), font_size - 1),
    }
    current: Any = mpl.rcParams
    default: Any = mpl.rcParamsDefault
    settings: dict[Any, Any] = {
        name: value for name, value in {**STYLE, **sizes}.items() if current[name] == default[name]
    }
    with mpl.rc_context(settings):
        yield


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function so that it draws in the style of all figures."""

    @wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with style():
            return draw(*args, **kwargs)

    return inner


def small() -> Any:
    """Return the size of the smallest letters."""
    return mpl.rcParams["xtick.labelsize"]


def panel_title(axes: Axes, text: str, letters: int = 25) -> None:
    """Set the title of a panel in lines of at most ``letters`` letters."""
    lines = text.replace("→ ", "→\u00a0").replace("ideal ", "ideal\u00a0").split("\n")
    lines = [re.sub(r"\([^()]*\)", lambda unit: unit[0].replace(" ", "\u00a0"), line) for line in lines]
    wrapped = "\n".join(textwrap.fill(line, letters, break_on_hyphens=False) for line in lines)
    axes.set_title(wrapped, loc="left", fontsize=small())


def near(axes: Axes, low: float, high: float, lines: Iterable[float]) -> None:
    """Set vertical limits that hold the range from ``low`` to ``high`` and the reference lines near it.

    A distant reference line would compress the range of interest.
    """
    reach = high - low
    inside = [line for line in lines if low - reach <= line <= high + reach]
    bottom, top = min([low, *inside]), max([high, *inside])
    margin = 0.07 * (top - bottom) or 0.1
    axes.set_ylim(bottom - margin, top + margin)


def few_numbers(axes: Axes, letters: int = 16) -> None:
    """Reduce the numbers of the horizontal axis until their ``letters`` fit side by side."""
    for count in (4, 3, 2):
        axes.locator_params(axis="x", nbins=count)
        low, high = axes.get_xlim()
        shown = [place for place in axes.get_xticks() if low <= place <= high]
        if sum(map(len, axes.xaxis.get_major_formatter().format_ticks(shown))) <= letters:
            return


def log_axis(axes: Axes) -> None:
    """Make the horizontal axis logarithmic with a few plain numbers."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    subs = (1.0,) if high / low > 200 else (1.0, 3.0) if high / low > 10 else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def log_ticks_at(axes: Axes, values: Iterable[float], apart: float = 0.16) -> None:
    """Make the horizontal axis logarithmic with numbers at ``values``, except those nearer than a share ``apart``."""
    axes.set_xscale("log")
    places = sorted(set(values))
    reach = math.log(places[-1] / places[0]) or 1.0
    shown = places[:1]
    for place in places[1:]:
        if math.log(place / shown[-1]) >= apart * reach:
            shown.append(place)
    axes.set_xticks(shown, [f"{place:g}" for place in shown])
    axes.xaxis.set_minor_locator(NullLocator())


def legend_above(figure: Figure, handles: Sequence[Artist]) -> None:
    """Add a legend above all panels with as many columns as fit, and increase the height of the figure for it."""
    if not handles:
        return
    columns, inches = legend_size([str(handle.get_label()) for handle in handles], figure.get_figwidth())
    figure.set_figheight(figure.get_figheight() + inches)
    figure.legend(
        handles=list(handles), loc="outside upper center", ncols=columns, handletextpad=0.4, columnspacing=1.2
    )


def legend_size(labels: Sequence[str], width: float) -> tuple[int, float]:
    """Return the number of columns of a legend in ``width`` inches, and its height in inches."""
    size = float(mpl.rcParams["legend.fontsize"]) / 72
    fitting = (count for count in range(len(labels), 1, -1) if size * _legend_ems(labels, count) <= width)
    columns = next(fitting, 1)
    return columns, 1.55 * size * -(-len(labels) // columns) + 0.05


def _legend_ems(labels: Sequence[str], columns: int) -> float:
    """Return the width of a legend in em: matplotlib fills columns from the left, the first ones with one more row."""
    rows, longer = divmod(len(labels), columns)
    ends = [(column + 1) * rows + min(column + 1, longer) for column in range(columns)]
    parts = [labels[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return sum(0.58 * max(map(len, part)) + 3.6 for part in parts)


def panel_handles(panels: Sequence[Axes]) -> list[Artist]:
    """Return the labelled artists of all panels, each label once."""
    handles: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    return list(handles.values())


def _lay_out(figure: Figure) -> None:
    """Compute the layout once: otherwise every ``savefig`` computes it again, which takes longer than drawing."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def save_figure(figure: Figure, path: Path | str, formats: Iterable[str] = ("pdf", "png")) -> list[Path]:
    """Write ``path`` with .pdf and .png (256 colours) or other ``formats``; returns the files.

    Every file appears whole or not at all, and drawing the same figure twice gives the same bytes.
    """
    written = []
    with style():
        _lay_out(figure)
        for kind in formats:
            buffer = io.BytesIO()
            metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
            figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
            target = Path(path).with_name(f"{Path(path).name.removesuffix(f'.{kind}')}.{kind}")
            write_bytes(target, _reduced(buffer) if kind == "png" else buffer.getvalue())
            written.append(target)
    return written


def _reduced(png: io.BytesIO) -> bytes:
    """Return the image with a palette of 256 colours."""
    buffer = io.BytesIO()
    Image.open(png).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
    return buffer.getvalue()
