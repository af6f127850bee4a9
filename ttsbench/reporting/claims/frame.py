"""Verdicts as a table: ``claims.csv``, one row per comparison that a claim was held to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from ttsbench.reporting.claims.judgement import Judgement

COLUMNS = (
    "claim", "says", "paper", "corpus", "run", "verdict", "sentence", "value", "low", "high", "p", "effect_size",
    "mde", "n", "seeds", "part_verdict",
)  # fmt: skip
COUNTS = ("n", "seeds")
NUMBERS = ("value", "low", "high", "p", "effect_size", "mde")


def claims_frame(judged: Mapping[str, Sequence[Judgement]]) -> pd.DataFrame:
    """All comparisons, claim by claim; a positive ``value`` speaks for the claim, ``p`` is after Holm's correction.

    A claim that no run judged has one row, without numbers; ``sentence`` then says why, where that is known.
    """
    lines = []
    for name, judgements in judged.items():
        told = [row for one in judgements for row in _rows(one)] or [_empty(judgements[0])]
        lines += [{"claim": name, **row} for row in told]
    frame = pd.DataFrame(lines, columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(NUMBERS, "float64") | dict.fromkeys(COUNTS, "Int64"))


def _rows(judgement: Judgement) -> list[dict[str, object]]:
    about = {
        "says": judgement.claim.says,
        "paper": judgement.claim.paper,
        "corpus": judgement.corpus,
        "run": judgement.run,
        "verdict": judgement.verdict,
    }
    return [
        {
            **about,
            "sentence": finding.sentence,
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "p": one.p_holm,
            "effect_size": one.effect_size,
            "mde": one.mde,
            "n": one.n,
            "seeds": one.seeds,
            "part_verdict": finding.verdict,
        }
        for finding in judgement.findings
        for one in (finding.comparison,)
    ]


def _empty(judgement: Judgement) -> dict[str, object]:
    claim = judgement.claim
    verdict, _, why = (claim.without_run or judgement.verdict).partition(": ")
    numbers = dict.fromkeys(NUMBERS, math.nan)
    return {"says": claim.says, "paper": claim.paper, "verdict": verdict, "sentence": why, **numbers}
