"""Public interface for figure plug-ins: what a package imports to draw a figure of a finished run."""

from ttsbench.reporting.figures import *  # noqa: F403
from ttsbench.reporting.figures import __all__ as __all__
