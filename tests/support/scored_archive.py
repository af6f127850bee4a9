"""An archive of made-up scores under real metrics, as `ttsbench archive` leaves it."""

import json

import numpy as np
import pandas as pd

from ttsbench import registry
from ttsbench.evaluation.clip_table import clip_frame, write_clip_rows
from ttsbench.evaluation.estimates import BootstrapSettings
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.evaluation.summary import summary, summary_frame


def made_up_rows(name, systems, utterances=12, seed=0):
    """Rows of a metric for systems with rising levels: every sufficient statistic is a positive number.

    Values spread as those of a real run do, so that tables show as many digits.
    """
    metric, rng = registry.load("metrics", name)(), np.random.default_rng(seed)
    lines = [
        (system, "0", "0", f"u{number}", *(1 + 0.2 * place + rng.random(len(metric.info.columns))), "", "")
        for place, system in enumerate(systems)
        for number in range(utterances)
    ]
    columns = ["system", "seed", "sample", "utterance", *metric.info.columns, "error", "warning"]
    return MetricRows(metric, pd.DataFrame(lines, columns=columns), metric.info.signature)


def write_archive(folder, experiment, systems):
    """Write rows, summary, failures, provenance and experiment."""
    folder.mkdir(parents=True)
    metrics = [made_up_rows(name, systems, seed=number) for number, name in enumerate(experiment.metrics)]
    speakers = {f"u{number}": f"s{number % 2}" for number in range(12)}
    write_clip_rows(clip_frame(metrics, speakers), folder / "rows.parquet")
    cells = summary(metrics, systems, BootstrapSettings(100, 0.95, 0))
    summary_frame(cells, metrics).to_csv(folder / "summary.csv", index=False)
    (folder / "failures.csv").write_text("metric,system,seed,sample,utterance,error\n,broken+oracle,,,,It diverged.\n")
    provenance = {"corpus": {"name": "folder", "notes": ["One clip was too long."]}}
    (folder / "provenance.json").write_text(json.dumps(provenance))
    (folder / "experiment.json").write_text(json.dumps(experiment.model_dump(mode="json")))
    return folder
