"""Draw a figure of a finished or archived run again, with other options: ``ttsbench figure``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import read_json
from ttsbench.errors import ConfigError
from ttsbench.registry import did_you_mean
from ttsbench.reporting.figures import DRAW, save_figure
from ttsbench.reporting.figures.files import frame_files, read_frame


def redraw(run: Path, name: str, output: Path, formats: Sequence[str] = ("pdf", "png"), **options: Any) -> list[Path]:
    """Draw the table of a figure of a run with the options of ``DrawFunction``, and return the written files.

    Systems and metrics may be given by name or by title. Raises ``ConfigError`` for a figure that the run lacks.
    """
    layout = RunLayout(run)
    known = {figure: path for figure, path in frame_files(layout.figures).items() if figure in DRAW}
    if name not in known:
        raise ConfigError(f"{run} has no figure '{name}' that can be drawn again. {did_you_mean(name, known)}")
    experiment = read_json(layout.experiment) if layout.experiment.exists() else {}  # earlier archives have none
    titles: Mapping[str, str] = experiment.get("table", {}).get("titles", {})
    if options.get("systems") is not None:
        options["systems"] = [titles.get(system, system) for system in options["systems"]]
    try:
        figure = DRAW[name](read_frame(known[name]), **options)
    except KeyError as error:
        raise ConfigError(
            f"{known[name]} has no column {error}: an earlier version of ttsbench wrote it. Write the "
            "figure again with `ttsbench report` on the run."
        ) from error
    return save_figure(figure, output, formats)
