"""Trained models: building, loading, sampling and metering them."""
