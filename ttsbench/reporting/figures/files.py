"""What is written of figures: each as PNG and PDF, the table that it was drawn from, and all captions.

A figure is a function of a finished run that gives a ``Drawing``, or None where there is nothing to show; any package
registers more under the entry-point group ``ttsbench.figures``. Its name there is the name of its files.
"""

from __future__ import annotations

from pathlib import Path

from ttsbench import registry
from ttsbench.engine.store import write_json, write_text
from ttsbench.errors import ConfigError
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import save_figure

CAPTIONS = "captions.json"


def write_figures(run: FinishedRun, folder: Path) -> list[str]:
    """Draw everything that is registered and has something to show; returns what went wrong, a sentence each.

    What an earlier report left and this one does not draw is taken away.
    """
    captions, failures = {}, []
    for name in sorted(registry.registered("figures")):
        try:
            drawing = registry.load("figures", name)(run)
            if drawing is not None:
                _write(drawing, folder / name)
                captions[name] = f"{drawing.caption} {run.about}"
        except ConfigError as error:
            failures.append(str(error))
        except Exception as error:  # one figure costs no other, nor the tables
            failures.append(f"The figure '{name}' could not be drawn: {type(error).__name__}: {error}.")
    write_json(folder / CAPTIONS, captions)
    for path in folder.iterdir():
        if path.name != CAPTIONS and path.stem not in captions:
            path.unlink()
    return failures


def _write(drawing: Drawing, path: Path) -> None:
    save_figure(drawing.figure, path)
    if drawing.frame is not None:
        text = drawing.frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        write_text(path.with_suffix(".csv"), text)
