"""Calls in a child process: a call that crashes fails, and a call is repeated if its process is killed from outside."""

import os
import signal

import pytest

from ttsbench.engine.isolation import CallCrashed, Child


@pytest.fixture
def child():
    child = Child()
    yield child
    child.close()


def killed_once(marker):
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def test_a_call_that_was_killed_from_outside_is_repeated(child, tmp_path):
    assert child(killed_once, tmp_path / "marker") == "done"


def test_a_call_that_crashes_fails_and_the_next_one_works(child):
    with pytest.raises(CallCrashed):
        child(os.abort)
    assert child(abs, -2) == 2
