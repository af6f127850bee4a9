"""Write the figures of a run: each as PNG and PDF with the table that it was drawn from, and all captions.

``read_frame`` reads such a table, CSV or Parquet, to draw a figure again.

A figure is a function of a finished run that returns a ``Drawing``, or None if the run has nothing to show. Packages
register more figures under the entry-point group ``ttsbench.figures``; the name there is the name of the files.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pandas as pd

from ttsbench import registry
from ttsbench.engine.store import write_bytes, write_json
from ttsbench.errors import ConfigError
from ttsbench.reporting.csv import write_csv
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import save_figure

CAPTIONS, NOTES = "captions.json", "notes.json"
CSV, PARQUET = ".csv", ".parquet"

_log = logging.getLogger(__name__)


def write_figures(run: FinishedRun, folder: Path) -> dict[str, str]:
    """Draw every registered figure, and return a note for each that could not be drawn.

    A figure that fails never fails the report: its note is in ``notes.json``, and the page shows it. Figures of an
    earlier report that are not drawn again are removed.
    """
    captions, notes = {}, {}
    for name in sorted(registry.registered("figures")):
        try:
            drawing = registry.load("figures", name)(run)
            if drawing is not None:
                _write(drawing, folder / name)
                captions[name] = f"{drawing.caption} {run.about}"
        except ConfigError as error:
            notes[name] = str(error)
        except Exception as error:  # plug-ins may raise anything
            notes[name] = f"The figure '{name}' could not be drawn: {type(error).__name__}: {error}."
            _log.warning("%s", notes[name], exc_info=True)
    write_json(folder / CAPTIONS, captions)
    write_json(folder / NOTES, notes)
    for path in folder.iterdir():
        if path.name not in (CAPTIONS, NOTES) and path.stem not in captions:
            path.unlink()
    return notes


def _write(drawing: Drawing, path: Path) -> None:
    save_figure(drawing.figure, path)
    if drawing.frame is None:
        return
    if drawing.dense:
        buffer = io.BytesIO()
        drawing.frame.to_parquet(buffer, index=False, compression="zstd", compression_level=19)
        write_bytes(path.with_suffix(PARQUET), buffer.getvalue())
    else:
        write_csv(drawing.frame, path.with_suffix(CSV), "%.6g")


def frame_files(folder: Path) -> dict[str, Path]:
    """Return the table of every figure in a folder of figures, by the name of the figure."""
    return {path.stem: path for suffix in (CSV, PARQUET) for path in sorted(folder.glob(f"*{suffix}"))}


def read_frame(path: Path) -> pd.DataFrame:
    """Read the table of a figure; "NA" is a valid name of a system."""
    return pd.read_parquet(path) if path.suffix == PARQUET else pd.read_csv(path, keep_default_na=False, na_values=[""])
