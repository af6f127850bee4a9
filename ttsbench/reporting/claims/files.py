"""What is written of claims: Markdown to read, LaTeX for a paper, CSV to go on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ttsbench.engine.store import write_text
from ttsbench.errors import TtsbenchError
from ttsbench.reporting.claims.claim import read_claims
from ttsbench.reporting.claims.frame import claims_frame
from ttsbench.reporting.claims.judgement import Judgement, ScoredRun, judge
from ttsbench.reporting.claims.latex import claims_latex
from ttsbench.reporting.claims.markdown import claims_markdown
from ttsbench.reporting.tables.markdown import escape

SUFFIXES = (".md", ".tex", ".csv")
NO_FILE = "the experiment names no file of claims, and there is no claims.yaml beside it"


def judge_all(claims: Path, runs: Sequence[ScoredRun]) -> dict[str, list[Judgement]]:
    """Every claim of a file in the light of every run; raises ``ConfigError``."""
    return {name: [judge(claim, run) for run in runs] for name, claim in read_claims(claims).items()}


def write_claims(judged: Mapping[str, Sequence[Judgement]], path: Path, left_out: Sequence[str] = ()) -> None:
    """``path`` with .md, .tex and .csv, each whole or not at all."""
    write_text(path.with_suffix(".md"), claims_markdown(judged, left_out))
    write_text(path.with_suffix(".tex"), claims_latex(judged))
    write_text(
        path.with_suffix(".csv"), claims_frame(judged).to_csv(index=False, float_format="%.6g", lineterminator="\n")
    )


def write_run_claims(claims: Path | None, run: ScoredRun, path: Path) -> None:
    """The claims that one run's systems and metrics answer, or why there are none: claims cost a run nothing else."""
    for suffix in SUFFIXES:
        path.with_suffix(suffix).unlink(missing_ok=True)
    try:
        judged = judge_all(claims, [run]) if claims else {}
    except TtsbenchError as error:
        write_text(path.with_suffix(".md"), f"# Claims\n\nNo claim was judged: {escape(str(error))}\n")
        return
    answered = {name: found for name, found in judged.items() if found[0].findings}
    if answered:
        write_claims(answered, path, [name for name in judged if name not in answered])
    else:
        why = "no claim speaks of the systems and metrics of this run" if judged else NO_FILE
        write_text(path.with_suffix(".md"), f"# Claims\n\nNo claim was judged: {why}.\n")
