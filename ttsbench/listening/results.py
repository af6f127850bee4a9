"""From files of answers to the tables of a listening test: ``ttsbench listen import``.

Leaves ``summary.csv`` and ``differences.csv`` as a run has them, ``ratings.csv`` (what counts), ``sessions.csv`` (what
was handed in, and what became of it), ``answers.csv`` (how often each answer was given), ``table.md``, ``table.tex``
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
from ttsbench.listening.answers import Answered, Refused, find_files, read_answers
from ttsbench.listening.figure import ratings_figure, shares_figure
from ttsbench.listening.key import Key, read_key
from ttsbench.listening.kinds import KINDS, Kind
from ttsbench.listening.screening import screened_out, signature
from ttsbench.reporting.figures import save_figure
from ttsbench.reporting.tables import Table, latex, markdown

TOLD = 5  # sessions named in the notes of a table; all of them are in sessions.csv


def import_answers(test: Path, paths: Sequence[Path], output: Path) -> tuple[str, int]:
    """Write the results of the test that was exported to ``test``: its table, and how many sessions were refused.

    Raises ``ConfigError`` where there is no test or no file, ``TtsbenchError`` where no answers count.
    """
    key = read_key(test)
    kind = KINDS[key.kind]
    answered, refused = read_answers(find_files(paths), key, kind)
    left_out = screened_out(answered, kind, key)
    counted = [one for one in answered if one.listener not in left_out]
    sessions = _sessions(answered, left_out, refused)
    write_text(output / "sessions.csv", _csv(sessions))
    if not counted:
        first = sessions.iloc[0]
        raise TtsbenchError(
            f"None of {len(sessions)} sessions counts; {first['file']}: {first['reason']}. All are in "
            f"{output / 'sessions.csv'}."
        )
    info = kind.info(signature(kind, key))
    found = analyse(counted, kind, key, info, _lost(answered, left_out, refused))
    text = _write(output, kind, key, found, _notes(kind, key, counted, left_out, refused))
    return text, sum(not one.copy for one in refused)


def _write(output: Path, kind: Kind, key: Key, found: Analysis, notes: Sequence[str]) -> str:
    summary = summary_frame(found.cells, [found.rows])
    write_text(output / "summary.csv", _csv(summary))
    write_text(output / "differences.csv", _csv(difference_frame(found.comparisons, [found.rows])))
    write_text(output / "ratings.csv", _csv(found.ratings))
    counts = answer_counts(found.ratings, kind, key.systems)
    write_text(output / "answers.csv", _csv(counts))
    cells = {(cell.system, cell.metric): replace(cell, n_failed=0) for cell in found.cells}  # the notes tell of those
    title = f"{kind.title} of {key.title}"
    table = Table(title, key.systems, key.references, [found.rows], cells, notes)
    text = "\n".join([markdown(table), *_difference_lines(kind, found.comparisons), ""])
    write_text(output / "table.md", text)
    write_text(output / "table.tex", latex(table))
    picture = (
        shares_figure(counts, summary, kind)
        if kind.name == "preference"
        else ratings_figure(found.ratings, summary, kind)
    )
    save_figure(picture, output / "figures" / kind.name)
    return text


def _difference_lines(kind: Kind, comparisons: Sequence[Comparison]) -> list[str]:
    """Every model against the baseline, in Markdown."""
    if not comparisons:
        return []
    against = "what would be as good as" if kind.paired else "the value of"
    lines = [
        f"Difference to {against} {comparisons[0].baseline}; p by Student's t over listeners and utterances, after "
        "Holm's correction; last, what a test like this one finds four times of five:",
        "",
        f"| system | difference ({kind.unit if kind.unit == '%' else 'points'}) | p | effect size | least detectable |",
        "|---|---:|---:|---:|---:|",
    ]
    for one in comparisons:
        lines.append(
            f"| {one.system} | {one.value:+.2f}{_bracket(one)} | {_p(one.p_holm)} "
            f"| {_known(one.effect_size, '.2f')} | {_known(one.mde, '.2f')} |"
        )
    return lines


def _bracket(one: Comparison) -> str:
    return f" [{one.low:+.2f}, {one.high:+.2f}]" if one.low == one.low else ""


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else _known(value, ".3f")


def _known(value: float, digits: str) -> str:
    return format(value, digits) if value == value else ""


def _notes(
    kind: Kind, key: Key, counted: Sequence[Answered], left_out: Mapping[str, str], refused: Sequence[Refused]
) -> list[str]:
    ratings = [rating for one in counted for rating in one.ratings]
    utterances = len({rating.utterance for rating in ratings})
    answered = Counter(one.list for one in counted)
    notes = [
        f"Test {key.test_id}: {len(counted)} listeners, {utterances} utterances, {len(ratings)} ratings; all clips at "
        f"{key.lufs:g} LUFS (BS.1770-4).",
        f"Brackets: {LEVEL:.0%} interval over listeners and utterances.",
    ]
    if kind.paired:
        notes.append(f"All systems are compared with {key.baseline}; one that is as good has {kind.offset:g}.")
    if key.seeds > 1:
        notes.append(f"Clips are of {key.seeds} training seeds; an utterance is heard from one of them.")
    if silent := [str(number) for number in range(1, len(key.lists) + 1) if not answered[number]]:
        notes.append(
            f"Nobody answered list {', '.join(silent)} of {len(key.lists)}: systems were heard with other utterances."
        )
    for what, reasons in (
        ("Listeners left out by post-screening", [f"{who} {why}" for who, why in left_out.items()]),
        ("Sessions that do not count", [f"{one.file}: {one.reason}" for one in refused if not one.copy]),
    ):
        if reasons:
            more = f"; and {len(reasons) - TOLD} more in sessions.csv" if len(reasons) > TOLD else ""
            notes.append(f"{what}: {len(reasons)} ({'; '.join(reasons[:TOLD])}{more}).")
    return notes


def _sessions(answered: Sequence[Answered], left_out: Mapping[str, str], refused: Sequence[Refused]) -> pd.DataFrame:
    """A row per session that was handed in."""
    lines = [
        [one.file, one.listener, one.list, "screened out" if one.listener in left_out else "counted",
         left_out.get(one.listener, ""), len(one.ratings), one.device, one.comment] for one in answered
    ]  # fmt: skip
    for one in refused:
        outcome, lost = "copy" if one.copy else "refused", sum(one.lost.values())
        lines.append([one.file, one.listener, one.list, outcome, one.reason, lost, "", ""])
    columns = ["file", "listener", "list", "outcome", "reason", "ratings", "device", "comment"]
    return pd.DataFrame(lines, columns=columns)


def _lost(answered: Sequence[Answered], left_out: Mapping[str, str], refused: Sequence[Refused]) -> Counter[str]:
    """Ratings of each system that do not count."""
    lost: Counter[str] = Counter()
    for one in answered:
        if one.listener in left_out:
            lost.update(rating.system for rating in one.ratings)
    for session in refused:
        lost.update(session.lost)
    return lost


def _csv(frame: pd.DataFrame) -> str:
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text
