"""Verdicts as a page of text: first all of them, then what each rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ttsbench.reporting.claims.judgement import Judgement
from ttsbench.reporting.tables.markdown import escape

LEGEND = (
    "A positive difference speaks for the claim. Brackets: bootstrap interval over training seeds and utterances; "
    "p: paired permutation test, Holm's correction over the comparisons of the claim; d: effect size in standard "
    "deviations of an utterance's difference; MDE: the least difference that would have been found four times of five."
)


def claims_markdown(judged: Mapping[str, Sequence[Judgement]], left_out: Sequence[str] = ()) -> str:
    """A table of verdicts, and the evidence claim by claim; ``left_out`` are claims that the run says nothing of."""
    lines = ["# Claims", "", "| claim | says | verdict |", "|---|---|---|"]
    for name, judgements in judged.items():
        said = "; ".join(f"{escape(where)}: **{one.verdict}**" for where, one in found(judgements))
        lines.append(f"| {escape(name)} | {escape(judgements[0].claim.says)} | {said or without_run(judgements[0])} |")
    for name, judgements in judged.items():
        claim = judgements[0].claim
        lines += ["", f"## {escape(name)}. {escape(claim.says)}", "", escape(claim.paper) + "."]
        lines += ["", escape(claim.without_run[:1].upper() + claim.without_run[1:]) + "."] if claim.without_run else []
        for _, one in found(judgements):
            lines += ["", *_evidence(one)]
    lines += ["", LEGEND]
    lines += ["", f"Not answered by the systems and metrics of this run: {', '.join(left_out)}."] if left_out else []
    return "\n".join(lines) + "\n"


def found(judgements: Sequence[Judgement]) -> list[tuple[str, Judgement]]:
    """What the runs found that could judge a claim, each by its corpus, and by its run where several had that one."""
    judged = [one for one in judgements if one.findings]
    corpora = [one.corpus for one in judged]
    return [(one.corpus if corpora.count(one.corpus) == 1 else f"{one.corpus} ({one.run})", one) for one in judged]


def without_run(judgement: Judgement) -> str:
    """The verdict of a claim that no run judged."""
    return escape(judgement.claim.without_run) or "not run"


def number(value: float, form: str = ".2g") -> str:
    """A number; nothing where it is not known."""
    return "" if math.isnan(value) else f"{value:{form}}"


def _evidence(judgement: Judgement) -> list[str]:
    first = judgement.findings[0].comparison
    lines = [
        f"{escape(judgement.corpus)} (run {escape(judgement.run)}; n = {first.n} utterances, {first.seeds} training "
        f"seeds): **{judgement.verdict}**", "",
        "| what would be seen | difference | p | d | MDE | |", "|---|---:|---:|---:|---:|---|",
    ]  # fmt: skip
    for finding in judgement.findings:
        one = finding.comparison
        lines.append(
            f"| {escape(finding.sentence)} | {one.value:.3g} [{one.low:.3g}, {one.high:.3g}] "
            f"| {number(one.p_holm, '.3f')} | {number(one.effect_size)} | {number(one.mde)} | {finding.verdict} |"
        )
    return [*lines, "", *(f"- {escape(note)}" for note in notes(judgement))]


def notes(judgement: Judgement) -> list[str]:
    """What was not judged, how far training had converged, and what that means for the verdict."""
    lines = [f"Not judged: {text}." for text in judgement.missing]
    if judgement.converged:
        models = ", ".join(f"{name} {change:+.1%}" for name, change in judgement.converged.items())
        lines.append(f"Validation loss over the last quarter of training, of its whole fall: {models}.")
    if judgement.unconverged and any(finding.verdict == "refuted" for finding in judgement.findings):
        lines.append("No refutation, for not all of these models had converged.")
    return lines
