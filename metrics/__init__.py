"""Metrics: what a clip yields, and how clips make a number of a system.

Each is a plug-in found through the entry-point group ``ttsbench.metrics``; it imports ``ttsbench`` and never another
metric. See ``ttsbench.interfaces.Metric``.
"""
