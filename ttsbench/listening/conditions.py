"""Which systems are heard in a test, which of them are references, and what the others are compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttsbench.config.systems import COPY_SYNTHESIS, GROUND_TRUTH
from ttsbench.errors import ConfigError
from ttsbench.listening.kinds import Kind
from ttsbench.registry import did_you_mean

LOW_ANCHOR_HZ = 3500.0  # BS.1534-3 has one at 7000 Hz too, which speech suffers little from
MOST_TOGETHER = 12  # BS.1534-3: in one trial, the hidden reference and the anchors among them
REFERENCES = (GROUND_TRUTH, COPY_SYNTHESIS)


@dataclass(frozen=True)
class Conditions:
    """All that is heard, in the order of the table; ``anchors`` has the cut-off (Hz) of those that are anchors."""

    systems: tuple[str, ...]
    baseline: str
    anchors: Mapping[str, float]

    @property
    def references(self) -> tuple[str, ...]:
        """What is never ranked."""
        return tuple(name for name in self.systems if name in REFERENCES or name in self.anchors)


def choose(
    kind: Kind, known: Sequence[str], systems: Sequence[str], baseline: str, anchors: Sequence[float] | None
) -> Conditions:
    """Conditions from what was asked for; ``known`` are the systems of the run.

    Raises ``ConfigError`` for systems that the run does not have, and for more or fewer than the kind of test takes.
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
            raise ConfigError(f"--anchors {hz:g} is no cut-off in Hz; give one such as {LOW_ANCHOR_HZ:g}.")
    cutoffs = {f"anchor-{hz:g}Hz": hz for hz in anchors}
    heard = (*ordered[: _references(ordered)], *cutoffs, *ordered[_references(ordered) :])
    if len(heard) < 2:
        raise ConfigError(f"A test of {heard[0]} alone compares nothing: give more --systems.")
    if kind.arrangement == "together" and len(heard) > MOST_TOGETHER:
        raise ConfigError(
            f"{kind.title} puts {len(heard)} samples side by side and listeners can compare {MOST_TOGETHER} at most "
            f"(BS.1534-3): choose --systems among {', '.join(known)}."
        )
    return Conditions(heard, baseline, cutoffs)


def _references(systems: Sequence[str]) -> int:
    return sum(name in REFERENCES for name in systems)
