"""The objective and the metric of this package."""

import numpy as np
import pytest
from ttsbench_my_objective.metric import LevelDifference

from ttsbench import Clip
from ttsbench.checks.check import check

SAMPLE_RATE = 16_000


@pytest.mark.parametrize("name", ["my_objective", "my_objective_level"])
def test_conformance_checks_pass(name):
    assert [finding for finding in check(name) if not finding.ok] == []


def test_half_the_amplitude_is_6_db_lower():
    sine = np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    loud, soft = Clip("loud", sine, SAMPLE_RATE), Clip("soft", sine / 2, SAMPLE_RATE)
    assert LevelDifference().measure(soft, loud) == pytest.approx((6.02,), abs=0.01)
