"""Checks of plug-ins: conformance without data, and metric self-tests on recordings."""
