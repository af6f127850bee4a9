"""Write the README of a folder of archived runs from a template, so that no number in it can be out of date.

``README.md.jinja`` holds the prose. Tables, verdicts and single numbers come from the files of the archives through
these functions of the template:

    {{ claims() }}                                   the verdicts over all runs, of claims.csv
    {{ csv("calibration.csv") }}                     another table beside the template
    {{ table("energy") }}                            the table of the paper, or the first block of the whole table
    {{ verdicts("energy") }}                         the claims that the run evaluated
    {{ about("energy") }}                            corpus, utterances, systems, seeds and device
    {{ figure("energy", "tradeoff") }}               an image with its caption as text
    {{ value("energy", "l2+oracle", "mcd") }}        a value with its interval
    {{ difference("energy", "nce_ebm+oracle", "mcd") }}    a difference from the baseline with its interval

Archives that the template does not mention follow at the end, each with table and verdicts.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, StrictUndefined, TemplateError

from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import read_json, write_text
from ttsbench.errors import TtsbenchError
from ttsbench.evaluation.estimates import MetricCell
from ttsbench.registry import did_you_mean
from ttsbench.reporting.page.facts import provenance_of, sentence
from ttsbench.reporting.page.table import read_table
from ttsbench.reporting.tables import decimals, interval, scaled
from ttsbench.reporting.tables.headings import PERCENT

TEMPLATE, README, CLAIMS = "README.md.jinja", "README.md", "claims.csv"
NOTICE = "<!-- Written by `ttsbench results`: edit README.md.jinja instead. -->"


def write_results(folder: Path) -> Path:
    """Write ``README.md`` of a folder of archives and return its path; raises ``TtsbenchError``."""
    path = folder / README
    write_text(path, render_results(folder))
    return path


def render_results(folder: Path) -> str:
    """Return the README as Markdown.

    Raises ``TtsbenchError`` without a template, and for a run, system, metric or figure that does not exist.
    """
    template = folder / TEMPLATE
    if not template.exists():
        raise TtsbenchError(f"{folder} has no {TEMPLATE}. Write one; an empty file gives tables and verdicts alone.")
    archives = Archives(folder)
    environment = Environment(undefined=StrictUndefined)  # the result is Markdown, so nothing is escaped
    environment.globals.update(
        table=archives.table, verdicts=archives.verdicts, about=archives.about, figure=archives.figure,
        value=archives.value, difference=archives.difference, claims=archives.claims, csv=archives.csv,
    )  # fmt: skip
    try:
        text = environment.from_string(template.read_text(encoding="utf-8")).render()
    except TemplateError as error:
        raise TtsbenchError(f"{template} cannot be rendered: {error}.") from error
    rest = [archives.section(name) for name in archives.names if name not in archives.mentioned]
    return "\n\n".join([NOTICE, text.strip(), *rest]) + "\n"


class Archives:
    """The archived runs of a folder; ``mentioned`` collects the runs that were asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.names = sorted(path.parent.name for path in folder.glob("*/summary.csv"))
        self.mentioned: set[str] = set()

    def table(self, run: str) -> str:
        """Return the table that the experiment selects for a paper, or the first block of the whole table."""
        folder = self._run(run)
        paper = folder / "paper.md"
        text = (paper if paper.exists() else folder / "table.md").read_text(encoding="utf-8")
        return "\n".join(_first_table(text))

    def verdicts(self, run: str) -> str:
        """Return a table of the claims that the run evaluated; a sentence if there are none."""
        path = self._run(run) / CLAIMS
        frame = _csv(path) if path.exists() else self._all_claims()
        frame = frame[frame["run"] == run].drop_duplicates("claim")
        if frame.empty:
            return "No claim was evaluated on this run."
        lines = [f"| {row.claim} | {row.statement} | {row.verdict} |" for row in frame.itertuples()]
        return "\n".join(["| claim | statement | verdict |", "|---|---|---|", *lines])

    def claims(self) -> str:
        """Return a table of all claims with the verdict of each run."""
        lines = []
        for name, rows in self._all_claims().groupby("claim", sort=False):
            evaluated = rows[rows["run"] != ""].drop_duplicates("run")
            each = [f"{row.run}: {row.verdict}" for row in evaluated.itertuples()]
            lines.append(f"| {name} | {rows['statement'].iloc[0]} | {'; '.join(each) or rows['verdict'].iloc[0]} |")
        return "\n".join(["| claim | statement | verdict |", "|---|---|---|", *lines])

    def csv(self, name: str) -> str:
        """Return a CSV file of the folder as a table; the first column holds text."""
        if not (self._folder / name).exists():
            raise TtsbenchError(f"{self._folder} has no {name}.")
        frame = _csv(self._folder / name)
        rows = [list(frame.columns), *frame.itertuples(index=False)]
        head, *body = (f"| {' | '.join(map(str, row))} |" for row in rows)
        return "\n".join([head, _rule(len(frame.columns)), *body])

    def about(self, run: str) -> str:
        """Return corpus, utterances, systems, seeds and device in one sentence."""
        folder = self._run(run)
        return sentence(folder, read_table(folder), provenance_of(folder))

    def figure(self, run: str, name: str) -> str:
        """Return an image with its caption."""
        figures = RunLayout(self._run(run)).figures
        if not (figures / f"{name}.png").exists():
            known = [path.stem for path in figures.glob("*.png")]
            raise TtsbenchError(f"{run} has no figure '{name}'. {did_you_mean(name, known)}")
        captions = figures / "captions.json"
        caption = read_json(captions).get(name, name) if captions.exists() else name
        return f"![{caption.partition('. ')[0].rstrip('.')}]({run}/figures/{name}.png)"

    def value(self, run: str, system: str, metric: str) -> str:
        """Return the value of a system with its interval, as tables show it."""
        row = self._row(run, "summary.csv", {"system": system, "metric": metric})
        return _number(row, metric, "value")

    def difference(self, run: str, system: str, metric: str) -> str:
        """Return the difference of a system from the baseline of the run, with its interval."""
        row = self._row(run, "differences.csv", {"system": system, "metric": metric})
        return _number(row, metric, "difference")

    def section(self, run: str) -> str:
        """Return the default section of a run: title, facts, table and verdicts."""
        experiment = RunLayout(self._run(run)).experiment
        title = read_json(experiment).get("title") if experiment.exists() else ""
        return "\n\n".join([f"## {title or run}", f"{self.about(run)} ([{run}]({run}))", self.table(run),
                            self.verdicts(run)])  # fmt: skip

    def _run(self, run: str) -> Path:
        if run not in self.names:
            raise TtsbenchError(f"{self._folder} has no archived run '{run}'. {did_you_mean(run, self.names)}")
        self.mentioned.add(run)
        return self._folder / run

    def _all_claims(self) -> pd.DataFrame:
        path = self._folder / CLAIMS
        if not path.exists():
            raise TtsbenchError(f"{self._folder} has no {CLAIMS}. Write it with `ttsbench claims RUN ... --output`.")
        return _csv(path)

    def _row(self, run: str, file: str, keys: dict[str, str]) -> pd.Series[str]:
        frame = _csv(self._run(run) / file)
        for column, key in keys.items():
            known = frame[column].unique()
            frame = frame[frame[column] == key]
            if frame.empty:
                raise TtsbenchError(f"{run}/{file} has no {column} '{key}'. {did_you_mean(key, known)}")
        return frame.iloc[0]


@functools.cache
def _csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _first_table(text: str) -> Sequence[str]:
    """Return the lines of the first table, with single spaces."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    end = next((number for number in range(start, len(lines)) if not lines[number].startswith("|")), len(lines))
    head, _, *body = lines[start:end]
    narrow = [re.sub(r" *\| *", " | ", line).strip() for line in (head, *body)]
    return [narrow[0], _rule(head.count("|") - 1), *narrow[1:]]


def _rule(columns: int) -> str:
    return f"|---{'|---:' * (columns - 1)}|"


def _number(row: pd.Series[str], metric: str, column: str) -> str:
    """Return "1.23 [1.10, 1.36]"; error rates are in per cent, with two digits of the interval's half width."""
    value, low, high = (float(row[name] or "nan") for name in (column, "low", "high"))
    cell = scaled(MetricCell("", metric, value, low, high, 0, 0), 100.0 if metric in PERCENT else 1.0)
    places = decimals([cell])
    return f"{cell.value:.{places}f} {interval(cell, places)}".strip()
