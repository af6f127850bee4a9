"""Verdicts as Markdown: a table of all claims, then the comparisons behind each verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ttsbench.reporting.claims.effect import Effect
from ttsbench.reporting.claims.judgement import Judgement
from ttsbench.reporting.tables.markdown import escape

LEGEND = (
    "A positive effect supports the claim. Brackets: 95 % interval over training seeds, by Student's t; margin: the "
    "smallest effect that matters; p: two-sided, of the comparison alone; d: effect in standard deviations between "
    "trainings; MDE: the smallest effect that is detected with 80 % power. The verdict follows from the endpoint "
    "alone, with Holm's correction over all claims of the run; equivalence is tested by two one-sided tests within the "
    "margin. Intervals of a lowest setting are measured from the middle of the claimed interval."
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
    """Return sentences on the reasons of the verdict, and on comparisons that were not made."""
    lines = [f"{reason[:1].upper()}{reason[1:]}." for reason in judgement.reasons]
    return [line.replace("..", ".") for line in [*lines, *(f"Not evaluated: {text}." for text in judgement.missing)]]


def _evidence(judgement: Judgement) -> list[str]:
    first = judgement.findings[0]
    corrected = "" if math.isnan(judgement.p) else f", p = {judgement.p:.3f} over all claims"
    lines = [
        f"{escape(judgement.corpus)} (run {escape(judgement.run)}; n = {first.n} utterances, {first.seeds} training "
        f"seeds): **{judgement.verdict}**{corrected}", "",
        "| comparison | effect | margin | p | d | MDE | |", "|---|---:|---:|---:|---:|---:|---|",
    ]  # fmt: skip
    lines += [_line(effect, "") for effect in judgement.findings]
    lines += [_line(effect, "secondary: ") for effect in judgement.secondary]
    return [*lines, "", *(f"- {escape(note)}" for note in notes(judgement))]


def _line(effect: Effect, role: str) -> str:
    difference = effect.difference
    interval = "" if math.isnan(difference.low) else f" [{difference.low:.3g}, {difference.high:.3g}]"
    return (
        f"| {role}{escape(effect.sentence)} | {difference.value:.3g}{interval} | {effect.margin:g} "
        f"| {number(difference.p, '.3f')} | {number(effect.effect_size)} | {number(effect.mde)} | {effect.outcome} |"
    )
