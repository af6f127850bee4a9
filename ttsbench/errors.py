"""Errors that are written for the user. Each message names the thing, the value and the next action."""


class TtsbenchError(Exception):
    """An error that the user can fix; the command line prints its message without a traceback."""


class CorpusError(TtsbenchError):
    """A corpus cannot be used as it is."""


class ClipError(TtsbenchError):
    """A clip cannot be used; the other clips are processed, and the clip is listed with this reason."""


class ConfigError(TtsbenchError):
    """An experiment cannot be run as it is written."""


class MeasurementError(TtsbenchError):
    """A metric has no value for a clip; it is counted in ``n_failed`` with this reason and never becomes a number."""


class NotApplicable(MeasurementError):
    """A metric does not apply to a clip: the cell stays empty, and no failure is counted."""


class AnswerError(TtsbenchError):
    """A listener's answers cannot be counted; they are listed with this reason, and the other listeners count."""
