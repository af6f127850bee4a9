"""Verdicts for the page: ``claims.csv`` has one row per comparison; the page groups them by claim and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

FILE = "claims.csv"


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with the verdict of one run. ``evidence`` holds its rows of ``claims.csv``.

    ``reason`` explains a claim without evidence, or a verdict other than a decision, if the file does.
    """

    name: str
    statement: str
    paper: str
    corpus: str
    run: str
    verdict: str
    evidence: Sequence[Mapping[str, str]]
    reason: str

    @property
    def kind(self) -> str:
        """The CSS class of the verdict; unknown verdicts are neutral."""
        kinds = {"supported": "supported", "refuted": "refuted", "equivalent": "equivalent", "underpowered": "open"}
        kinds |= dict.fromkeys(("not testable", "not converged"), "open")
        return kinds.get(self.verdict, "unjudged")


def judged_claims(folder: Path) -> list[JudgedClaim]:
    """Return the claims in the order of the file, those with a verdict first; an empty list without a file."""
    if not (folder / FILE).exists():
        return []
    frame = pd.read_csv(folder / FILE, dtype=str, keep_default_na=False)
    claims = []
    for (name, run), rows in frame.groupby(["claim", "run"], sort=False):
        first = rows.iloc[0]
        evidence = [{str(key): _short(text) for key, text in row.items()} for _, row in rows.iterrows()]
        claims.append(
            JudgedClaim(
                str(name), first["statement"], first["paper"], first["corpus"], str(run), first["verdict"],
                [row for row in evidence if row["value"]],
                first.get("reason", "") if first["value"] else first["sentence"],
            )
        )  # fmt: skip
    return sorted(claims, key=lambda claim: claim.kind == "unjudged")


def _short(text: str) -> str:
    """Round a number to three significant digits; other text is returned as it is."""
    try:
        number = float(text)
    except ValueError:
        return text
    return text if number.is_integer() else f"{number:.3g}"
