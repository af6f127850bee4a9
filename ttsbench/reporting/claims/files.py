"""Evaluate the claims of a file, and write the verdicts as Markdown, LaTeX and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ttsbench.engine.store import write_text
from ttsbench.errors import TtsbenchError
from ttsbench.reporting.claims.claim import read_claims
from ttsbench.reporting.claims.frame import claims_frame
from ttsbench.reporting.claims.judgement import Judgement, judge_run
from ttsbench.reporting.claims.latex import claims_latex
from ttsbench.reporting.claims.markdown import claims_markdown
from ttsbench.reporting.claims.scored_run import ScoredRun
from ttsbench.reporting.csv import write_csv
from ttsbench.reporting.tables.markdown import escape

SUFFIXES = (".md", ".tex", ".csv")
NO_FILE = "the experiment names no claims file, and there is no claims.yaml beside it"


def judge_all(claims: Path, runs: Sequence[ScoredRun], earlier: Sequence[ScoredRun] = ()) -> dict[str, list[Judgement]]:
    """Evaluate every claim of a file on every run; raises ``ConfigError``.

    Each of the ``earlier`` runs, with at most half of the training steps, belongs to the runs on the same corpus.
    """
    known = read_claims(claims)
    shorter = {run.corpus: run for run in earlier}
    verdicts = [judge_run(known, run, shorter.get(run.corpus)) for run in runs]
    return {name: [of_run[name] for of_run in verdicts] for name in known}


def write_claims(
    judged: Mapping[str, Sequence[Judgement]], path: Path, left_out: Sequence[str] = (), remarks: Sequence[str] = ()
) -> None:
    """Write ``path`` with the suffixes .md, .tex and .csv, each whole or not at all."""
    write_text(path.with_suffix(".md"), claims_markdown(judged, left_out, remarks))
    write_text(path.with_suffix(".tex"), claims_latex(judged))
    write_csv(claims_frame(judged), path.with_suffix(".csv"), "%.6g")


def write_run_claims(claims: Path | None, run: ScoredRun, path: Path) -> None:
    """Write the verdicts that one run allows, or the reason why there are none; a bad claims file fails no run."""
    for suffix in SUFFIXES:
        path.with_suffix(suffix).unlink(missing_ok=True)
    try:
        judged = judge_all(claims, [run]) if claims else {}
    except TtsbenchError as error:
        write_text(path.with_suffix(".md"), f"# Claims\n\nNo claim was evaluated: {escape(str(error))}\n")
        return
    evaluated = {name: judgements for name, judgements in judged.items() if judgements[0].findings}
    if evaluated:
        write_claims(evaluated, path, [name for name in judged if name not in evaluated])
    else:
        reason = "no claim is about the systems and metrics of this run" if judged else NO_FILE
        write_text(path.with_suffix(".md"), f"# Claims\n\nNo claim was evaluated: {reason}.\n")
