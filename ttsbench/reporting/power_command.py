"""The command ``ttsbench plan-power``: what a longer run needs to decide claims."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from ttsbench.engine.terminal import write_result
from ttsbench.errors import ConfigError, TtsbenchError


def add_plan_power(commands: Any, claims: Path) -> None:
    """Add the command to those of the parser; ``claims`` is the default file."""
    parser = commands.add_parser("plan-power", help="say how many seeds, utterances and draws decide each claim")
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder or archive with two seeds or more")
    parser.add_argument("--claims", type=Path, default=claims, metavar="FILE", help=f"(default: {claims})")
    parser.add_argument("--effect", type=float, metavar="X", help="effect to be found (default: the claim's margin)")
    parser.add_argument("--power", type=float, default=0.8, metavar="P", help="probability to find it (default: 0.8)")
    parser.set_defaults(command=_plan_power)


def _plan_power(options: argparse.Namespace) -> int:
    from ttsbench.reporting.claims import ScoredRun, judge_run, read_claims
    from ttsbench.reporting.claims.power_plan import power_table

    if not 0 < options.power < 1 or (options.effect is not None and not options.effect > 0):
        raise ConfigError("plan-power takes an --effect above 0 and a --power between 0 and 1.")
    run = ScoredRun(options.run)
    judged = judge_run(read_claims(options.claims), run)
    findings = {name: judgement.findings for name, judgement in judged.items() if judgement.findings}
    if not findings:
        raise TtsbenchError(f"{options.run} has the systems of no claim in {options.claims}; nothing can be planned.")
    if all(math.isnan(effect.deviation) for effects in findings.values() for effect in effects):
        raise TtsbenchError(
            f"{options.run} has a single training seed, which shows no variance; run it with --seed 0 1."
        )
    lines = power_table(findings, run, options.effect, options.power)
    write_result("\n".join([*lines, "", LEGEND]) + "\n")
    return 0


LEGEND = (
    "Deviation: between trainings, of the effect on the utterances of the run. Seeds needed: training seeds that find "
    "an effect of this size, and show equal systems to be equivalent within it, with the given power. The last columns "
    "are known for differences under metrics that are means over utterances."
)
