"""Verdicts on published claims.

A claim has one endpoint, decided by Student's t over training seeds (``effect.py``). Its verdict on a run is

    supported       the effect is in the claimed direction
    refuted         the effect is in the other direction
    equivalent      the effect is smaller than the margin that the claim states as the smallest that matters
    underpowered    none of these: the interval is too wide; ``power_plan.py`` says what a longer run needs
    not testable    the run does not meet a condition of the claim, or the metric has no headroom (``admission.py``)
    not converged   there is a decision, but models behind it had not converged
    not evaluated   the run lacks a system or the metric

An endpoint that compares a system with several others is supported if all comparisons are, with the largest p; refuted
if one comparison is, with the smallest p times their number; and equivalent if all are supported or equivalent, and not
all are supported.

The p values of all claims of a run are corrected together by Holm's method, separately for differences and for
equivalence. A decision takes at least ``statistics.decision_seeds`` training seeds. Convergence concerns every decision
alike, whatever its direction, except one about cost, which does not depend on training. A decision of unconverged
models stands if an earlier run, with at most half of the steps, has effects of the same sign.

A verdict holds for the corpus and the set of utterances of the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ttsbench.evaluation.stats import holm
from ttsbench.reporting.claims.admission import failures, headroom_problem
from ttsbench.reporting.claims.claim import Claim, Part
from ttsbench.reporting.claims.effect import ALPHA, Effect, effects
from ttsbench.reporting.claims.power_plan import needs
from ttsbench.reporting.claims.scored_run import ScoredRun

Verdict = Literal[
    "supported", "refuted", "equivalent", "underpowered", "not testable", "not converged", "not evaluated"
]
DECIDED: tuple[Verdict, ...] = ("supported", "refuted", "equivalent")


@dataclass(frozen=True)
class Judgement:
    """The verdict on a claim by one run.

    ``findings`` are the comparisons of the endpoint, ``secondary`` those that decide nothing. ``missing`` says which
    comparisons the run cannot make. ``reasons`` explains a verdict other than a decision. ``p`` is corrected.
    """

    claim: Claim
    run: str
    corpus: str
    verdict: Verdict = "not evaluated"
    findings: Sequence[Effect] = ()
    secondary: Sequence[Effect] = ()
    missing: Sequence[str] = ()
    reasons: Sequence[str] = ()
    unconverged: Sequence[str] = ()
    p: float = float("nan")


def judge(claim: Claim, run: ScoredRun, earlier: ScoredRun | None = None) -> Judgement:
    """Return the verdict of one claim alone."""
    return judge_run({"": claim}, run, earlier)[""]


def judge_run(claims: Mapping[str, Claim], run: ScoredRun, earlier: ScoredRun | None = None) -> dict[str, Judgement]:
    """Return the verdicts of a run on all claims, corrected together."""
    measured = {name: _measure(claim, run) for name, claim in claims.items()}
    tested = [name for name, judgement in measured.items() if judgement.findings]
    different = _holm([p_different(measured[name].findings) for name in tested])
    equivalent = _holm([p_equivalent(measured[name].findings) for name in tested])
    for name, p, p_same in zip(tested, different, equivalent, strict=True):
        measured[name] = _decide(measured[name], p, p_same, run, earlier)
    return measured


def _measure(claim: Claim, run: ScoredRun) -> Judgement:
    """Return the effects of all comparisons that the run allows; the verdict is still open."""
    judgement = Judgement(claim, run.name, run.corpus)
    if claim.endpoint is None:
        return judgement
    missing = [problem for part in (claim.endpoint, *claim.secondary) if (problem := _problem(part, run))]
    secondary = [effect for part in claim.secondary if not _problem(part, run) for effect in effects(part, run)]
    if _problem(claim.endpoint, run):
        return replace(judgement, missing=missing)
    findings = effects(claim.endpoint, run)
    if any(effect.seeds == 0 or not np.isfinite(effect.per_seed).all() for effect in findings):
        nothing = f"{claim.endpoint.metric}: the systems share no utterance and seed with a value"
        return replace(judgement, missing=[*missing, nothing])
    return replace(judgement, findings=findings, secondary=secondary, missing=missing)


def _problem(part: Part, run: ScoredRun) -> str:
    """Return what the run lacks for a comparison; empty if nothing is missing."""
    lacking = sorted(part.systems - run.systems) or ([] if part.metric in run.metrics else [part.metric])
    return f"{part.metric}: the run has no {', '.join(lacking)}" if lacking else ""


def p_different(findings: Sequence[Effect]) -> float:
    """Return the p value of an endpoint's support or refutation, whichever is smaller."""
    if findings[0].is_location:
        return min(findings[0].p_equivalent, findings[0].p_different)
    support = max(_one_side(effect, supports=True) for effect in findings)
    refutation = len(findings) * min(_one_side(effect, supports=False) for effect in findings)
    return min(1.0, support, refutation)


