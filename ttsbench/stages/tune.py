"""Stage tune: choose the sampling settings of a model on the validation split.

Each trial samples the first ``utterances`` utterances of the validation split ``draws`` times with other settings, with
the same noise for all trials, and measures the score of the experiment (by default the energy score of mels for
acoustic models, of phrases for prosody models). The trial with the best score wins; ties go to the earlier trial, and
the first one has the settings of the label. A trial of which a draw fails has no score. Trials run on the model of the
first training seed, and the chosen settings are used for all seeds. The test split is never read.

``ttsbench/pipeline/search.py`` says which settings are tried. Writes ``trials/<n>.json`` and ``tuned.json``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench import registry
from ttsbench.audio.wav import load_clip_audio
from ttsbench.config.specs import SynthesizeSpec, TuneSpec
from ttsbench.config.systems import SamplingSettings
from ttsbench.data.corpus import PreparedCorpus, PreparedUtterance
from ttsbench.engine.job import Job, Progress, Run, Task
from ttsbench.engine.parts import require_parts
from ttsbench.engine.store import read_json, write_json
from ttsbench.errors import ClipError, MeasurementError, TtsbenchError
from ttsbench.evaluation.tuning import TUNED
from ttsbench.stages.model_draws import recorded_draws, sampled_draws, standardised
from ttsbench.stages.sampling import Sampler
from ttsbench.types import Clip, Draws, Phone

TuneJob = Job[TuneSpec]


def tasks(run: Run, job: TuneJob) -> Sequence[Task]:
    """Return the trials without a result."""
    return [{"trial": number} for number in range(len(job.spec.trials)) if not _trial(job.path(run), number).exists()]


def work(run: Run, job: TuneJob, task: Task, progress: Progress) -> None:
    """Carry out one trial."""
    number = int(task["trial"])
    settings = job.spec.trials[number]
    corpus = PreparedCorpus(run.layout.prepare)
    sampler = Sampler(run, _synthesis(job, settings), corpus)
    utterances = corpus.split("valid")[: run.experiment.tuning.utterances]
    metric = registry.load("metrics", job.spec.score)(**run.experiment.metrics.get(job.spec.score, {}))
    rows, reason = [], ""
    for done, utterance in enumerate(utterances):
        try:
            rows.append(_measure(run, metric, sampler, corpus, utterance, job.spec))
        except (ClipError, MeasurementError) as error:
            reason = f"{utterance.id}: {error}"
            break
        progress((done + 1) / len(utterances))
    score = math.nan if reason else float(metric.reduce(np.array(rows)))
    result = {"settings": asdict(settings), "score": None if math.isnan(score) else score, "failure": reason}
    write_json(_trial(job.path(run), number), result)


def finish(run: Run, job: TuneJob) -> None:
    """Choose the best trial."""
    parts = [_trial(job.path(run), number) for number in range(len(job.spec.trials))]
    require_parts(parts)
    trials = [read_json(part) for part in parts]
    info = registry.load("metrics", job.spec.score)(**run.experiment.metrics.get(job.spec.score, {})).info
    sign = -1.0 if info.higher_is_better else 1.0
    scored = [trial for trial in trials if trial["score"] is not None]
    if not scored:
        raise TtsbenchError(
            f"{job.id}: no trial could be scored; the first failed with: {trials[0]['failure']}. Remove `tuned` from "
            "the label."
        )
    best = min(scored, key=lambda trial: sign * trial["score"])
    write_json(job.path(run) / TUNED, {**best, "metric": job.spec.score, "trials": trials})


def _measure(
    run: Run, metric: Any, sampler: Sampler, corpus: PreparedCorpus, utterance: PreparedUtterance, spec: TuneSpec
) -> tuple[float, ...]:
    """Return the statistics of an utterance.

    The metric reads draws alone, so no draw is vocoded, and the samples of both clips are those of the recording.
    """
    has_mels = run.experiment.codec is None
    numbers = [(utterance, number) for number in range(spec.draws)]
    if spec.role == "prosody":
        prosodies = sampler.sample_prosody(numbers)
        draws = Draws(prosody=np.stack([standardised(prosody, corpus.norm) for prosody in prosodies]))
    else:
        samples = [sample for number in numbers for sample in sampler.sample([number])]
        draws = sampled_draws(samples, sampler, corpus, has_mels)
    rate = run.experiment.mel.sample_rate
    audio = load_clip_audio(Path(utterance.audio), rate, max_s=run.experiment.corpus.max_s)
    phones = tuple(Phone(label, 0.0, 0.0) for label in utterance.phones)
    clip, reference = (
        Clip(utterance.id, audio, rate, utterance.text, utterance.speaker, phones=phones, draws=each)
        for each in (draws, recorded_draws(corpus, utterance, has_mels))
    )
    values: tuple[float, ...] = metric.measure(clip, reference)
    return values


def _synthesis(job: TuneJob, settings: SamplingSettings) -> Job[SynthesizeSpec]:
    """Return a job with which a ``Sampler`` samples the model with these settings."""
    spec = job.spec
    sampling = {spec.role: settings}
    sampled = SynthesizeSpec(spec.label, spec.seed, 1, spec.draws, {spec.role: spec.model}, sampling)
    return Job(job.id, job.stage, job.needs, job.key, job.folder, job.cost_s, sampled)


def _trial(folder: Path, number: int) -> Path:
    return folder / "trials" / f"{number}.json"
