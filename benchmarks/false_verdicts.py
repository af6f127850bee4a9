"""Rate of false verdicts: how often trainings of one objective, which differ in the seed alone, count as different.

    python benchmarks/false_verdicts.py --trainings 12 --pairs 200

Trains one cheap objective with ``--trainings`` seeds on the embedded corpus and scores the test split. A comparison
draws two disjoint groups of ``--seeds`` trainings, as if they were two objectives with these seeds each, and decides
between them as a claim does: by t over seeds, paired in the order of the seeds. The rate at which p is below .05 has to
be at most 6 %. Groups of different comparisons share trainings, so the rate is over ``--pairs`` dependent comparisons.
The table also shows planted effects: an offset of one, two and three margins on one of the groups, with a margin of
three times the deviation between trainings, which five seeds find in about nine of ten cases.

The models are small, because the test is about the statistics. The run lies in ``--output`` and is resumed; from
nothing it takes a few minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ttsbench.engine.engines import EngineChoice
from ttsbench.pipeline.commands import compare, read_experiment
from ttsbench.reporting.claims import Effect, ScoredRun
from ttsbench.reporting.claims.judgement import p_different

METRICS = ("mcd", "energy_score", "gv_ratio", "js_mel", "calibration")
SETTINGS = (
    "adapters.mdn={}", "acoustic=[mdn]", "prosody=[oracle]", "claims=null",
    "corpus.options={minutes: 6, renderings: 1}", "corpus.test=12", "corpus.valid=4", "synthesis.draws=4",
    "model={dim: 48, encoder_layers: 1, backbone_layers: 2}",
    "train.acoustic={start_steps: 60, steps: 60, warmup_steps: 10, validate_every: 30}",
)  # fmt: skip
LIMIT = 0.06
MARGIN = 3.0  # deviations between trainings


def main() -> int:
    """Return 1 if trainings differ significantly too often under any metric."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainings", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("runs/false-verdicts"))
    options = parser.parse_args()
    if 2 * options.seeds > options.trainings:
        parser.error(f"two groups of {options.seeds} seeds need {2 * options.seeds} trainings")
    experiment = read_experiment(Path("experiments/embedded.yaml"), SETTINGS, range(options.trainings))
    experiment = experiment.model_copy(update={"metrics": {name: {} for name in METRICS}})
    if compare(
        experiment,
        options.output,
        EngineChoice(workers=options.jobs),
        quiet=True,
        command="benchmarks/false_verdicts.py",
    ):
        return 1
    run = ScoredRun(options.output)
    rates = {name: rejections(run.seed_values(name, ["mdn+oracle"])[0][0], options) for name in METRICS}
    print("| metric | deviation between trainings | told apart | +1 margin | +2 margins | +3 margins |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, (deviation, shares) in rates.items():
        print(f"| {name} | {deviation:.3g} | {' | '.join(f'{share:.1%}' for share in shares)} |")
    pooled = float(np.mean([shares[0] for _, shares in rates.values()]))
    print(f"\nOver all metrics {pooled:.1%} of trainings of one objective are told apart; the limit is {LIMIT:.0%}.")
    return int(pooled > LIMIT)


def rejections(values: NDArray[np.float64], options: argparse.Namespace) -> tuple[float, list[float]]:
    """Return the deviation between trainings (N,), and the rates of verdicts without and with planted effects."""
    rng, deviation = np.random.default_rng(0), float(values.std(ddof=1))
    margin, shares = MARGIN * deviation, []
    for offset in range(4):
        right = []
        for _ in range(options.pairs):
            order = rng.permutation(len(values))[: 2 * options.seeds].reshape(2, -1)
            difference = values[order[0]] - values[order[1]] + offset * margin
            effect = Effect("", "", difference, margin if offset else 1e-9 + 0.01 * deviation, 1)
            right.append(p_different([effect]) < 0.05 if not offset else effect.outcome == "supported")
        shares.append(float(np.mean(right)))
    return deviation, shares


if __name__ == "__main__":
    sys.exit(main())
