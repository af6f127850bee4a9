"""The errors a person is meant to read. Each message names the thing, the value and the next action."""


class TtsbenchError(Exception):
    """Something the user can mend; the command line prints the sentence alone, without a traceback."""


class CorpusError(TtsbenchError):
    """A corpus that cannot be used as it is."""


class ClipError(TtsbenchError):
    """One clip that cannot be used; the corpus goes on without it and lists it with this reason."""


class ConfigError(TtsbenchError):
    """An experiment that cannot be run as written."""


class MeasurementError(TtsbenchError):
    """A metric that has no answer for a clip; counted in ``n_failed`` with this reason, never a number."""


class NotApplicable(MeasurementError):
    """A metric that asks something this clip was never meant to answer: an empty cell, and no failure."""


class AnswerError(TtsbenchError):
    """Answers of one listener that cannot be counted; they are listed with this reason and the others go on."""
