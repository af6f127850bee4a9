"""Format the numbers of a column: the same decimals for all values, and no more than the intervals justify."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import replace

from ttsbench.evaluation.estimates import MetricCell


def scaled(cell: MetricCell, scale: float) -> MetricCell:
    """Return the cell in its display unit: values, bounds and floor times ``scale``."""
    floor = cell.floor * scale
    return replace(cell, value=cell.value * scale, low=cell.low * scale, high=cell.high * scale, floor=floor)


def decimals(cells: Iterable[MetricCell]) -> int:
    """Return the number of decimals of a column: two significant digits of the median half width of its intervals.

    Without intervals, whole numbers get none, and other values three significant digits of the smallest.
    """
    cells = list(cells)
    halves = [(cell.high - cell.low) / 2 for cell in cells if has_interval(cell)]
    if halves:
        return digits(statistics.median(halves), 2)
    values = [abs(cell.value) for cell in cells if not math.isnan(cell.value) and cell.value]
    return 0 if all(value.is_integer() for value in values) else digits(min(values), 3)


def digits(value: float, significant: int) -> int:
    """Return the decimals that show ``significant`` digits of a positive value, at most four."""
    return max(0, min(4, significant - 1 - math.floor(math.log10(value))))


def has_interval(cell: MetricCell) -> bool:
    """Return whether the cell has an interval of positive width."""
    return not math.isnan(cell.low) and cell.low < cell.high


def interval(cell: MetricCell, places: int) -> str:
    """Return ``[low, high]``, or an empty string for a cell without an interval."""
    return f"[{cell.low:.{places}f}, {cell.high:.{places}f}]" if has_interval(cell) else ""
