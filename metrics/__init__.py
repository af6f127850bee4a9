"""Metrics: each measures single clips and reduces the measurements to one number per system.

Each metric is a plug-in found through the entry-point group ``ttsbench.metrics``. It imports ``ttsbench`` and never
another metric. See ``ttsbench.interfaces.Metric``.
"""
