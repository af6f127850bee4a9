"""``ttsbench listen import``: turn answer files into the tables of a listening test.

Writes ``summary.csv`` and ``differences.csv`` in the format of a run, ``ratings.csv`` (accepted ratings),
``sessions.csv`` (all sessions and their outcome), ``answers.csv`` (counts of each answer), ``table.md``, ``table.tex``
and ``figures/``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ttsbench.engine.store import write_text
from ttsbench.errors import TtsbenchError
from ttsbench.evaluation.estimates import Comparison
from ttsbench.evaluation.stats import LEVEL
from ttsbench.evaluation.summary import difference_frame, summary_frame
from ttsbench.listening.analysis import Analysis, analyse, answer_counts
from ttsbench.listening.answers import AcceptedSession, RejectedSession, find_files, read_answers
from ttsbench.listening.figure import ratings_figure, shares_figure
from ttsbench.listening.key import Key, read_key
from ttsbench.listening.kinds import KINDS, Kind
from ttsbench.listening.screening import screened_out, signature
from ttsbench.reporting.csv import write_csv
from ttsbench.reporting.figures import save_figure
from ttsbench.reporting.tables import Table, latex, markdown

LISTED = 5  # sessions named in the notes; sessions.csv holds all


def import_answers(test: Path, paths: Sequence[Path], output: Path) -> tuple[str, int]:
    """Write the results of the test in the folder ``test``; return its table and the number of rejected sessions.

    Raises ``ConfigError`` without a test or answer files, and ``TtsbenchError`` if no session is accepted.
    """
    key = read_key(test)
    kind = KINDS[key.kind]
    accepted, rejected = read_answers(find_files(paths), key, kind)
    left_out = screened_out(accepted, kind, key)
    counted = [session for session in accepted if session.listener not in left_out]
    sessions = _sessions(accepted, left_out, rejected)
    write_csv(sessions, output / "sessions.csv")
    if not counted:
        first = sessions.iloc[0]
        raise TtsbenchError(
            f"None of {len(sessions)} sessions was accepted. The first: {first['file']}: {first['reason']}. See "
            f"{output / 'sessions.csv'}."
        )
    info = kind.info(signature(kind, key))
    analysis = analyse(counted, kind, key, info, _lost(accepted, left_out, rejected))
    text = _write(output, kind, key, analysis, _notes(kind, key, counted, left_out, rejected))
    return text, sum(not session.copy for session in rejected)


def _write(output: Path, kind: Kind, key: Key, analysis: Analysis, notes: Sequence[str]) -> str:
    summary = summary_frame(analysis.cells, [analysis.rows])
    write_csv(summary, output / "summary.csv")
    write_csv(difference_frame(analysis.comparisons, [analysis.rows]), output / "differences.csv")
    write_csv(analysis.ratings, output / "ratings.csv")
    counts = answer_counts(analysis.ratings, kind, key.systems)
    write_csv(counts, output / "answers.csv")
    cells = {(cell.system, cell.metric): replace(cell, n_failed=0) for cell in analysis.cells}  # the notes count them
    title = f"{kind.title} of {key.title}"
    table = Table(title, key.systems, key.references, [analysis.rows], cells, notes)
    text = "\n".join([markdown(table), *_difference_lines(kind, analysis.comparisons), ""])
    write_text(output / "table.md", text)
    write_text(output / "table.tex", latex(table))
    picture = (
        shares_figure(counts, summary, kind)
        if kind.name == "preference"
        else ratings_figure(analysis.ratings, summary, kind)
    )
    save_figure(picture, output / "figures" / kind.name)
    return text


def _difference_lines(kind: Kind, comparisons: Sequence[Comparison]) -> list[str]:
    """Return the differences of all models from the baseline, in Markdown."""
    if not comparisons:
        return []
    against = "a system as good as" if kind.paired else "the value of"
    lines = [
        f"Difference from {against} {comparisons[0].baseline}. p: Student's t over listeners and utterances, with "
        "Holm's correction. MDE: the smallest difference that a test of this size detects with 80 % power.",
        "",
        f"| system | difference ({kind.unit if kind.unit == '%' else 'points'}) | p | effect size | MDE |",
        "|---|---:|---:|---:|---:|",
    ]
    for comparison in comparisons:
        lines.append(
            f"| {comparison.system} | {comparison.value:+.2f}{_bracket(comparison)} | {_p(comparison.p_holm)} "
            f"| {_known(comparison.effect_size, '.2f')} | {_known(comparison.mde, '.2f')} |"
        )
    return lines


def _bracket(comparison: Comparison) -> str:
    return f" [{comparison.low:+.2f}, {comparison.high:+.2f}]" if comparison.low == comparison.low else ""


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else _known(value, ".3f")


def _known(value: float, digits: str) -> str:
    return format(value, digits) if value == value else ""


def _notes(
    kind: Kind,
    key: Key,
    counted: Sequence[AcceptedSession],
    left_out: Mapping[str, str],
    rejected: Sequence[RejectedSession],
) -> list[str]:
    ratings = [rating for session in counted for rating in session.ratings]
    utterances = len({rating.utterance for rating in ratings})
    answers = Counter(session.list for session in counted)
    notes = [
        f"Test {key.test_id}: {len(counted)} listeners, {utterances} utterances, {len(ratings)} ratings; all clips at "
        f"{key.lufs:g} LUFS (BS.1770-4).",
        f"Brackets: {LEVEL:.0%} interval over listeners and utterances.",
    ]
    if kind.paired:
        notes.append(
            f"All systems are compared with {key.baseline}; a system of the same quality has the value {kind.offset:g}."
        )
    if key.seeds > 1:
        notes.append(f"The clips come from {key.seeds} training seeds; each utterance uses one of them.")
    if silent := [str(number) for number in range(1, len(key.lists) + 1) if not answers[number]]:
        notes.append(
            f"No answers for list {', '.join(silent)} of {len(key.lists)}: systems were rated on different utterances."
        )
    for outcome, reasons in (
        ("Listeners excluded by post-screening", [f"{who} {why}" for who, why in left_out.items()]),
        ("Rejected sessions", [f"{session.file}: {session.reason}" for session in rejected if not session.copy]),
    ):
        if reasons:
            more = f"; and {len(reasons) - LISTED} more in sessions.csv" if len(reasons) > LISTED else ""
            notes.append(f"{outcome}: {len(reasons)} ({'; '.join(reasons[:LISTED])}{more}).")
    return notes


def _sessions(
    accepted: Sequence[AcceptedSession], left_out: Mapping[str, str], rejected: Sequence[RejectedSession]
) -> pd.DataFrame:
    """Return one row per session."""
    lines = []
    for session in accepted:
        reason = left_out.get(session.listener, "")
        outcome = "screened out" if session.listener in left_out else "counted"
        about = [session.file, session.listener, session.list, outcome, reason]
        lines.append([*about, len(session.ratings), session.device, session.comment])
    for refusal in rejected:
        outcome, lost = "copy" if refusal.copy else "rejected", sum(refusal.lost.values())
        lines.append([refusal.file, refusal.listener, refusal.list, outcome, refusal.reason, lost, "", ""])
    columns = ["file", "listener", "list", "outcome", "reason", "ratings", "device", "comment"]
    return pd.DataFrame(lines, columns=columns)


def _lost(
    accepted: Sequence[AcceptedSession], left_out: Mapping[str, str], rejected: Sequence[RejectedSession]
) -> Counter[str]:
    """Count the rejected ratings of each system."""
    lost: Counter[str] = Counter()
    for session in accepted:
        if session.listener in left_out:
            lost.update(rating.system for rating in session.ratings)
    for refusal in rejected:
        lost.update(refusal.lost)
    return lost
