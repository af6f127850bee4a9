"""Cells of scores: no fault of a clip or a metric becomes a number."""

import math

import numpy as np
import pytest
from ratio_rows import Ratio

from ttsbench.evaluation.metric_rows import NOT_APPLICABLE
from ttsbench.stages.score import measure
from ttsbench.types import Clip, Cost


def clip_of(samples=8, cost=None, transcript=None):
    return Clip("u1", np.full(samples, 0.1, np.float32), 16000, "text", "s", transcript, cost)


@pytest.mark.parametrize("values", [(1.0,), (1.0, 2.0, 3.0), (math.nan, 1.0), (math.inf, 1.0)])
def test_odd_answers_are_failures(monkeypatch, values):
    metric = Ratio()
    monkeypatch.setattr(metric, "measure", lambda clip, reference: values, raising=False)
    found = measure(metric, clip_of(), clip_of(), False)
    assert "values" not in found
    assert "rate gave" in found["error"]


def test_a_crash_is_a_failure_with_its_reason(monkeypatch):
    metric = Ratio()
    monkeypatch.setattr(metric, "measure", lambda clip, reference: 1 / 0, raising=False)
    assert measure(metric, clip_of(), clip_of(), False) == {"error": "ZeroDivisionError: division by zero"}


def test_cost_does_not_apply_to_recordings_and_is_missed_elsewhere():
    metric = Ratio(needs=frozenset({"cost"}))
    assert measure(metric, clip_of(), clip_of(), True) == {"error": NOT_APPLICABLE}
    assert measure(metric, clip_of(), clip_of(), False) == {"error": "what making the clip took was not recorded"}
    cost = Cost(1.0, 1.0, 1.0, 1, 1)
    assert measure(metric, clip_of(cost=cost), clip_of(), False) == {"values": [8.0, 10.0]}


def test_a_missing_transcript_is_a_failure_and_an_empty_one_is_not():
    metric = Ratio(needs=frozenset({"transcript"}))
    assert measure(metric, clip_of(), clip_of(), False)["error"].startswith("the clip has no transcript")
    assert "values" in measure(metric, clip_of(transcript=""), clip_of(), False)
