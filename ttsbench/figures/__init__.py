"""Figures of a run, as PNG to look at and PDF to print.

Each lies in a file of its own, as a function of a finished run, and as one that draws from a data frame:
``draw_differences(pandas.read_csv("figures/differences.csv"))`` draws the same figure again.
"""

from ttsbench.figures.differences import draw_differences
from ttsbench.figures.distributions import draw_distributions
from ttsbench.figures.diversity import draw_diversity
from ttsbench.figures.files import write_figures
from ttsbench.figures.ranks import draw_ranks
from ttsbench.figures.run import Drawing, FinishedRun
from ttsbench.figures.spectrograms import draw_spectrograms
from ttsbench.figures.style import save_figure, style, styled
from ttsbench.figures.sweeps import draw_sweep
from ttsbench.figures.tradeoff import draw_tradeoff
from ttsbench.figures.training import draw_training

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