def p_equivalent(findings: Sequence[Effect]) -> float:
    """Return the p value of an endpoint's equivalence: each comparison is equivalent, or supported and not all are."""
    if findings[0].is_location or all(effect.outcome == "supported" for effect in findings):
        return 1.0
    supported = [_one_side(effect, supports=True) for effect in findings]
    return max(min(effect.p_equivalent, p) if effect.outcome == "supported" else effect.p_equivalent
               for effect, p in zip(findings, supported, strict=True))  # fmt: skip


def _one_side(effect: Effect, supports: bool) -> float:
    return effect.p_different if (effect.difference.value > 0) == supports else 1.0


def _decide(judgement: Judgement, p: float, p_same: float, run: ScoredRun, earlier: ScoredRun | None) -> Judgement:
    """Return the judgement with its verdict, given p values that are corrected over the claims of the run."""
    claim, findings = judgement.claim, judgement.findings
    assert claim.endpoint is not None
    if unmet := failures(claim.admission, run):
        return replace(judgement, verdict="not testable", reasons=unmet, p=p)
    outcome, p_of_outcome = _outcome(findings, p, p_same)
    seeds, required = min(effect.seeds for effect in findings), run.experiment.statistics.decision_seeds
    if outcome in ("equivalent", "underpowered") and (problem := headroom_problem(claim.endpoint, findings, run)):
        return replace(judgement, verdict="not testable", reasons=[problem], p=p)
    if outcome == "underpowered" or seeds < required:
        few = [f"a decision takes {required} training seeds, and the run has {seeds}"] if seeds < required else []
        return replace(judgement, verdict="underpowered", reasons=[*few, needs(findings, required)], p=p)
    depends = "cost" not in run.metrics[claim.endpoint.metric].info.needs
    unconverged = run.unconverged(claim.endpoint.systems) if depends else []
    judgement = replace(judgement, verdict=outcome, unconverged=unconverged, p=p_of_outcome)
    if not unconverged:
        return judgement
    if earlier is not None and _same_sign_earlier(claim.endpoint, findings, run, earlier):
        steps = f"The effects have the same sign in {earlier.name}, with at most half of the steps."
        return replace(judgement, reasons=[steps])
    reason = f"without this the verdict would be '{outcome}'; these models had not converged: {', '.join(unconverged)}"
    return replace(judgement, verdict="not converged", reasons=[reason])


def _outcome(findings: Sequence[Effect], p: float, p_same: float) -> tuple[Verdict, float]:
    if p_same < ALPHA:
        return "equivalent", p_same
    if p < ALPHA:
        if findings[0].is_location:
            return ("supported" if findings[0].p_equivalent <= findings[0].p_different else "refuted"), p
        return ("supported" if all(effect.difference.value > 0 for effect in findings) else "refuted"), p
    return "underpowered", p


def _same_sign_earlier(part: Part, findings: Sequence[Effect], run: ScoredRun, earlier: ScoredRun) -> bool:
    """Return whether an earlier run with at most half of the steps has effects of the same sign."""
    if _problem(part, earlier):
        return False
    before, after = earlier.steps(part.systems), run.steps(part.systems)
    shorter = [2 * before[name] <= steps for name, steps in after.items() if name in before]
    signs = [np.sign(effect.difference.value) for effect in effects(part, earlier)]
    return bool(shorter) and all(shorter) and signs == [np.sign(effect.difference.value) for effect in findings]


def _holm(ps: Sequence[float]) -> list[float]:
    adjusted: list[float] = holm(np.array(ps)).tolist() if ps else []
    return adjusted
