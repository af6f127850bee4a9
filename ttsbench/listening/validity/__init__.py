"""Validity of metrics: how well every metric agrees with listeners, by system and by clip.

``ttsbench validity RUN…`` correlates the metrics of finished runs with imported listening tests, or with a table of
published scores.
"""

from ttsbench.listening.validity.agreement import COLUMNS, validity_frame
from ttsbench.listening.validity.correlation import Correlation, correlation
from ttsbench.listening.validity.listeners import read_listeners
from ttsbench.listening.validity.report import write_validity

__all__ = ["COLUMNS", "Correlation", "correlation", "read_listeners", "validity_frame", "write_validity"]
