"""The claims of the page: ``claims.csv``, one row per comparison, gathered by claim and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

FILE = "claims.csv"


@dataclass(frozen=True)
class JudgedClaim:
    """A claim in the light of one run. ``evidence`` is what its verdict rests on, a row of ``claims.csv`` each.

    ``why`` tells of one without evidence why there is none, as far as the file does.
    """

    name: str
    statement: str
    paper: str
    corpus: str
    run: str
    verdict: str
    evidence: Sequence[Mapping[str, str]]
    why: str

    @property
    def kind(self) -> str:
        """The verdict as the name of a style; of an unknown one the neutral."""
        known = {"supported", "refuted", "inconclusive"}
        return self.verdict if self.verdict in known else "unjudged"


def judged_claims(folder: Path) -> list[JudgedClaim]:
    """The claims in the order of the file, those with a verdict first; none where there is no file."""
    if not (folder / FILE).exists():
        return []
    frame = pd.read_csv(folder / FILE, dtype=str, keep_default_na=False)
    found = []
    for (name, run), rows in frame.groupby(["claim", "run"], sort=False):
        first = rows.iloc[0]
        evidence = [{str(key): _short(text) for key, text in row.items()} for _, row in rows.iterrows()]
        found.append(
            JudgedClaim(
                str(name), first["statement"], first["paper"], first["corpus"], str(run), first["verdict"],
                [row for row in evidence if row["value"]], "" if first["value"] else first["sentence"],
            )
        )  # fmt: skip
    return sorted(found, key=lambda claim: claim.kind == "unjudged")


def _short(text: str) -> str:
    """A number to three significant digits; whatever is none as it is."""
    try:
        number = float(text)
    except ValueError:
        return text
    return text if number.is_integer() else f"{number:.3g}"
