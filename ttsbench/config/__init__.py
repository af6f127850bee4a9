"""Experiments: schema, YAML loading, and the systems that a table compares."""
