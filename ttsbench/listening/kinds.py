"""Kinds of listening test: their presentation, question and scale.

MOS: absolute category rating of single clips, ITU-T P.800 (1996), annex B, in a browser as in ITU-T P.808 (2021).
CMOS: comparison category rating, P.800, annex E, with balanced order of pairs. Preference: the same with three answers.
MUSHRA: ITU-R BS.1534-3 (2015), with the recording as open reference and as hidden reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ttsbench.errors import ConfigError
from ttsbench.registry import did_you_mean
from ttsbench.types import MetricInfo

Arrangement = Literal["single", "pair", "together"]


@dataclass(frozen=True)
class Kind:
    """A kind of test. Ratings are integers from ``low`` to ``high``; in a pair, of the second clip against the first.

    ``labels`` maps ratings to their labels, in display order. A table shows ``offset + factor * rating``, so a system
    that is as good as the baseline of a paired test has the value ``offset``.
    """

    name: str
    title: str
    arrangement: Arrangement
    question: str
    low: int
    high: int
    labels: Mapping[int, str]
    unit: str
    signature: str
    paper: str
    offset: float = 0.0
    factor: float = 1.0

    @property
    def paired(self) -> bool:
        """True if systems are rated in pairs with a baseline."""
        return self.arrangement == "pair"

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and highest value of a rating in a table."""
        return self.offset + self.factor * self.low, self.offset + self.factor * self.high

    def info(self, screening: str) -> MetricInfo:
        """Return the test as a metric of the tables; ``screening`` becomes part of the signature."""
        return MetricInfo(
            self.name, self.title, self.unit, True, ("rating",), f"{self.signature}|two-way-t|screening:{screening}|v1",
            self.paper,
        )  # fmt: skip


_QUALITY = {5: "Excellent", 4: "Good", 3: "Fair", 2: "Poor", 1: "Bad"}
_COMPARED = {3: "much better", 2: "better", 1: "slightly better", 0: "about the same", -1: "slightly worse",
             -2: "worse", -3: "much worse"}  # fmt: skip

KINDS = {
    kind.name: kind
    for kind in (
        Kind("mos", "MOS", "single", "How do you rate the quality of this speech?", 1, 5, _QUALITY, "1 to 5",
             "mos|acr:1-5", "ITU-T P.800 (1996), annex B; ITU-T P.808 (2021)"),
        Kind("cmos", "CMOS", "pair", "How is the quality of B, compared with that of A?", -3, 3,
             {rating: f"B is {label}" for rating, label in _COMPARED.items()} | {0: "They are about the same"},
             "-3 to 3", "cmos|ccr:-3-3|against:baseline", "ITU-T P.800 (1996), annex E"),
        Kind("preference", "Preference", "pair", "Which of the two do you prefer?", -1, 1,
             {-1: "I prefer A", 0: "No preference", 1: "I prefer B"}, "%", "preference|no-preference:half",
             "a convention of the field", 50.0, 50.0),
        Kind("mushra", "MUSHRA", "together", "How good is each sample, compared with the reference?", 0, 100,
             {20 * number - 10: _QUALITY[number] for number in _QUALITY}, "0 to 100", "mushra|0-100|hidden-reference",
             "ITU-R BS.1534-3 (2015)"),
    )
}  # fmt: skip


def kind_of(name: str) -> Kind:
    """Return the kind of this name; raises ``ConfigError``."""
    if name not in KINDS:
        raise ConfigError(f"--test: '{name}' is not a kind of listening test. {did_you_mean(name, KINDS)}")
    return KINDS[name]
