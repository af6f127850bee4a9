"""From clips to a table: the jobs that follow whatever made the clips, be it a run's own systems or somebody's folders.

transcribe (each system and seed) -> score -> report
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ttsbench import registry
from ttsbench.config.loading import metric_info
from ttsbench.config.schema import Experiment
from ttsbench.engine.job import Job, Stage
from ttsbench.engine.store import content_hash
from ttsbench.pipeline import cost_model

VERSIONS: Mapping[Stage, int] = {
    "prepare": 1, "train": 1, "synthesize": 2, "collect": 1, "transcribe": 2, "score": 2, "report": 3
}  # fmt: skip
GROUND_TRUTH = "ground-truth"
COPY_SYNTHESIS = "copy-synthesis"
REPORT_S = 45.0  # of one core: 42 s for smoke, 55 s for a table of three seeds


def scoring_jobs(experiment: Experiment, made: Sequence[Job]) -> list[Job]:
    """Jobs that transcribe (where a metric reads transcripts), score and report what the jobs ``made`` leave."""
    needed = any("transcript" in metric_info(name, experiment).needs for name in experiment.metrics)
    transcribed = [_transcribe(experiment, job) for job in made] if needed else []
    score = _score(experiment, made, transcribed)
    return [*transcribed, score, _report(experiment, score)]


def _transcribe(experiment: Experiment, made: Job) -> Job:
    transcriber = experiment.transcriber
    heard_by = registry.plugin_key("transcribers", transcriber.name, transcriber.options)
    key = job_key("transcribe", made.key, heard_by)
    spec = {**made.spec, "wavs": made.folder}
    folder = made.folder.replace("wavs/", "transcripts/", 1)
    cost = cost_model.transcribe_s(experiment, int(made.spec["samples"]))
    name = made.id.replace(made.stage, "transcribe", 1)
    return Job(name, "transcribe", (made.id,), key, folder, cost, spec)


def _score(experiment: Experiment, made: Sequence[Job], transcribed: Sequence[Job]) -> Job:
    texts = {job.spec["wavs"]: job for job in transcribed}
    rows = []
    for job in made:
        text = texts.get(job.folder)
        # What was handed in is known clip by clip, by what it holds: one changed wav costs only its own cells.
        key, transcript_key = (None, None) if job.stage == "collect" else (job.key, text.key if text else None)
        rows.append(
            {
                "system": job.spec["system"],
                "seed": job.spec["seed"],
                "samples": job.spec["samples"],
                "wavs": job.folder,
                "transcripts": text.folder if text else None,
                "key": key,
                "transcript_key": transcript_key,
            }
        )
    metrics = {
        name: [options, metric_info(name, experiment).signature, registry.source_hash("metrics", name)]
        for name, options in experiment.metrics.items()
    }
    spec = {"systems": rows, "metric_keys": {name: job_key("score", value) for name, value in metrics.items()}}
    needs = tuple(job.id for job in (*made, *transcribed))
    key = job_key("score", spec, [job.key for job in (*made, *transcribed)])
    return Job(
        "score", "score", needs, key, "scores", cost_model.score_s(experiment, len(rows)), spec, incremental=True
    )


def _report(experiment: Experiment, score: Job) -> Job:
    claims = str(experiment.claims.read_bytes()) if experiment.claims and experiment.claims.is_file() else ""
    shown = [experiment.statistics.model_dump(), experiment.title, experiment.name, experiment.table.model_dump()]
    figures = sorted(entry.value for entry in registry.registered("figures").values())
    key = job_key("report", score.key, *shown, claims, figures)
    return Job("report", "report", (score.id,), key, "report", REPORT_S, score.spec)


def job_key(stage: Stage, *parts: Any) -> str:
    """The key of a job: its stage, the stage's version, and everything else that its result depends on."""
    return content_hash([stage, VERSIONS[stage], *parts])
