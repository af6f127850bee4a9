"""Waveforms: reading, checking, resampling and writing clips."""
