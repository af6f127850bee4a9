"""The verdicts as a table for a terminal and as a CSV file."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from ttsbench.checks.selftest.checks import Verdict
from ttsbench.engine.store import write_text

HEADINGS = {
    "identity": "itself",
    "gain": "gain",
    "shift": "shift",
    "resample": "48 kHz",
    "symmetric": "swap",
    "noise": "noise",
    "low_pass": "low-pass",
    "flat_f0": "flat F0",
    "stretch": "stretch",
    "smoothing": "smooth",
    "silence": "silence",
    "white noise": "hiss",
}
SHORT = {"skipped": "skip"}
LEGEND = """\
itself: a recording against itself. gain, shift, 48 kHz: 12 dB quieter and louder, 50 ms later, resampled and back.
swap: clip and reference exchanged. noise to smooth: worse with every grade. silence, hiss: refused or answered, as
declared. -: the metric promises nothing."""


def table(verdicts: Sequence[Verdict], skipped: Mapping[str, str]) -> str:
    """Return a table of metrics by checks, followed by the failures with value and promise and the skipped metrics."""
    failed = [verdict for verdict in verdicts if verdict.outcome == "FAIL"]
    passed = sum(verdict.outcome == "ok" for verdict in verdicts)
    metrics = len({verdict.metric for verdict in verdicts})
    blocks = [
        _marks(verdicts),
        _known_values([verdict for verdict in verdicts if verdict.check not in HEADINGS]),
        _listed("Failed:", [_sentence(verdict) for verdict in failed]),
        _listed("Skipped:", _reasons(verdicts, skipped)),
        f"{passed} of {passed + len(failed)} promises of {metrics} metrics hold.",
    ]
    return "\n\n".join(block for block in blocks if block)


def write_csv(path: Path, verdicts: Sequence[Verdict], signatures: Mapping[str, str]) -> None:
    """Write one row per metric and check, with the metric's signature."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*(field.name for field in fields(Verdict)), "signature"])
    for verdict in verdicts:
        writer.writerow([*asdict(verdict).values(), signatures[verdict.metric]])
    write_text(path, buffer.getvalue())


def _marks(verdicts: Sequence[Verdict]) -> str:
    shown = [name for name in HEADINGS if any(verdict.check == name for verdict in verdicts)]
    outcomes: dict[tuple[str, str], str] = {(verdict.metric, verdict.check): verdict.outcome for verdict in verdicts}
    metrics = dict.fromkeys(verdict.metric for verdict in verdicts)
    rows = [[name, *(SHORT.get(mark := outcomes.get((name, check), "-"), mark) for check in shown)] for name in metrics]
    return f"{_columns([['metric', *(HEADINGS[name] for name in shown)], *rows])}\n\n{LEGEND}" if rows else ""


def _known_values(verdicts: Sequence[Verdict]) -> str:
    rows = [[item.metric, item.check, item.measured, item.promised, item.outcome] for item in verdicts]
    return _columns([["known value", "of", "measured", "expected", ""], *rows]) if rows else ""


def _reasons(verdicts: Sequence[Verdict], skipped: Mapping[str, str]) -> list[str]:
    """Return one line per reason for which metrics or single checks were skipped."""
    checks: dict[tuple[str, str], list[str]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.outcome == "skipped":
            checks[verdict.reason, verdict.metric].append(HEADINGS.get(verdict.check, verdict.check))
    reasons: dict[str, list[str]] = defaultdict(list)
    for name, reason in skipped.items():
        reasons[reason].append(name)
    for (reason, name), skipped_checks in checks.items():
        reasons[reason].append(f"{name} ({', '.join(skipped_checks)})")
    return [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]


def _sentence(verdict: Verdict) -> str:
    observed = "; ".join(part for part in (verdict.measured, verdict.reason) if part)
    promise = f"(promised: {verdict.promised}; {verdict.recordings} recordings)"
    return f"{verdict.metric}, {verdict.check}: {observed} {promise}"


def _listed(heading: str, lines: Sequence[str]) -> str:
    return "\n".join([heading, *(f"  {line}" for line in lines)]) if lines else ""


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)
