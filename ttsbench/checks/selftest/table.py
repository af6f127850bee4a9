"""What held, as a table for a terminal and as a file."""

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
itself: a recording against itself. gain, shift, 48 kHz: 12 dB quieter, 50 ms later, resampled and back. swap: clip and
reference change places. noise to smooth: worse from grade to grade. silence, hiss: refused or answered, as declared.
-: nothing is promised."""


def table(verdicts: Sequence[Verdict], skipped: Mapping[str, str]) -> str:
    """Metrics down, checks across; below, what failed with value and promise, and what was left out and why."""
    failed = [one for one in verdicts if one.outcome == "FAIL"]
    held = sum(one.outcome == "ok" for one in verdicts)
    metrics = len({one.metric for one in verdicts})
    blocks = [
        _marks(verdicts),
        _planted([one for one in verdicts if one.check not in HEADINGS]),
        _listed("Failed:", [_sentence(one) for one in failed]),
        _listed("Skipped:", _reasons(verdicts, skipped)),
        f"{held} of {held + len(failed)} promises of {metrics} metrics hold.",
    ]
    return "\n\n".join(block for block in blocks if block)


def write_csv(path: Path, verdicts: Sequence[Verdict], signatures: Mapping[str, str]) -> None:
    """One row per metric and check, with the signature of what was measured."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*(field.name for field in fields(Verdict)), "signature"])
    for one in verdicts:
        writer.writerow([*asdict(one).values(), signatures[one.metric]])
    write_text(path, buffer.getvalue())


def _marks(verdicts: Sequence[Verdict]) -> str:
    shown = [name for name in HEADINGS if any(one.check == name for one in verdicts)]
    found = {(one.metric, one.check): one.outcome for one in verdicts}
    metrics = dict.fromkeys(one.metric for one in verdicts)
    rows = [[name, *(SHORT.get(mark := found.get((name, check), "-"), mark) for check in shown)] for name in metrics]
    return f"{_columns([['metric', *(HEADINGS[name] for name in shown)], *rows])}\n\n{LEGEND}" if rows else ""


def _planted(verdicts: Sequence[Verdict]) -> str:
    rows = [[one.metric, one.check, one.measured, one.promised, one.outcome] for one in verdicts]
    return _columns([["known F0", "offset", "measured", "expected", ""], *rows]) if rows else ""


def _reasons(verdicts: Sequence[Verdict], skipped: Mapping[str, str]) -> list[str]:
    """Why metrics and single checks were left out: a line for what has one reason."""
    checks: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in verdicts:
        if one.outcome == "skipped":
            checks[one.reason, one.metric].append(HEADINGS.get(one.check, one.check))
    reasons: dict[str, list[str]] = defaultdict(list)
    for name, reason in skipped.items():
        reasons[reason].append(name)
    for (reason, name), left in checks.items():
        reasons[reason].append(f"{name} ({', '.join(left)})")
    return [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]


def _sentence(one: Verdict) -> str:
    said = "; ".join(part for part in (one.measured, one.reason) if part)
    return f"{one.metric}, {one.check}: {said} (promised: {one.promised}; {one.recordings} recordings)"


def _listed(heading: str, lines: Sequence[str]) -> str:
    return "\n".join([heading, *(f"  {line}" for line in lines)]) if lines else ""


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)
