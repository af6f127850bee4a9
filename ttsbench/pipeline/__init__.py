"""From an experiment to a job graph, and the commands that run it."""
