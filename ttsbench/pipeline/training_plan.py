"""The training jobs of a plan: every model that the systems need, trained once however many labels share it."""

from __future__ import annotations

from ttsbench import registry
from ttsbench.config.schema import ORACLE, AdapterConfig, Experiment, TrainConfig
from ttsbench.config.specs import PredictedProsody, PrepareSpec, TrainSpec
from ttsbench.config.systems import sampling_settings
from ttsbench.engine.job import Job
from ttsbench.engine.layout import train_folder
from ttsbench.pipeline import cost_model
from ttsbench.pipeline.keys import job_key
from ttsbench.types import Role


class TrainingPlan:
    """Training jobs by key, created on demand; the jobs of the models that a model starts from come first."""

    def __init__(self, experiment: Experiment, prepare: Job[PrepareSpec]) -> None:
        self._experiment, self._prepare = experiment, prepare
        self.jobs: dict[str, Job[TrainSpec]] = {}

    def model(self, label: str, role: Role, seed: int) -> Job[TrainSpec]:
        """Return the job that trains the model of a label for a role and a seed."""
        return self._job(self._experiment.adapters[label], label, role, seed)

    def with_sources(self, job: Job[TrainSpec]) -> list[Job[TrainSpec]]:
        """Return a training after the trainings of all models that its model cannot be loaded without."""
        folders = job.spec.sources.values()
        sources = [source for source in self.jobs.values() if source.folder in folders]
        return [*(loaded for source in sources for loaded in self.with_sources(source)), job]

    def _job(self, config: AdapterConfig, label: str, role: Role, seed: int, is_start: bool = False) -> Job[TrainSpec]:
        """Return the training of an adapter; ``is_start`` marks the model that all models of a role start from."""

        def default(name: str) -> AdapterConfig:
            return AdapterConfig(adapter=name, data_share=config.data_share)

        names = registry.starts_from(config.adapter, config.options)
        sources = {name: self._job(default(name), name, role, seed) for name in names}
        predicted = role == "acoustic" and config.trained_on != ORACLE
        prosody = self.model(config.trained_on, "prosody", seed) if predicted else None
        train, budget = self._budget(config, role, is_start)
        keeps_best = registry.trainable(config.adapter).info.keep == "best"
        converge = self._experiment.budget == "converged" and keeps_best and "steps" not in budget
        start = None
        if train.start_from:
            start = self._job(default(train.start_from), "start", role, seed, is_start=True)
        spec = TrainSpec(
            config.adapter,
            config.options,
            role,
            seed,
            {name: job.folder for name, job in sources.items()},
            start.folder if start else None,
            budget,
            converge,
            config.data_share,
            PredictedProsody(prosody.folder, sampling_settings(self._experiment, config.trained_on))
            if prosody
            else None,
        )
        firsts = [*sources.values(), *(job for job in (prosody, start) if job)]
        key = self._key(spec, train, sources, start, prosody)
        if key not in self.jobs:
            self.jobs[key] = self._new(key, label, spec, train, firsts)
        return self.jobs[key]

    def _budget(self, config: AdapterConfig, role: Role, is_start: bool) -> tuple[TrainConfig, dict[str, float]]:
        """Return the budget of a training, and what differs from the experiment's budget for the role."""
        train: TrainConfig = getattr(self._experiment.train, role)
        if is_start:
            budget: dict[str, float] = {"steps": train.start_steps}
            return train.model_copy(update={**budget, "start_from": ""}), budget
        own = {"batch_size": config.batch_size, "steps": config.steps, "learning_rate": config.learning_rate}
        budget = {name: value for name, value in own.items() if value}
        return train.model_copy(update=budget), budget

    def _key(
        self,
        spec: TrainSpec,
        train: TrainConfig,
        sources: dict[str, Job[TrainSpec]],
        start: Job[TrainSpec] | None,
        prosody: Job[TrainSpec] | None,
    ) -> str:
        """Return the hash of everything that the weights depend on."""
        kind = registry.kind_of(spec.adapter)
        version = registry.trainable(spec.adapter).info.version
        code = [spec.adapter, spec.options, version, registry.source_hash(kind, spec.adapter)]
        experiment = self._experiment
        budget = train.model_dump(exclude={"steps"} if spec.converge else {"convergence"})
        settings = [spec.role, spec.seed, budget, spec.converge, experiment.model.model_dump()]
        predicted = spec.predicted_prosody
        return job_key(
            "train",
            self._prepare.key,
            code,
            [*settings, experiment.compute.precision],
            {name: job.key for name, job in sources.items()},
            start.key if start else None,
            spec.data_share,
            [prosody.key, predicted.sampling.key()] if prosody and predicted else None,
        )

    def _new(
        self, key: str, label: str, spec: TrainSpec, train: TrainConfig, firsts: list[Job[TrainSpec]]
    ) -> Job[TrainSpec]:
        name = f"{label}-{spec.role}-seed{spec.seed}"
        if any(job.id == f"train {name}" for job in self.jobs.values()):
            name += f"-{key[:8]}"  # the label equals the name of an adapter that others start from, with other options
        needs = dict.fromkeys(job.id for first in firsts for job in self.with_sources(first))
        step_cost = registry.trainable(spec.adapter).info.step_cost
        steps = train.convergence.cap if spec.converge else train.steps
        cost_s = cost_model.train_s(self._experiment, train, steps, spec.role, step_cost)
        return Job(f"train {name}", "train", (self._prepare.id, *needs), key, train_folder(name), cost_s, spec)
