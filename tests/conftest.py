"""Fixtures shared by all tests."""

import os
import sys
from pathlib import Path

import pytest
import torch
from ratio_rows import floored_rows, rate_rows, three_seeds

from ttsbench.checks.conformance import pretend_device

pretend_device.register()  # before any test computes gradients
torch.set_num_threads(1)  # as the workers of a run: threads that wait for one another cost more than small tensors gain


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give speechbrain's deferred modules a `__file__` before a Hypothesis test.

    Hypothesis reads `__file__` of every imported module. speechbrain registers modules that are imported on first
    access, and some of them need packages that are not installed: reading their attributes raises ImportError.
    """
    if item.get_closest_marker("hypothesis"):
        for name, module in list(sys.modules.items()):
            if name.startswith("speechbrain."):
                vars(module).setdefault("__file__", None)


@pytest.fixture(scope="session")
def speech_data() -> Path:
    """Folder holding ljspeech-mini and librispeech-3spk, from TTSBENCH_DATA."""
    root = os.environ.get("TTSBENCH_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("needs real speech: set TTSBENCH_DATA to the folder that holds ljspeech-mini and librispeech-3spk")
    return Path(root)


@pytest.fixture
def rate(tmp_path):
    """Four systems, one clip of which failed."""
    return rate_rows(tmp_path)


@pytest.fixture
def floored(tmp_path):
    """The same by a metric with a floor."""
    return floored_rows(tmp_path)


@pytest.fixture
def seeds(tmp_path):
    """Three training seeds: a and b alike, c worse."""
    return three_seeds(tmp_path)
