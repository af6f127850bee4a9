"""Verdicts as a data frame, ``claims.csv``: one row per comparison of a claim."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from ttsbench.reporting.claims.judgement import Judgement

COLUMNS = (
    "claim", "statement", "paper", "corpus", "run", "verdict", "sentence", "value", "low", "high", "p", "effect_size",
    "mde", "n", "seeds", "part_verdict",
)  # fmt: skip
COUNTS = ("n", "seeds")
NUMBERS = ("value", "low", "high", "p", "effect_size", "mde")


def claims_frame(judged: Mapping[str, Sequence[Judgement]]) -> pd.DataFrame:
    """Return all comparisons, claim by claim; a positive ``value`` supports the claim, ``p`` is Holm-corrected.

    A claim that no run evaluated has one row without numbers, with the reason in ``sentence`` if it is known.
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
    }
    return [
        {
            **about,
            "sentence": finding.sentence,
            "value": comparison.value,
            "low": comparison.low,
            "high": comparison.high,
            "p": comparison.p_holm,
            "effect_size": comparison.effect_size,
            "mde": comparison.mde,
            "n": comparison.n,
            "seeds": comparison.seeds,
            "part_verdict": finding.verdict,
        }
        for finding in judgement.findings
        for comparison in (finding.comparison,)
    ]


def _empty_row(judgement: Judgement) -> dict[str, object]:
    claim = judgement.claim
    verdict, _, reason = (claim.without_run or judgement.verdict).partition(": ")
    numbers = dict.fromkeys(NUMBERS, math.nan)
    return {"statement": claim.statement, "paper": claim.paper, "verdict": verdict, "sentence": reason, **numbers}
