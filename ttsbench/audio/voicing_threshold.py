"""The voicing threshold, apart from ``voicing`` so that a signature can name it without importing numba."""

THRESHOLD = 0.45  # of the normalised cross-correlation at the period of a voiced frame; see ``voicing``
