"""Verdicts as a data frame, ``claims.csv``: one row per comparison of a claim."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from ttsbench.reporting.claims.effect import Effect
from ttsbench.reporting.claims.judgement import Judgement

COLUMNS = (
    "claim", "statement", "paper", "corpus", "run", "verdict", "sentence", "value", "low", "high", "p", "effect_size",
    "mde", "n", "seeds", "part_verdict", "role", "margin", "p_claim", "reason",
)  # fmt: skip
COUNTS = ("n", "seeds")
NUMBERS = ("value", "low", "high", "p", "effect_size", "mde", "margin", "p_claim")


def claims_frame(judged: Mapping[str, Sequence[Judgement]]) -> pd.DataFrame:
    """Return all comparisons, claim by claim; a positive ``value`` supports the claim.

    ``p`` is that of the comparison, ``p_claim`` that of the endpoint with Holm's correction over the claims of the run.
    ``role`` is "endpoint" or "secondary". A claim that no run evaluated has one row without numbers, with the reason in
    ``sentence`` if it is known.
    """
    lines = []
    for name, judgements in judged.items():
        rows = [row for judgement in judgements for row in _rows(judgement)] or [_empty_row(judgements[0])]
        lines += [{"claim": name, **row} for row in rows]
    frame = pd.DataFrame(lines, columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(NUMBERS, "float64") | dict.fromkeys(COUNTS, "Int64"))


def _rows(judgement: Judgement) -> list[dict[str, object]]:
    about = {
        "statement": judgement.claim.statement,
        "paper": judgement.claim.paper,
        "corpus": judgement.corpus,
        "run": judgement.run,
        "verdict": judgement.verdict,
        "p_claim": judgement.p,
        "reason": "; ".join(judgement.reasons),
    }
    roles = [*(("endpoint", effect) for effect in judgement.findings),
             *(("secondary", effect) for effect in judgement.secondary if judgement.findings)]  # fmt: skip
    return [{**about, **_numbers(effect), "role": role} for role, effect in roles]


def _numbers(effect: Effect) -> dict[str, object]:
    difference = effect.difference
    return {
        "sentence": effect.sentence,
        "value": difference.value,
        "low": difference.low,
        "high": difference.high,
        "p": difference.p,
        "effect_size": effect.effect_size,
        "mde": effect.mde,
        "n": effect.n,
        "seeds": effect.seeds,
        "part_verdict": effect.outcome,
        "margin": effect.margin,
    }


def _empty_row(judgement: Judgement) -> dict[str, object]:
    claim = judgement.claim
    verdict, _, reason = (claim.without_run or judgement.verdict).partition(": ")
    numbers = dict.fromkeys(NUMBERS, math.nan)
    return {"statement": claim.statement, "paper": claim.paper, "verdict": verdict, "sentence": reason, **numbers}
