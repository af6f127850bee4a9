"""Figures of a run, as PNG to look at and PDF to print.

Each lies in a file of its own, as a function of a finished run, and as one that draws from a data frame:
``draw_differences(pandas.read_csv("figures/differences.csv"))`` draws the same figure again.
"""

from ttsbench.reporting.figures.differences import draw_differences
from ttsbench.reporting.figures.distributions import draw_distributions
from ttsbench.reporting.figures.diversity import draw_diversity
from ttsbench.reporting.figures.files import write_figures
from ttsbench.reporting.figures.ranks import draw_ranks
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.spectrograms import draw_spectrograms
from ttsbench.reporting.figures.style import save_figure, style, styled
from ttsbench.reporting.figures.sweeps import draw_sweep
from ttsbench.reporting.figures.tradeoff import draw_tradeoff
from ttsbench.reporting.figures.training import draw_training

__all__ = [
    "Drawing",
    "FinishedRun",
    "draw_differences",
    "draw_distributions",
    "draw_diversity",
    "draw_ranks",
    "draw_spectrograms",
    "draw_sweep",
    "draw_tradeoff",
    "draw_training",
    "save_figure",
    "style",
    "styled",
    "write_figures",
]
