"""A finished run as figures read it, and the drawing that a figure returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from ttsbench import registry
from ttsbench.config.schema import ORACLE, TEXT, Experiment, pair
from ttsbench.config.systems import REFERENCES
from ttsbench.engine.layout import RunLayout
from ttsbench.errors import ConfigError
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.reporting.figures.layout import PANELS
from ttsbench.reporting.tables import Heading, heading

OBJECTIVES = 3  # with fewer objectives, the labels of their models have looks of their own


@dataclass(frozen=True)
class Drawing:
    """A figure, its caption in one to three sentences, and the data frame that it was drawn from, or None.

    The frame is written as CSV, or as Parquet if it is ``dense``: too large to read, or with lists in its cells.
    """

    figure: Figure
    caption: str
    frame: pd.DataFrame | None = None
    dense: bool = False


@dataclass(frozen=True)
class FinishedRun:
    """Everything that figures are drawn from.

    ``about`` describes the test for captions. ``wavs`` maps systems to the folders of their clips, of the first seed.
    """

    folder: Path
    experiment: Experiment
    about: str
    systems: Sequence[str]
    metrics: Mapping[str, MetricRows]
    wavs: Mapping[str, Path]

    @cached_property
    def summary(self) -> pd.DataFrame:
        """``summary.csv``."""
        return _read(RunLayout(self.folder).summary, ("value", "low", "high"))

    @cached_property
    def differences(self) -> pd.DataFrame:
        """``differences.csv``; without rows for a single model."""
        return _read(self.folder / "differences.csv", ("difference", "low", "high", "p", "p_holm"))

    @property
    def models(self) -> list[str]:
        """The systems that are compared."""
        return [name for name in self.systems if name not in REFERENCES]

    @property
    def shown(self) -> list[str]:
        """The systems that the experiment selects for a paper, or else all, without the recordings."""
        return [name for name in self.experiment.table.systems or self.systems if name != REFERENCES[0]]

    def title(self, system: str) -> str:
        """Return the displayed title of a system."""
        return self.experiment.table.titles.get(system, system)

    def heading(self, metric: str) -> Heading:
        """Return the heading of a metric, which no other metric shares."""
        titles = self.experiment.table.titles
        headings = {name: heading(rows.info, titles.get(name, "")) for name, rows in self.metrics.items()}
        own = headings[metric]
        shared = sum(other.title == own.title for other in headings.values()) > 1
        return replace(own, title=f"{own.title}, {metric}") if shared else own

    def selected_metrics(self, names: Sequence[str]) -> list[str]:
        """Return those of ``names`` that the experiment selects, or else the first, at most one per panel."""
        chosen = [name for name in self.experiment.table.metrics if name in names]
        return (chosen or list(names))[:PANELS]

    def shown_summary(self, systems: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
        """Return rows of the summary in display units, metric by metric: system, metric, value, low, high.

        Systems and metrics keep their names; rows without a value are left out.
        """
        frame = self.summary[["system", "metric", "value", "low", "high"]]
        rows = frame.set_index(["metric", "system"]).reindex([(m, s) for m in metrics for s in systems]).reset_index()
        scales = rows["metric"].map({name: self.heading(name).scale for name in metrics})
        for column in ("value", "low", "high"):
            rows[column] = rows[column].astype(float) * scales.astype(float)
        return rows.dropna(subset="value").reset_index(drop=True)

    def identified(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Replace names in the column system by titles, and add system_name, objective, end_to_end and family."""
        names = rows["system"]
        return rows.assign(
            system=[self.title(name) for name in names],
            system_name=list(names),
            objective=[self.objective(name) for name in names],
            end_to_end=[self.end_to_end(name) for name in names],
            family=[self.family(name) for name in names],
        )

    def asks_cost(self, metric: str) -> bool:
        """Return whether a metric measures cost instead of speech."""
        return "cost" in self.metrics[metric].info.needs

    def objective(self, system: str) -> str:
        """Return the key by which a system gets its look: the adapter of the models that the experiment compares.

        That is the acoustic model's, or the prosody model's if those vary more. In an experiment with few adapters it
        is the label of the model instead.
        """
        if system not in self._places:
            return system
        adapters = self.experiment.adapters
        label = (*pair(system), "")[self._place]
        if len({adapters[name].adapter for name in self._labels[self._place]}) < OBJECTIVES or label not in adapters:
            return label or system
        return adapters[label].adapter

    def end_to_end(self, system: str) -> bool:
        """Return whether the prosody of a system is predicted, in an experiment that compares acoustic models."""
        prosody = pair(system)[1]
        return self._place == 0 and bool(prosody) and prosody not in (ORACLE, TEXT)

    def family(self, system: str) -> str:
        """Return the label of all systems with one look: the title of a system, family or objective."""
        key = (self.objective(system), self.end_to_end(system))
        alone = sum((self.objective(name), self.end_to_end(name)) == key for name in self.systems) == 1
        if alone:
            return self.title(system)
        family = self.experiment.family(system)
        if family in self.experiment.table.titles:
            return self.title(family)
        return f"{objective_title(key[0])}{', end to end' if key[1] else ''}"

    @cached_property
    def _labels(self) -> tuple[set[str], set[str]]:
        """Labels of the acoustic and of the prosody models."""
        adapters = self.experiment.adapters
        pairs = [pair(name) for name in self.models]
        acoustic, prosody = ({names[place] for names in pairs if names[place] in adapters} for place in (0, 1))
        return acoustic, prosody

    @cached_property
    def _place(self) -> int:
        """0 if the experiment compares acoustic models, 1 if it compares prosody models."""
        acoustic, prosody = self._labels
        return int(len(prosody) > len(acoustic))

    @cached_property
    def _places(self) -> set[str]:
        return {name for name in self.models if pair(name)[0] in self.experiment.adapters}


def objective_title(name: str) -> str:
    """Return the title of an adapter; a label is returned as it is."""
    try:
        return str(registry.load("adapters", name).info.title)
    except ConfigError:
        return name


def _read(path: Path, numbers: Sequence[str]) -> pd.DataFrame:
    """Read a table of a report; "NA" is a valid name of a system."""
    return pd.read_csv(path, keep_default_na=False, na_values={name: [""] for name in numbers})
