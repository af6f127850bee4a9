"""The jobs after the clips exist, whether a run synthesized them or the user's folders hold them.

transcribe (each system and seed) -> score -> report
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ttsbench import registry
from ttsbench.config.schema import Experiment
from ttsbench.config.specs import ClipsSpec, ScoredClips, ScoreSpec, TranscribeSpec
from ttsbench.config.systems import metric_infos
from ttsbench.engine.job import AnyJob, Job
from ttsbench.engine.layout import REPORT, SCORES, TRANSCRIPTS, WAVS
from ttsbench.pipeline import cost_model
from ttsbench.pipeline.keys import job_key
from ttsbench.types import MetricInfo

REPORT_S = 45.0  # seconds on one core: 42 for the smoke experiment, 55 for a table of three seeds


def scoring_jobs(
    experiment: Experiment,
    sources: Sequence[Job[ClipsSpec]],
    left_out: Mapping[str, str] | None = None,
    utterances: str = "",
) -> list[AnyJob]:
    """Return the jobs that transcribe (if a metric reads transcripts), score and report the clips of ``sources``.

    ``left_out`` maps systems without clips to the reason, which the report shows. ``utterances`` is the hash of the
    utterances of a comparison of folders, whose sources do not depend on texts and speakers.
    """
    metrics = metric_infos(experiment)
    reads_transcripts = any("transcript" in info.needs for info in metrics.values())
    transcribed = [_transcribe(experiment, job, utterances) for job in sources] if reads_transcripts else []
    score = _score(experiment, metrics, sources, transcribed, left_out or {}, utterances)
    return [*transcribed, score, _report(experiment, score)]


def _transcribe(experiment: Experiment, source: Job[ClipsSpec], utterances: str) -> Job[TranscribeSpec]:
    transcriber, clips = experiment.transcriber, source.spec
    recogniser = registry.plugin_key("transcribers", transcriber.name, transcriber.options)
    # The signature holds what the options refer to, such as the content of a word list.
    signature = registry.load("transcribers", transcriber.name)(["word"], **transcriber.options).signature
    return Job(
        f"transcribe{source.id.removeprefix(source.stage)}",
        "transcribe",
        (source.id,),
        job_key("transcribe", source.key, recogniser, signature, *([utterances] if utterances else [])),
        TRANSCRIPTS + source.folder.removeprefix(WAVS),
        cost_model.transcribe_s(experiment, clips.samples),
        TranscribeSpec(clips.system, clips.seed, clips.samples, source.folder),
    )


def _score(
    experiment: Experiment,
    metrics: Mapping[str, MetricInfo],
    sources: Sequence[Job[ClipsSpec]],
    transcribed: Sequence[Job[TranscribeSpec]],
    left_out: Mapping[str, str],
    utterances: str,
) -> Job[ScoreSpec]:
    transcripts = {job.spec.wavs: job for job in transcribed}
    clips = tuple(_scored_clips(job, transcripts.get(job.folder)) for job in sources)
    metric_keys = {
        name: job_key("score", [options, metrics[name].signature, registry.source_hash("metrics", name)])
        for name, options in experiment.metrics.items()
    }
    made: list[AnyJob] = [*sources, *transcribed]
    key = job_key(
        "score",
        [vars(scored) for scored in clips],
        metric_keys,
        [job.key for job in made],
        *([utterances] if utterances else []),
    )
    cost_s = cost_model.score_s(experiment, len(clips))
    needs = tuple(job.id for job in made)
    spec = ScoreSpec(clips, metric_keys, left_out)
    return Job("score", "score", needs, key, SCORES, cost_s, spec, incremental=True)


def _scored_clips(source: Job[ClipsSpec], transcripts: Job[TranscribeSpec] | None) -> ScoredClips:
    spec, folder = source.spec, transcripts.folder if transcripts else None
    if source.stage == "collect":  # each file of the user is hashed on its own: a changed wav costs only its own cells
        return ScoredClips(spec.system, spec.seed, spec.samples, source.folder, folder)
    transcript_key = transcripts.key if transcripts else None
    return ScoredClips(spec.system, spec.seed, spec.samples, source.folder, folder, source.key, transcript_key)


def _report(experiment: Experiment, score: Job[ScoreSpec]) -> Job[ScoreSpec]:
    claims = str(experiment.claims.read_bytes()) if experiment.claims and experiment.claims.is_file() else ""
    shown = [experiment.statistics.model_dump(), experiment.title, experiment.name, experiment.table.model_dump()]
    figures = sorted(entry.value for entry in registry.registered("figures").values())
    key = job_key("report", score.key, *shown, claims, figures, *([score.spec.left_out] if score.spec.left_out else []))
    return Job("report", "report", (score.id,), key, REPORT, REPORT_S, score.spec)
