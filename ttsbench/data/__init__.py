"""Corpora: layouts on disk, listings, splits, text and alignments."""
