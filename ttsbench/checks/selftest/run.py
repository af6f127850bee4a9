"""Run the self-test: from recordings and names of metrics to a table of promises that hold."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ttsbench import registry
from ttsbench.checks.selftest.checks import Verdict, checks_of, judge_check
from ttsbench.checks.selftest.measure import Responses
from ttsbench.checks.selftest.needs import build, missing_information
from ttsbench.checks.selftest.pool import measure_all
from ttsbench.checks.selftest.recordings import espeak_recordings, recordings_of
from ttsbench.checks.selftest.table import table, write_csv
from ttsbench.engine.progress import clock
from ttsbench.engine.terminal import write_result
from ttsbench.interfaces import Metric


def selftest(
    folder: Path | None,
    metrics: Sequence[str],
    output: Path | None,
    workers: int,
    quiet: bool,
    texts: Mapping[str, str] | None = None,
) -> int:
    """Print which promises of the named metrics, or of all metrics, hold; return the exit status.

    The status is 0 if at least one promise was tested and none failed, else 1. ``folder`` holds recordings; without it,
    sentences of the embedded corpus are used. ``texts`` maps file names without suffix to the words of the recordings.
    ``output`` is a folder for ``selftest.csv``. Raises ``ConfigError`` for unknown metrics and for a folder without
    recordings.
    """
    began = time.monotonic()
    built = {name: build(name) for name in metrics or sorted(registry.registered("metrics"))}
    recordings, left_out = (espeak_recordings(), []) if folder is None else recordings_of(folder, texts)
    usable: dict[str, Metric] = {}
    skipped: dict[str, str] = {}
    for name, metric in built.items():
        reason = metric if isinstance(metric, str) else missing_information(recordings, metric.info)
        if isinstance(metric, str) or reason:
            skipped[name] = reason
        else:
            usable[name] = metric
    verdicts = judge(usable, measure_all(recordings, list(usable), workers, quiet) if usable else [])
    where = f"in {folder}" if folder else "of the embedded espeak corpus"
    seconds = sum(clip.duration_s for clip in recordings)
    head = f"{len(recordings)} recordings {where}, {seconds:.0f} s; done in {clock(time.monotonic() - began)}."
    lines = "".join(f"\n  {reason}" for reason in left_out)
    skips = f"\nRecordings skipped, or used without phones:{lines}" if left_out else ""
    write_result(f"{head}{skips}\n\n{table(verdicts, skipped)}\n")
    if output is not None:
        signatures = {name: metric.info.signature for name, metric in usable.items()}
        write_csv(output / "selftest.csv", verdicts, signatures)
    outcomes = {verdict.outcome for verdict in verdicts}
    return 0 if "ok" in outcomes and "FAIL" not in outcomes else 1


def judge(metrics: Mapping[str, Metric], responses: Sequence[Responses]) -> list[Verdict]:
    """Judge every promise of every metric on the responses of all recordings."""
    return [judge_check(metric, check, responses) for metric in metrics.values() for check in checks_of(metric.info)]
