"""A finished run with planted scores, for the tests of figures."""

import numpy as np
import pandas as pd

from ttsbench.audio.histogram import Bins
from ttsbench.config.loading import validate
from ttsbench.evaluation.estimates import BootstrapSettings
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.evaluation.summary import compare, difference_frame, summary, summary_frame
from ttsbench.reporting.figures import FinishedRun
from ttsbench.types import MetricInfo

SAMPLING = BootstrapSettings(100, 0.95, 0)
# System -> level of MCD, function evaluations.
SYSTEMS = {"ground-truth": (0.0, 0), "copy-synthesis": (3.0, 0), "l1+oracle": (5.0, 1), "l2+oracle": (5.0, 1),
           "flow+oracle": (6.0, 1), "diffusion+oracle": (4.5, 16)}  # fmt: skip
EXPERIMENT = validate(
    {
        "name": "planted",
        "metrics": {name: {} for name in ("mcd", "nfe", "js_log_f0", "w1_same_input_f0", "gv_ratio")},
        "adapters": {name: {} for name in ("l1", "l2", "flow", "diffusion")},
        "prosody": ["oracle"],
        "table": {"titles": {"l1+oracle": "L1 costs $5 or $6", "mcd": "distortion"}},
    },
    "test",
)


class Mean:
    """The mean of one planted number per clip."""

    def __init__(self, name, unit="dB", higher=False, needs=frozenset()):
        self.info = MetricInfo(name, f"The {name}", unit, higher, ("value",), f"{name}|v1", "none", needs)

    def reduce(self, rows):
        return float(rows[:, 0].mean())


class Counts:
    """A histogram metric with two bins, from 0 to 2, whose counts are planted.

    The protocol of metrics has ``measure``, which no test of figures calls: they start from rows, not from clips.
    """

    bins = Bins(0.0, 1.0, 2)

    def __init__(self):
        columns = ("code", "clip_0_0", "clip_0_1", "reference_0_0", "reference_0_1")
        self.info = MetricInfo("js_log_f0", "JS", "bits", False, columns, "js|v1", "none")

    def measure(self, clip, reference):
        raise AssertionError("planted rows are never measured")

    def reduce(self, rows):
        clip, reference = rows[:, 1:].sum(axis=0).reshape(2, 2)
        return float(abs(clip - reference).sum() / reference.sum())

    def floor(self, rows, rng):
        return 0.0


def rows_of(metric, value):
    """Two seeds, twelve utterances; ``value(system, rng)`` gives a clip's statistics, or None where not asked."""
    rng, lines = np.random.default_rng(0), []
    for system in SYSTEMS:
        for seed in ("0", "1"):
            for number in range(12):
                found = value(system, rng)
                numbers = found or [np.nan] * len(metric.info.columns)
                error = "" if found else "not applicable"
                lines.append([system, seed, "0", f"u{number}", *numbers, error, ""])
    columns = ["system", "seed", "sample", "utterance", *metric.info.columns, "error", "warning"]
    return MetricRows(metric, pd.DataFrame(lines, columns=columns), metric.info.signature)


def planted_run(folder):
    """A finished run with these systems and scores."""
    metrics = [
        rows_of(Mean("mcd"), lambda system, rng: [SYSTEMS[system][0] + 0.05 * rng.standard_normal()]),
        rows_of(Mean("nfe", "calls", needs=frozenset({"cost"})),
                lambda system, rng: [float(SYSTEMS[system][1])] if system != "ground-truth" else None),
        rows_of(Counts(), lambda system, rng: [0.0, 3.0, 1.0, 1.0, 3.0] if system == "flow+oracle"
                else [0.0, 1.0, 3.0, 1.0, 3.0]),
        rows_of(Mean("w1_same_input_f0", "semitones", None), lambda system, rng: [rng.uniform(0, 2)]),
        rows_of(Mean("gv_ratio", "ratio", None), lambda system, rng: [rng.uniform(0.8, 1.2)]),
    ]  # fmt: skip
    cells = summary(metrics, list(SYSTEMS), SAMPLING)
    summary_frame(cells, metrics).to_csv(folder / "summary.csv", index=False)
    found = compare(metrics, list(SYSTEMS)[2:], SAMPLING)
    difference_frame(found, metrics).to_csv(folder / "differences.csv", index=False)
    for seed in (0, 1):
        model = folder / "train" / f"l1-acoustic-seed{seed}"
        model.mkdir(parents=True)
        (model / "curve.csv").write_text("step,loss_generator,valid_generator\n1,5,\n2,4,4.5\n", encoding="utf-8")
    by_name = {rows.info.name: rows for rows in metrics}
    return FinishedRun(folder, EXPERIMENT, "Twelve utterances.", list(SYSTEMS), by_name, {})
