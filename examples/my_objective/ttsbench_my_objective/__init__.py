"""My objective: an objective and a metric for ttsbench."""
