"""Listening tests that were exported from one run."""

import pytest
from honestlisteners import FOUR
from listeners import make_run

from ttsbench.listening.export import ExportRequest, export


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("answers") / "run", 11)


@pytest.fixture(scope="session")
def mos(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mos") / "test"
    export(run, ExportRequest("mos", FOUR, utterances=10, checks=2), folder)
    return folder


@pytest.fixture(scope="session")
def mushra(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mushra") / "test"
    export(run, ExportRequest("mushra", FOUR, utterances=8, per_listener=8, anchors=(3500.0, 7000.0)), folder)
    return folder


@pytest.fixture(scope="session")
def pairs(run, tmp_path_factory):
    root = tmp_path_factory.mktemp("pairs")
    for kind in ("cmos", "preference"):
        export(run, ExportRequest(kind, FOUR[1:], "l1+oracle", utterances=8, checks=1), root / kind)
    return root
