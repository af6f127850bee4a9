"""Options that all drawing functions share: width, columns, font size, and a choice of systems and metrics."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttsbench.errors import ConfigError
from ttsbench.registry import did_you_mean
from ttsbench.reporting.figures.style import COLUMN_INCHES, FONT_SIZE, PAGE_INCHES, style

PANELS = 8  # maximum number of panels of a figure
PANEL_INCHES = 1.15  # smallest width of the plotting area of a panel
NARROW_PANEL_INCHES = 0.9  # the same in a figure of a column's width with names on the left
NARROW_INCHES = 5.0
MOST_INCHES = 9.0  # height of a page


class DrawFunction(Protocol):
    """Draws a figure from its data frame. ``width`` is in inches, ``font_size`` in pt, ``columns`` are panels per row.

    ``systems`` and ``metrics`` select rows of the frame by the titles (or names) in it, in the given order. Without
    them the figure shows the selection of the experiment. Raises ``ConfigError`` for an unknown title.
    """

    def __call__(
        self,
        frame: pd.DataFrame,
        *,
        width: float | None = None,
        columns: int | None = None,
        font_size: float = FONT_SIZE,
        systems: Sequence[str] | None = None,
        metrics: Sequence[str] | None = None,
    ) -> Figure:
        """Return the figure."""
        ...


@dataclass(frozen=True)
class Layout:
    """The requested width (inches) and panels per row; None for the default of the figure."""

    width: float | None = None
    columns: int | None = None
    font_size: float = FONT_SIZE

    def grid(
        self, count: int, height: float, more: float = 0.3, names: Sequence[str] = (), most: int = 4
    ) -> tuple[Figure, list[Axes]]:
        """Return a figure with ``count`` panels of ``height`` inches, and ``more`` inches for titles and legends.

        A figure is never higher than a page: panels that do not fit are left out, from the last one on.

        ``names`` are tick labels on the left, which reduce the room for panels. One panel defaults to the width of a
        column, several to that of a page, with at most ``most`` side by side.
        """
        width = self.width or (PAGE_INCHES if count > 1 else COLUMN_INCHES)
        scale = self.font_size / FONT_SIZE
        left = max(map(len, names), default=0) * 0.068 * scale + 0.25
        narrow = bool(names) and width < NARROW_INCHES
        panel = NARROW_PANEL_INCHES if narrow else PANEL_INCHES
        columns = self.columns or max(1, min(most, count, int((width - left) / (panel * scale))))
        fitting = max(1, int((MOST_INCHES / scale - more) / height))
        count = min(count, columns * fitting)
        rows = -(-count // columns)
        figure = Figure(figsize=(width, (height * rows + more) * scale), layout="constrained")
        panels = list(figure.subplots(rows, columns, squeeze=False).flat)
        for unused in panels[count:]:
            unused.set_visible(False)
        return figure, panels[:count]


def drawing(empty: str) -> Callable[[Callable[[pd.DataFrame, Layout], Figure]], DrawFunction]:
    """Make a ``DrawFunction`` of a function of the selected rows; ``empty`` is the sentence for no rows."""

    def decorate(draw: Callable[[pd.DataFrame, Layout], Figure]) -> DrawFunction:
        @functools.wraps(draw)
        def inner(
            frame: pd.DataFrame,
            *,
            width: float | None = None,
            columns: int | None = None,
            font_size: float = FONT_SIZE,
            systems: Sequence[str] | None = None,
            metrics: Sequence[str] | None = None,
        ) -> Figure:
            with style(font_size):
                rows = select(frame, systems, metrics)
                layout = Layout(width, columns, font_size)
                return draw(rows, layout) if len(rows) else sentence(empty, layout)

        return inner

    return decorate


def select(frame: pd.DataFrame, systems: Sequence[str] | None, metrics: Sequence[str] | None) -> pd.DataFrame:
    """Return the rows of these systems and metrics, in their order; the rows marked ``selected`` by default.

    A frame without marks, which an earlier version wrote, shows its first metrics.
    """
    if frame.empty:
        return frame
    if "selected" in frame:
        chosen = frame[frame["selected"].astype(bool)]
    else:
        chosen = frame[frame["metric"].isin(frame["metric"].unique()[:PANELS])] if "metric" in frame else frame
    if systems is None and metrics is None:
        return chosen.reset_index(drop=True)
    rows = frame
    for kind, columns, names in (
        ("system", ("system",), systems),
        ("metric", ("metric", "name"), metrics),
    ):
        present = [column for column in columns if column in frame]
        if names is not None:
            rows = _matching(rows, kind, present, names)
        elif present:
            rows = rows[rows[present[0]].isin(chosen[present[0]])]
    return rows.reset_index(drop=True)


def _matching(rows: pd.DataFrame, kind: str, columns: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    known = [str(value) for column in columns for value in dict.fromkeys(rows[column])]
    parts = []
    for name in names:
        found = rows[(rows[list(columns)] == name).any(axis=1)] if columns else rows[:0]
        if found.empty:
            raise ConfigError(f"The figure has no {kind} '{name}'. {did_you_mean(name, known)}")
        parts.append(found)
    return pd.concat(parts).loc[lambda table: ~table.index.duplicated()]


def label_first_column(panels: Sequence[Axes]) -> None:
    """Show the tick labels on the left for the first panel of every row only."""
    for axes in panels:
        place = axes.get_subplotspec()
        axes.tick_params(labelleft=place is None or place.is_first_col())


def sentence(text: str, layout: Layout) -> Figure:
    """Return a figure that holds one sentence, for a selection without data."""
    figure = Figure(figsize=(layout.width or COLUMN_INCHES, 0.6), layout="constrained")
    figure.text(0.5, 0.5, textwrap.fill(text, int(14 * figure.get_figwidth())), ha="center", va="center")
    return figure
