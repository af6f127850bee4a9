"""Verdicts as Markdown: a table of all claims, then the comparisons behind each verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ttsbench.reporting.claims.judgement import Judgement
from ttsbench.reporting.tables.markdown import escape

LEGEND = (
    "A positive difference supports the claim. Brackets: bootstrap interval over training seeds and utterances; "
    "p: paired permutation test with Holm's correction over the comparisons of the claim; d: effect size in standard "
    "deviations of an utterance's difference; MDE: the smallest difference that the test detects with 80 % power."
)


def claims_markdown(
    judged: Mapping[str, Sequence[Judgement]], left_out: Sequence[str] = (), remarks: Sequence[str] = ()
) -> str:
    """Return the table of verdicts and the evidence of each.

    ``left_out`` names claims that the run does not address, ``remarks`` are sentences on the runs as a whole.
    """
    lines = ["# Claims", "", "| claim | statement | verdict |", "|---|---|---|"]
    for name, judgements in judged.items():
        verdicts = "; ".join(f"{escape(where)}: **{judgement.verdict}**" for where, judgement in evaluated(judgements))
        statement = escape(judgements[0].claim.statement)
        lines.append(f"| {escape(name)} | {statement} | {verdicts or without_run(judgements[0])} |")
    for name, judgements in judged.items():
        claim = judgements[0].claim
        lines += ["", f"## {escape(name)}. {escape(claim.statement)}", "", escape(claim.paper) + "."]
        lines += ["", escape(claim.without_run[:1].upper() + claim.without_run[1:]) + "."] if claim.without_run else []
        for _, judgement in evaluated(judgements):
            lines += ["", *_evidence(judgement)]
    lines += ["", LEGEND]
    lines += [line for remark in remarks for line in ("", escape(remark))]
    lines += ["", f"The systems and metrics of this run do not address {', '.join(left_out)}."] if left_out else []
    return "\n".join(lines) + "\n"


def evaluated(judgements: Sequence[Judgement]) -> list[tuple[str, Judgement]]:
    """Return (label, judgement) of the runs that evaluated a claim.

    The label is the corpus, followed by the run if several runs share the corpus.
    """
    judged = [judgement for judgement in judgements if judgement.findings]
    corpora = [judgement.corpus for judgement in judged]
    return [
        (item.corpus if corpora.count(item.corpus) == 1 else f"{item.corpus} ({item.run})", item) for item in judged
    ]


def without_run(judgement: Judgement) -> str:
    """Return the escaped verdict of a claim that no run evaluated."""
    return escape(judgement.claim.without_run) or "not evaluated"


def number(value: float, form: str = ".2g") -> str:
    """Format a number; NaN becomes an empty string."""
    return "" if math.isnan(value) else f"{value:{form}}"


def notes(judgement: Judgement) -> list[str]:
    """Return sentences on parts that were not evaluated, on convergence, and on its effect on the verdict."""
    lines = [f"Not evaluated: {text}." for text in judgement.missing]
    if judgement.converged:
        models = ", ".join(f"{name} {change:+.1%}" for name, change in judgement.converged.items())
        lines.append(f"Change of the validation loss in the last quarter of training, relative to its fall: {models}.")
    if judgement.unconverged and any(finding.verdict == "refuted" for finding in judgement.findings):
        lines.append("The verdict is not 'refuted', because some of these models had not converged.")
    return lines


def _evidence(judgement: Judgement) -> list[str]:
    first = judgement.findings[0].comparison
    lines = [
        f"{escape(judgement.corpus)} (run {escape(judgement.run)}; n = {first.n} utterances, {first.seeds} training "
        f"seeds): **{judgement.verdict}**", "",
        "| comparison | difference | p | d | MDE | |", "|---|---:|---:|---:|---:|---|",
    ]  # fmt: skip
    for finding in judgement.findings:
        comparison = finding.comparison
        lines.append(
            f"| {escape(finding.sentence)} | {comparison.value:.3g} [{comparison.low:.3g}, {comparison.high:.3g}] "
            f"| {number(comparison.p_holm, '.3f')} | {number(comparison.effect_size)} | {number(comparison.mde)} "
            f"| {finding.verdict} |"
        )
    return [*lines, "", *(f"- {escape(note)}" for note in notes(judgement))]
