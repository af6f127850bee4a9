"""The objectives of the compared papers, each a plug-in that knows only ``ttsbench``."""
