"""A finished run as figures see it, and what they make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from ttsbench.config.schema import Experiment
from ttsbench.config.systems import COPY_SYNTHESIS, GROUND_TRUTH
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.reporting.tables import Heading, heading

FEW = 8  # systems that a legend tells apart one by one


@dataclass(frozen=True)
class Drawing:
    """A figure, what it shows in one or two sentences, and the table that it was drawn from, where that is one."""

    figure: Figure
    caption: str
    frame: pd.DataFrame | None = None


@dataclass(frozen=True)
class FinishedRun:
    """Everything a figure may be made of. ``wavs`` are the folders of clips, by system, of the first training seed."""

    folder: Path
    experiment: Experiment
    about: str  # what was measured on what, for the caption
    systems: Sequence[str]
    metrics: Mapping[str, MetricRows]
    wavs: Mapping[str, Path]

    @cached_property
    def summary(self) -> pd.DataFrame:
        """``summary.csv``."""
        return _read(self.folder / "summary.csv", ("value", "low", "high"))

    @cached_property
    def differences(self) -> pd.DataFrame:
        """``differences.csv``; without rows where there is one model."""
        return _read(self.folder / "differences.csv", ("difference", "low", "high", "p", "p_holm"))

    @property
    def models(self) -> list[str]:
        """The systems that are compared."""
        return [name for name in self.systems if name not in (GROUND_TRUTH, COPY_SYNTHESIS)]

    @property
    def shown(self) -> list[str]:
        """The systems that the experiment chose for a paper, or else all; the recordings left out."""
        chosen = self.experiment.table.systems or self.systems
        return [name for name in chosen if name != GROUND_TRUTH]

    def title(self, system: str) -> str:
        """What a system is called."""
        return self.experiment.table.titles.get(system, system)

    def heading(self, metric: str) -> Heading:
        """What a metric is called, which no other is, and the unit it is shown in."""
        titles = self.experiment.table.titles
        found = {name: heading(rows.info, titles.get(name, "")) for name, rows in self.metrics.items()}
        alike = [name for name, one in found.items() if one.title == found[metric].title]
        return replace(found[metric], title=f"{found[metric].title}, {metric}") if len(alike) > 1 else found[metric]

    def shown_summary(self, systems: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
        """Rows of the summary in the units that are shown, metric by metric: system, metric, value, low, high.

        Names are still those of the summary; what was not measured is left out.
        """
        frame = self.summary[["system", "metric", "value", "low", "high"]]
        found = frame.set_index(["metric", "system"]).reindex([(m, s) for m in metrics for s in systems]).reset_index()
        scales = found["metric"].map({name: self.heading(name).scale for name in metrics})
        for column in ("value", "low", "high"):
            found[column] = found[column].astype(float) * scales
        return found.dropna(subset="value").reset_index(drop=True)

    def asks_cost(self, metric: str) -> bool:
        """Whether a metric is about the price of speech and not about the speech."""
        return "cost" in self.metrics[metric].info.needs

    def family(self, system: str) -> str:
        """What many systems are told apart by: the objectives of their models. Who is alone in that keeps his title."""
        families = self._families
        alone = sum(one == families[system] for one in families.values()) == 1
        return self.title(system if alone or len(families) <= FEW else families[system])

    @cached_property
    def _families(self) -> dict[str, str]:
        """That of each model."""
        return {name: self.experiment.family(name) for name in self.models}


def _read(path: Path, numbers: Sequence[str]) -> pd.DataFrame:
    """A table of a report; a system may be called NA."""
    return pd.read_csv(path, keep_default_na=False, na_values={name: [""] for name in numbers})
