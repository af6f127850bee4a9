"""Verdicts on published claims: supported, refuted or inconclusive, with the comparisons behind them.

A claim (``claim.py``) has parts that all have to hold. Each part becomes comparisons of two systems, signed so that a
positive difference supports the claim. The verdict of a comparison is

    supported      if its interval lies above ``margin`` and the paired test rejects, after Holm's correction over the
                   comparisons of the claim in one run
    refuted        if the interval lies below ``margin`` and the test rejects
    inconclusive   otherwise

A claim is supported if all its comparisons are, refuted if one of them is, and inconclusive otherwise. It is not
evaluated if no run has its systems.

Models that had not converged cannot refute a claim: if the validation loss changed by more than a twentieth of its
whole fall in the last quarter of training, the verdict is inconclusive instead of refuted.

Two forms of parts need more than one difference. ``lowest`` (the smallest of several values belongs to a given subset)
is supported if every other value is above the smallest of the subset, and refuted if one is below it. ``contrast`` (a
weighted sum of systems is positive) is tested by the bootstrap.

A verdict holds for the corpus, the models and the training seeds of the run, and does not generalise beyond them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ttsbench.evaluation.estimates import Comparison
from ttsbench.evaluation.stats import holm
from ttsbench.reporting.claims.claim import Claim, Part
from ttsbench.reporting.claims.scored_run import ScoredRun
from ttsbench.reporting.tables import SIGNIFICANT

CONVERGED = 0.05  # change of the validation loss in the last quarter of training, as a share of its whole fall
Verdict = Literal["supported", "refuted", "inconclusive", "not evaluated"]


@dataclass(frozen=True)
class Finding:
    """One comparison of a claim; a positive ``comparison.value`` supports the claim."""

    sentence: str
    comparison: Comparison
    margin: float

    @property
    def verdict(self) -> Verdict:
        """The verdict of this comparison alone."""
        comparison = self.comparison
        if not comparison.p_holm < SIGNIFICANT:
            return "inconclusive"
        if comparison.low > self.margin:
            return "supported"
        return "refuted" if comparison.high < self.margin else "inconclusive"


@dataclass(frozen=True)
class Judgement:
    """The verdict on a claim by one run.

    ``missing`` names the parts that the run cannot evaluate. ``converged`` is the relative change of the validation
    loss in the last quarter of training, by model.
    """

    claim: Claim
    run: str
    corpus: str
    findings: Sequence[Finding]
    missing: Sequence[str]
    converged: Mapping[str, float]

    @property
    def unconverged(self) -> list[str]:
        """Models whose validation loss was still changing; they cannot refute a claim."""
        return [name for name, change in self.converged.items() if not abs(change) <= CONVERGED]

    @property
    def verdict(self) -> Verdict:
        """The verdict of all comparisons together."""
        verdicts = {finding.verdict for finding in self.findings}
        if not verdicts:
            return "not evaluated"
        if "refuted" in verdicts:
            return "inconclusive" if self.unconverged else "refuted"
        return "supported" if verdicts == {"supported"} else "inconclusive"


def judge(claim: Claim, run: ScoredRun) -> Judgement:
    """Evaluate a claim on one run; parts whose systems or metric the run lacks are listed as missing."""
    findings: list[Finding] = []
    missing, systems = [], set[str]()
    for part in claim.parts:
        lacking = sorted(part.systems - run.systems) or ([] if part.metric in run.metrics else [part.metric])
        if lacking:
            missing.append(f"{part.metric}: the run has no {', '.join(lacking)}")
            continue
        systems |= part.systems
        findings += _findings(part, run)
    findings = _corrected(findings) if findings else []
    return Judgement(claim, run.name, run.corpus, findings, missing, run.converged(systems))


def _findings(part: Part, run: ScoredRun) -> Iterator[Finding]:
    metric = part.metric
    if part.rising:
        for lower, higher in zip(part.rising, part.rising[1:], strict=False):
            yield Finding(f"{metric}: {higher} above {lower}", run.difference(metric, higher, lower), part.margin)
    elif part.lowest:
        yield from _lowest(part, run)
    elif part.contrast:
        contrast = run.contrast(metric, part.contrast)
        yield Finding(f"{metric}: {contrast.system} above 0", contrast, part.margin)
    elif part.more:
        for other in part.than:
            yield Finding(f"{metric}: {part.more} above {other}", run.difference(metric, part.more, other), part.margin)
    else:
        system = part.less or part.nearer
        relation = "below" if part.to is None else f"nearer to {part.to:g} than"
        for other in part.than:
            difference = run.difference(metric, other, system, part.to)
            yield Finding(f"{metric}: {system} {relation} {other}", difference, part.margin)


def _lowest(part: Part, run: ScoredRun) -> Iterator[Finding]:
    """Compare every system outside the subset with the lowest system inside it."""
    rows = run.metrics[part.metric]
    common = set.intersection(*(rows.utterances(system) for system in part.lowest))
    best = min(part.within, key=lambda system: rows.value(system, common))
    for other in part.lowest:
        if other not in part.within:
            difference = run.difference(part.metric, other, best)
            sentence = f"{part.metric}: {other} above {best}, the lowest of the claimed systems"
            yield Finding(sentence, difference, part.margin)


def _corrected(findings: Sequence[Finding]) -> list[Finding]:
    """Set ``p_holm`` with Holm's correction over all comparisons of the claim."""
    adjusted = holm(np.array([finding.comparison.p for finding in findings]))
    return [
        replace(finding, comparison=replace(finding.comparison, p_holm=float(p)))
        for finding, p in zip(findings, adjusted, strict=True)
    ]
