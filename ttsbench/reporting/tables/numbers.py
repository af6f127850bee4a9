"""Numbers of a column as text: all with the same decimals, none with more than its interval deserves."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import replace

from ttsbench.evaluation.metric_rows import Cell


def shown(cell: Cell, scale: float) -> Cell:
    """The cell in the unit that it is shown in."""
    floor = cell.floor * scale
    return replace(cell, value=cell.value * scale, low=cell.low * scale, high=cell.high * scale, floor=floor)


def decimals(cells: Iterable[Cell]) -> int:
    """Decimals of a column: two significant digits of the median half width of its intervals.

    Without any interval, none where all values are whole, else three significant digits of the smallest.
    """
    cells = list(cells)
    halves = [(cell.high - cell.low) / 2 for cell in cells if has_interval(cell)]
    if halves:
        return digits(statistics.median(halves), 2)
    values = [abs(cell.value) for cell in cells if not math.isnan(cell.value) and cell.value]
    return 0 if all(value.is_integer() for value in values) else digits(min(values), 3)


def digits(value: float, significant: int) -> int:
    """Decimals that show so many significant digits of a positive value, at most four."""
    return max(0, min(4, significant - 1 - math.floor(math.log10(value))))


def has_interval(cell: Cell) -> bool:
    """Whether there is an interval, and it is no point."""
    return not math.isnan(cell.low) and cell.low < cell.high


def interval(cell: Cell, places: int) -> str:
    """``[low, high]``; empty where there is none."""
    return f"[{cell.low:.{places}f}, {cell.high:.{places}f}]" if has_interval(cell) else ""
