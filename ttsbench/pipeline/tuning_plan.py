"""The tuning jobs of a plan: one for each label and role whose sampling settings are chosen on the validation split."""

from __future__ import annotations

from dataclasses import asdict

from ttsbench import registry
from ttsbench.config.schema import Experiment
from ttsbench.config.specs import PrepareSpec, TuneSpec
from ttsbench.config.systems import sampling_settings
from ttsbench.engine.job import Job
from ttsbench.engine.layout import tune_folder
from ttsbench.pipeline import cost_model
from ttsbench.pipeline.keys import job_key
from ttsbench.pipeline.search import trial_settings
from ttsbench.pipeline.training_plan import TrainingPlan
from ttsbench.types import Role


class TuningPlan:
    """Tuning jobs by label and role, created on demand. They use the model of the first training seed."""

    def __init__(self, experiment: Experiment, prepare: Job[PrepareSpec], training: TrainingPlan) -> None:
        self._experiment, self._prepare, self._training = experiment, prepare, training
        self.jobs: dict[tuple[str, Role], Job[TuneSpec]] = {}

    def job(self, label: str, role: Role) -> Job[TuneSpec]:
        """Return the job that chooses the sampling settings of a label in a role."""
        if (label, role) not in self.jobs:
            self.jobs[label, role] = self._new(label, role)
        return self.jobs[label, role]

    def _new(self, label: str, role: Role) -> Job[TuneSpec]:
        experiment, tuning = self._experiment, self._experiment.tuning
        adapter = experiment.adapters[label].adapter
        default = sampling_settings(experiment, label)
        trials = trial_settings(default, adapter, registry.load("adapters", adapter).info.search, tuning.trials)
        seed = experiment.seeds[0]
        model = self._training.model(label, role, seed)
        score = tuning.score if role == "acoustic" else tuning.prosody_score
        options = experiment.metrics.get(score, {})
        metric = [options, registry.load("metrics", score)(**options).info.signature]
        settings = [score, metric, registry.source_hash("metrics", score), tuning.utterances, tuning.draws, seed, role]
        cost_s = sum(
            cost_model.sample_s(experiment, tuning.utterances, tuning.draws, {role: trial}) for trial in trials
        )
        needs = (self._prepare.id, *(job.id for job in self._training.with_sources(model)))
        return Job(
            f"tune {label}-{role}",
            "tune",
            needs,
            job_key("tune", self._prepare.key, model.key, [asdict(trial) for trial in trials], settings),
            tune_folder(label, role),
            cost_s,
            TuneSpec(label, role, seed, model.folder, tuple(trials), score, tuning.draws),
        )
