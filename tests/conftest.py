"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # as the workers of a run: threads that wait for one another cost more than small tensors gain


@pytest.fixture(scope="session")
def speech_data() -> Path:
    """Folder holding ljspeech-mini and librispeech-3spk, from TTSBENCH_DATA."""
    root = os.environ.get("TTSBENCH_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("needs real speech: set TTSBENCH_DATA to the folder that holds ljspeech-mini and librispeech-3spk")
    return Path(root)
