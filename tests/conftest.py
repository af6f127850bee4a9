"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
import torch
from ratio_rows import floored_rows, rate_rows, three_seeds

from ttsbench.checks.conformance import pretend_device

pretend_device.register()  # before any test computes gradients
torch.set_num_threads(1)  # as the workers of a run: threads that wait for one another cost more than small tensors gain


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
