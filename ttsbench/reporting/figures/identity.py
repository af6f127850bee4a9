"""Colour and marker of every system: one per objective in all figures, hollow for systems that predict prosody.

Seven colours and nine markers give 63 different pairs, and the pair of an objective never repeats within a figure. The
objectives of this project have fixed pairs, so that figures of different experiments agree; others take the pairs after
those, in the order of the table. References are grey.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.lines import Line2D

from ttsbench.config.systems import REFERENCES

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
OBJECTIVES = (
    "l1", "l2", "flow", "diffusion", "flow_matching", "sled", "dmd", "nce_ebm", "ssm_ebm", "delta_ebm", "ssm_delta_ebm",
    "mean_flow", "mdn", "vae", "gan", "sled_text", "dmd_text",
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """The colour, marker and fill of a system."""

    colour: str
    marker: str
    hollow: bool

    @property
    def face(self) -> str:
        """The fill of the marker."""
        return "white" if self.hollow else self.colour

    @property
    def points(self) -> dict[str, Any]:
        """Keyword arguments of ``plot`` and ``errorbar``."""
        return {"color": self.colour, "marker": self.marker, "markerfacecolor": self.face, "markeredgewidth": 0.8}


def looks(frame: pd.DataFrame) -> dict[str, Look]:
    """Return the look of every system of a frame.

    Uses the columns system, objective and end_to_end; without the latter two every system is its own objective.
    """
    objectives = frame["objective"] if "objective" in frame else frame["system"]
    hollow = frame["end_to_end"].astype(bool) if "end_to_end" in frame else pd.Series(False, index=frame.index)
    places = _places(dict.fromkeys(objectives.astype(str)))
    rows = zip(frame["system"], objectives.astype(str), hollow, strict=True)
    return {str(system): _look(objective, places[objective], end_to_end) for system, objective, end_to_end in rows}


def key(frame: pd.DataFrame) -> list[Line2D]:
    """Return the legend of a frame: a filled mark per objective, and a hollow one for predicted prosody."""
    own = looks(frame)
    labels = frame["family"] if "family" in frame else frame["system"]
    entries: dict[tuple[str, str], str] = {}
    for system, label in sorted(zip(frame["system"], labels, strict=True), key=lambda pair: own[str(pair[0])].hollow):
        look = own[str(system)]
        entries.setdefault((look.colour, look.marker), str(label))
    order = {str(label): number for number, label in enumerate(dict.fromkeys(labels))}
    shown = sorted(entries.items(), key=lambda entry: order[entry[1]])
    handles = [Line2D([], [], linestyle="none", **Look(*pair, False).points, label=label) for pair, label in shown]
    if any(look.hollow for look in own.values()):
        hollow = Look("#444444", "o", True)
        handles.append(Line2D([], [], linestyle="none", **hollow.points, label="hollow: predicted prosody"))
    return handles


def _places(objectives: Iterable[str]) -> dict[str, int]:
    """Give every objective its fixed place, or the next place after the fixed ones."""
    names = list(objectives)
    others = [name for name in names if name not in OBJECTIVES]
    return {
        name: OBJECTIVES.index(name) if name in OBJECTIVES else len(OBJECTIVES) + others.index(name) for name in names
    }


def _look(objective: str, place: int, hollow: bool) -> Look:
    if objective in REFERENCES:
        return Look("#777777", "*", False)
    return Look(COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)], bool(hollow))
