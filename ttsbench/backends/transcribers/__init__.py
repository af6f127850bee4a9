"""Recognisers: samples to words."""
