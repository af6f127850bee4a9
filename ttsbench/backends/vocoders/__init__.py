"""Mel spectrograms to waveforms, each a plug-in."""
