"""Figures of a run, as PNG for the screen and PDF for print.

Each figure has a module with three functions: one that draws a finished run, one that makes the data frame of the
figure, and one that draws a data frame. ``draw_differences(pandas.read_csv("figures/differences.csv"), width=3.3)``
draws the figure of a report again; ``layout.DrawFunction`` describes the options.
"""

from collections.abc import Mapping

from ttsbench.reporting.figures.calibration import draw_calibration
from ttsbench.reporting.figures.compute import draw_compute
from ttsbench.reporting.figures.differences import draw_differences
from ttsbench.reporting.figures.distributions import draw_distributions
from ttsbench.reporting.figures.diversity import draw_diversity
from ttsbench.reporting.figures.files import write_figures
from ttsbench.reporting.figures.layout import DrawFunction
from ttsbench.reporting.figures.ranks import draw_ranks
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.spectrograms import draw_spectrograms
from ttsbench.reporting.figures.style import save_figure, style, styled
from ttsbench.reporting.figures.sweeps import draw_sweep
from ttsbench.reporting.figures.tradeoff import draw_tradeoff
from ttsbench.reporting.figures.training import draw_training
from ttsbench.reporting.figures.verdicts import draw_verdicts

DRAW: Mapping[str, DrawFunction] = {
    "calibration": draw_calibration,
    "compute": draw_compute,
    "differences": draw_differences,
    "distributions": draw_distributions,
    "diversity": draw_diversity,
    "guidance": draw_sweep,
    "langevin": draw_sweep,
    "nfe": draw_sweep,
    "ranks": draw_ranks,
    "spectrograms": draw_spectrograms,
    "temperature": draw_sweep,
    "tradeoff": draw_tradeoff,
    "training": draw_training,
    "verdicts": draw_verdicts,
}

__all__ = [
    "DRAW",
    "DrawFunction",
    "Drawing",
    "FinishedRun",
    "draw_calibration",
    "draw_compute",
    "draw_differences",
    "draw_distributions",
    "draw_diversity",
    "draw_ranks",
    "draw_spectrograms",
    "draw_sweep",
    "draw_tradeoff",
    "draw_training",
    "draw_verdicts",
    "save_figure",
    "style",
    "styled",
    "write_figures",
]
