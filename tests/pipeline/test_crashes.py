"""An objective that crashes its process costs its own row: the others are compared, and the reason names it."""

import csv

import pytest
from tinyrun import compare, tiny_site

pytestmark = pytest.mark.slow  # a whole run, and seven processes that die
IN_LOSS, IN_SAMPLE = "crash_in_loss+oracle", "crash_in_sample+oracle"


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """A run that compares L1 with two objectives that call ``os.abort``, in the loss and in sampling."""
    root = tmp_path_factory.mktemp("crashes")
    with tiny_site(root) as experiment:
        yield compare(
            experiment, "--output", root / "run", "--jobs", "2", "--quiet",
            "--set", "prosody=[oracle]", "adapters.l2=null", "metrics={mcd: {}}",
            "adapters.crash_in_loss={adapter: aborting, options: {where: loss}}",
            "adapters.crash_in_sample={adapter: aborting, options: {where: sample}}",
        ), root / "run"  # fmt: skip


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_other_objectives_are_scored_and_the_exit_status_reports_the_crash(crashed):
    result, run = crashed
    assert result.status == 1, result.err
    measured = {row["system"]: int(row["n"]) for row in rows(run / "summary.csv") if row["metric"] == "mcd"}
    assert measured["l1+oracle"] == measured["copy-synthesis"] == 3 and measured[IN_SAMPLE] == 0
    assert IN_LOSS not in measured
    assert "l1+oracle" in result.out and f"{IN_LOSS} is missing because it failed" in result.out


def test_crash_in_sampling_is_a_failure_of_each_clip_that_names_the_adapter(crashed):
    failures = [row for row in rows(crashed[1] / "failures.csv") if row["system"] == IN_SAMPLE]
    assert len({row["utterance"] for row in failures}) == 3
    for row in failures:
        assert (
            "the adapter 'aborting' (acoustic model, label 'crash_in_sample') crashed on this utterance" in row["error"]
        )


def test_crash_in_training_names_the_adapter_and_the_signal(crashed):
    result, run = crashed
    (failure,) = [row for row in rows(run / "failures.csv") if row["system"] == IN_LOSS]
    for text in (failure["error"], result.err):
        assert "train crash_in_loss-acoustic-seed0" in text and "killed by SIGABRT, in each of 3 attempts" in text
    assert "tinyplugins.py" in result.err and "in losses" in result.err, "the traceback of the crash is shown"
    assert "synthesize crash_in_sample+oracle seed0, task 1 at c" in result.err, "the clip is named"
