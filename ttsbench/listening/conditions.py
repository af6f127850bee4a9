"""Select the systems of a test, its references and its baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttsbench.config.systems import GROUND_TRUTH, REFERENCES
from ttsbench.errors import ConfigError
from ttsbench.listening.kinds import Kind
from ttsbench.registry import did_you_mean

LOW_ANCHOR_HZ = 3500.0  # BS.1534-3 also has a middle anchor at 7000 Hz, which changes speech little
MOST_TOGETHER = 12  # BS.1534-3: samples of one trial, including hidden reference and anchors


@dataclass(frozen=True)
class Conditions:
    """The systems of a test in the order of the table; ``anchors`` maps anchors to their cut-off in Hz."""

    systems: tuple[str, ...]
    baseline: str
    anchors: Mapping[str, float]

    @property
    def references(self) -> tuple[str, ...]:
        """Systems that are never ranked."""
        return tuple(name for name in self.systems if name in REFERENCES or name in self.anchors)


def choose(
    kind: Kind, known: Sequence[str], systems: Sequence[str], baseline: str, anchors: Sequence[float] | None
) -> Conditions:
    """Return the conditions of a request; ``known`` are the systems of the run.

    Raises ``ConfigError`` for unknown systems, and for a number of systems that the kind of test does not allow.
    """
    for name in (*systems, *([baseline] if baseline else [])):
        if name not in known:
            raise ConfigError(f"The run has no system '{name}'. {did_you_mean(name, known)}")
    if anchors is None:
        anchors = () if kind.paired else (LOW_ANCHOR_HZ,)
    models = [name for name in known if name not in REFERENCES]
    chosen = list(systems) or (models if kind.paired else list(known))
    baseline = baseline or next((name for name in chosen if name in models), chosen[0])
    needed = {baseline} | ({GROUND_TRUTH} if kind.arrangement == "together" else set())
    ordered = [name for name in known if name in {*chosen, *needed}]
    for hz in anchors:
        if not 0 < hz < math.inf:
            raise ConfigError(f"--anchors {hz:g} is not a cut-off in Hz. Give a value such as {LOW_ANCHOR_HZ:g}.")
    cutoffs = {f"anchor-{hz:g}Hz": hz for hz in anchors}
    names = (*ordered[: _references(ordered)], *cutoffs, *ordered[_references(ordered) :])
    if len(names) < 2:
        raise ConfigError(f"A test of {names[0]} alone compares nothing. Give more --systems.")
    if kind.arrangement == "together" and len(names) > MOST_TOGETHER:
        raise ConfigError(
            f"{kind.title} puts {len(names)} samples side by side, but listeners compare at most {MOST_TOGETHER} "
            f"(BS.1534-3). Choose --systems among {', '.join(known)}."
        )
    return Conditions(names, baseline, cutoffs)


def _references(systems: Sequence[str]) -> int:
    return sum(name in REFERENCES for name in systems)
