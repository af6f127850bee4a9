"""The kinds of listening test: what is heard together, what is asked, and which numbers answer it.

MOS: absolute category rating of single clips, ITU-T P.800 (1996), annex B, done in a browser as ITU-T P.808 (2021)
describes. CMOS: comparison category rating, P.800, annex E; the order of a pair is balanced. Preference: the same with
three answers. MUSHRA: ITU-R BS.1534-3 (2015), with the recording as reference, hidden among what is rated.
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
    """One kind of test. Ratings are whole numbers from ``low`` to ``high``; of a pair, of the second against the first.

    ``labels`` says what numbers mean, in the order in which a listener reads them. In a table a rating counts
    ``offset + factor * rating``, and a system that is as good as the baseline of a pair has ``offset``.
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
        """Whether systems are heard against a baseline, rather than each for itself."""
        return self.arrangement == "pair"

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the most that a rating counts."""
        return self.offset + self.factor * self.low, self.offset + self.factor * self.high

    def info(self, screening: str) -> MetricInfo:
        """The test as a metric of the tables; ``screening`` ends its signature."""
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
    """The kind of a name; raises ``ConfigError``."""
    if name not in KINDS:
        raise ConfigError(f"--test: '{name}' is no kind of listening test. {did_you_mean(name, KINDS)}")
    return KINDS[name]
