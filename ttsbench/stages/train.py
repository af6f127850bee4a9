"""Stage train: one loop for every objective, through Lightning Fabric.

Writes ``weights.safetensors``, ``curve.csv`` and ``cost.json``. The weights are an exponential moving average;
validation measures that average with the same noise every time and for all seeds, and the average with the lowest
validation loss of the generator is saved (the last one for objectives with ``AdapterInfo.keep = "last"``, whose loss
does not rank checkpoints). ``training_budget`` says when a training ends.

Batches, crops and noise are functions of (seed, step), and the checkpoint holds weights, averages, optimizers and
curve. A training that was killed therefore resumes to the same bits as an undisturbed one.

Each optimizer group has its own loss or shares one with others (``groups_of``); groups without a loss are not updated
at that step. Gradients of all groups are computed before any group is updated. Between devices they are averaged here
rather than by a wrapper around ``forward``, which would not see objectives that differentiate twice or call their
networks several times.
"""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from ttsbench import registry
from ttsbench.config.schema import TrainConfig
from ttsbench.config.specs import TrainSpec
from ttsbench.data.batching import Batches, RawBatch, collate, item
from ttsbench.data.corpus import PreparedCorpus
from ttsbench.data.prompts import Prompting
from ttsbench.data.waveforms import Waveforms
from ttsbench.engine.isolation import die_with_parent
from ttsbench.engine.job import Job, Progress, Run, Task
from ttsbench.engine.parts import require_parts
from ttsbench.engine.store import write_bytes, write_json, write_text
from ttsbench.errors import TtsbenchError
from ttsbench.interfaces import MonitoredAdapter
from ttsbench.models.prosody_prediction import predicted_log_f0
from ttsbench.models.speech_model import (
    SpeechModel,
    group_problem,
    groups_of,
    load_model,
    save_model,
    utterance_seed,
)  # fmt: skip
from ttsbench.stages.model_cache import store_model
from ttsbench.stages.training_budget import TrainingBudget
from ttsbench.types import Batch, Noise, Role

T = TypeVar("T")
CHECKPOINT = "checkpoint.safetensors"
REPORT_EVERY_S = 0.5
VALID_BATCH = 8  # clips that are validated together


def tasks(run: Run, job: Job[TrainSpec]) -> Sequence[Task]:
    """Return the single task of a training, or none if it is finished."""
    return [] if (job.path(run) / "cost.json").exists() else [{}]


def finish(run: Run, job: Job[TrainSpec]) -> None:
    """Delete the checkpoint and offer the model to other runs."""
    require_parts([job.path(run) / "cost.json"])
    (job.path(run) / CHECKPOINT).unlink(missing_ok=True)
    if run.experiment.compute.reuse:
        store_model(run, job)


def work(run: Run, job: Job[TrainSpec], task: Task, progress: Progress) -> None:
    """Train one model."""
    from lightning.fabric import Fabric

    compute = run.experiment.compute
    fabric = Fabric(
        accelerator=compute.accelerator,
        devices=compute.devices,
        strategy="ddp_spawn" if compute.devices > 1 else "auto",
        precision=compute.precision,
    )
    fabric.launch(partial(_train, run=run, job=job, progress=progress))


def _train(fabric: Any, run: Run, job: Job[TrainSpec], progress: Progress) -> None:
    if run.experiment.compute.devices > 1:
        die_with_parent()  # each device has a process, started by this worker
    trainer = Trainer(fabric, run, job)
    trainer.resume()
    trainer.run(progress)
    trainer.save()


def build_model(run: Run, job: Job[TrainSpec], corpus: PreparedCorpus) -> tuple[SpeechModel, dict[str, Any]]:
    """Return a model before its first step and its description.

    Weights are a function of the seed alone, so the shared conditioner starts equal for all objectives. With
    ``start_from`` all networks of the same shape start with the weights of one trained model.
    """
    spec = job.spec
    channels = run.experiment.mel.n_mels if spec.role == "acoustic" else 2
    train: TrainConfig = getattr(run.experiment.train, spec.role)
    steps = train.convergence.cap if spec.converge else int(spec.budget.get("steps", train.steps))
    shape = {"n_phones": len(corpus.phones), "n_speakers": len(corpus.speakers), "channels": channels}
    sources = {name: load_model(run.folder / folder, run.folder) for name, folder in spec.sources.items()}
    with torch.random.fork_rng():
        torch.manual_seed(spec.seed)
        model = SpeechModel(spec.adapter, spec.options, spec.role, run.experiment.model, shape, sources, steps)
    if spec.start:
        model.initialise_from(load_model(run.folder / spec.start, run.folder))
    description = {**spec.description(), "size": run.experiment.model.model_dump(), "shape": shape}
    return model, description


def _conditioned(corpus: PreparedCorpus, run: Run, job: Job[TrainSpec]) -> PreparedCorpus:
    """Return the corpus, with the log-F0 drawn by a prosody model if the model is to be trained on that.

    Durations stay those of the recording, because the frames of the target follow them. One draw serves the whole
    training.
    """
    predicted = job.spec.predicted_prosody
    if predicted is None:
        return corpus
    model = load_model(run.folder / predicted.model, run.folder)
    utterances = [*corpus.split("train"), *corpus.split("valid")]
    return corpus.with_log_f0(predicted_log_f0(model, corpus, utterances, job.spec.seed, predicted.sampling))


class Trainer:
    """The training loop and its state."""

    def __init__(self, fabric: Any, run: Run, job: Job[TrainSpec]) -> None:
        torch.use_deterministic_algorithms(True, warn_only=True)
        self._fabric, self._folder, self._seed = fabric, job.path(run), job.spec.seed
        self._role: Role = job.spec.role
        self._config: TrainConfig = getattr(run.experiment.train, self._role)
        self._config = self._config.model_copy(update=dict(job.spec.budget))
        info = registry.trainable(job.spec.adapter).info
        self._rates, self._keeps_best = info.learning_rates, info.keep == "best"
        self._budget = TrainingBudget(self._config, info.schedule, job.spec.converge)
        self._checkpoint_s = run.experiment.compute.checkpoint_s
        corpus = PreparedCorpus(run.layout.prepare).with_share(job.spec.data_share)
        corpus = _conditioned(corpus, run, job)
        config = self._config
        reach = run.experiment.model.encoder_reach
        crop_frames = None if info.free_running else config.crop_frames
        model, self._description = build_model(run, job, corpus)
        prompt = Prompting(corpus) if model.prompted else None
        waveform = Waveforms(run.experiment.mel, run.experiment.corpus) if info.waveform else None
        waveform = waveform if self._role == "acoustic" else None
        self._batches = Batches(corpus, self._role, config.batch_size, crop_frames, self._seed, reach, prompt, waveform)
        self._valid = _validation_batches(corpus, self._role, prompt, waveform)
        self._model: SpeechModel = fabric.to_device(model)
        self._average = AveragedModel(self._model.saved_modules(), avg_fn=partial(moving_average, config.ema))
        self._groups = self._model.group_parameters()
        self._optimizers = {
            name: torch.optim.AdamW(parameters, config.learning_rate, weight_decay=config.weight_decay)
            for name, parameters in self._groups.items()
        }
        self._step, self._seconds, self._curve = 0, 0.0, list[dict[str, float]]()
        self._best: dict[str, Tensor] = {}
        self._best_loss, self._best_step = math.inf, 0

    def run(self, progress: Progress) -> None:
        """Run all remaining steps."""
        began = checkpointed = reported = time.monotonic()
        before = self._seconds
        while self._step < self._budget.steps:
            self._one_step()
            self._step += 1
            now = time.monotonic()
            self._seconds = before + now - began
            if now - checkpointed > self._checkpoint_s:
                self._checkpoint()
                checkpointed = time.monotonic()
            is_due = now - reported > REPORT_EVERY_S or self._step == self._budget.steps
            if is_due and self._fabric.global_rank == 0:  # the processes of a training share one pipe
                progress(self._step / self._budget.steps)
                reported = now

    def save(self) -> None:
        """Write the averaged weights, the curve and the cost."""
        if self._fabric.global_rank != 0:
            return
        save_model(self._folder, self._best or self._average.module.state_dict(), self._description)
        self._write_curve()
        cost = {
            "seconds": self._seconds,
            "steps": self._step,
            "saved_step": self._best_step if self._best else self._step,
            "keep": "best" if self._keeps_best else "last",
            "decay_from": self._budget.decay_from,
            "plateau": self._budget.plateau if self._budget.converge else None,
            "parameters": self._model.parameter_count(),
        }
        write_json(self._folder / "cost.json", cost)

    def _one_step(self) -> None:
        config = self._config
        rate = self._budget.learning_rate(self._step)
        rank, world = self._fabric.global_rank, self._fabric.world_size
        batch = self._batches(self._step)
        share = float(batch.part(rank, world).mask.sum() / batch.mask.sum())
        losses = self._losses(batch, utterance_seed("train", self._seed, self._step), rank, world)
        norms = self._gradients(losses, share)
        for name in self._by_group(losses):
            optimizer = self._optimizers[name]
            for group in optimizer.param_groups:
                group["lr"] = rate * self._rates.get(name, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self._average.update_parameters(self._model.saved_modules())
        if (self._step + 1) % config.log_every == 0 or self._is_validated or self._step == 0:
            self._log(rate, {name: self._summed(loss.detach() * share) for name, loss in losses.items()}, norms)
        if self._budget.converge:
            self._budget.observe(self._step + 1, self._validated())

    @property
    def _is_validated(self) -> bool:
        """True if the model is validated after the current step."""
        return (self._step + 1) % self._config.validate_every == 0 or self._step + 1 == self._budget.steps

    def _validated(self) -> list[tuple[int, float]]:
        """Return the steps and values of the validation loss so far."""
        return [(int(row["step"]), row["valid_generator"]) for row in self._curve if "valid_generator" in row]

    def _losses(self, raw: RawBatch, seed: int, rank: int = 0, world: int = 1) -> dict[str, Tensor]:
        """Losses on the rows of ``rank``; the noise of a row does not depend on its device."""
        noise = Noise([utterance_seed(seed, row) for row in range(rank, len(raw.phones), world)])
        raw = raw.part(rank, world).to(self._fabric.device)
        with self._fabric.autocast():
            batch = Batch(raw.target, self._model(raw), raw.waveform)
            losses = dict(self._model.adapter.losses(batch, self._step, noise))
        if problem := group_problem(losses, self._groups):
            raise TtsbenchError(f"{self._name} returned {problem}.")
        for name, loss in losses.items():
            if not bool(torch.isfinite(loss)):
                self._write_curve()
                raise TtsbenchError(
                    f"The loss '{name}' of {self._name} became {float(loss.detach())} at step {self._step}. Lower "
                    f"train.{self._role}.learning_rate or clip_norm, or check the objective; the losses so far are in "
                    f"{self._folder / 'curve.csv'}."
                )
        return losses

    def _gradients(self, losses: Mapping[str, Tensor], share: float = 1.0) -> dict[str, float]:
        """Fill ``grad`` of each group from its own loss alone, clip it, and return its norm by loss.

        A loss is a mean over valid elements, so each device is weighted by its share of them.
        """
        norms = {}
        for left, (name, loss) in zip(range(len(losses) - 1, -1, -1), losses.items(), strict=True):
            parameters = self._model.loss_parameters(name)
            self._fabric.backward(loss, inputs=parameters, retain_graph=left > 0)
            if self._fabric.world_size > 1:
                for parameter in parameters:
                    if parameter.grad is not None:
                        parameter.grad = self._summed(parameter.grad * share)
            norms[name] = float(torch.nn.utils.clip_grad_norm_(parameters, self._config.clip_norm))
        return norms

    @staticmethod
    def _by_group(values: Mapping[str, T]) -> dict[str, T]:
        """Return values by optimizer group instead of by loss; the groups of one loss share its value."""
        return {group: value for name, value in values.items() for group in groups_of(name)}

    def _summed(self, tensor: Tensor) -> Tensor:
        if self._fabric.world_size == 1:
            return tensor
        total: Tensor = self._fabric.all_reduce(tensor, reduce_op="sum")
        return total

    def _log(self, rate: float, losses: Mapping[str, Tensor], norms: Mapping[str, float]) -> None:
        row = {"step": self._step + 1, "learning_rate": rate * self._rates.get("generator", 1.0)}
        row |= {f"loss_{name}": float(loss.detach()) for name, loss in self._by_group(losses).items()}
        row |= {f"gradient_norm_{name}": norm for name, norm in self._by_group(norms).items()}
        row |= self._monitored("")
        if self._is_validated:
            row |= self._validate()
        self._curve.append(row)

    def _validate(self) -> dict[str, float]:
        """Losses of the averaged weights on the validation split; remembers the weights if they are the best so far."""
        saved = self._model.saved_modules()
        current = {name: tensor.clone() for name, tensor in saved.state_dict().items()}
        average = {name: tensor.clone() for name, tensor in self._average.module.state_dict().items()}
        saved.load_state_dict(average)
        self._model.eval()
        values = self._validation_values()
        self._model.train()
        saved.load_state_dict(current)
        loss = values.get("valid_generator", math.inf)
        if self._keeps_best and loss < self._best_loss:
            self._best, self._best_loss, self._best_step = average, loss, self._step + 1
        return values

    def _validation_values(self) -> dict[str, float]:
        """Losses and monitored numbers, averaged over the batches of the validation split by their elements."""
        means: dict[str, float] = defaultdict(float)
        elements = sum(int(batch.mask.sum()) for batch in self._valid)
        for number, batch in enumerate(self._valid):
            # Not under no_grad: the loss of an energy model contains the gradient of its energy.
            losses = self._by_group(self._losses(batch, utterance_seed("valid", number)))
            values = {f"valid_{name}": float(loss.detach()) for name, loss in losses.items()}
            for name, value in (values | self._monitored("valid_")).items():
                means[name] += value * int(batch.mask.sum()) / elements
        return dict(means)

    def _monitored(self, prefix: str) -> dict[str, float]:
        """Numbers that the adapter reports about its latest losses, on this device's rows."""
        adapter = self._model.adapter
        monitored = adapter.monitored() if isinstance(adapter, MonitoredAdapter) else {}
        return {f"{prefix}monitored_{name}": float(value) for name, value in monitored.items()}

    @property
    def _name(self) -> str:
        return f"'{self._description['adapter']}' ({self._role} model)"

    def _checkpoint(self) -> None:
        if self._fabric.global_rank != 0:
            return
        tensors = {f"model.{name}": value for name, value in self._model.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self._average.state_dict().items()}
        for name, optimizer in self._optimizers.items():
            for index, state in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{name}.{index}.{key}": value for key, value in state.items()}
        tensors |= {f"best.{name}": value for name, value in self._best.items()}
        metadata = {
            "step": str(self._step),
            "seconds": str(self._seconds),
            "curve": json.dumps(self._curve),
            "best": json.dumps([self._best_loss, self._best_step]),
            "decay": json.dumps([self._budget.decay_from, self._budget.plateau]),
        }
        cpu = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
        write_bytes(self._folder / CHECKPOINT, save(cpu, metadata))
        self._write_curve()

    def resume(self) -> None:
        """Load the checkpoint if there is one."""
        path = self._folder / CHECKPOINT
        if not path.exists():
            return
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        self._model.load_state_dict(_under(tensors, "model."))
        self._average.load_state_dict(_under(tensors, "average."))
        for name, optimizer in self._optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in _under(tensors, f"optimizer.{name}.").items():
                index, _, field = key.partition(".")
                state.setdefault(int(index), {})[field] = value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
        self._step, self._seconds = int(metadata["step"]), float(metadata["seconds"])
        self._best = {name: tensor.to(self._fabric.device) for name, tensor in _under(tensors, "best.").items()}
        self._best_loss, self._best_step = json.loads(metadata["best"])
        self._curve = json.loads(metadata["curve"])
        self._budget.decay_from, self._budget.plateau = json.loads(metadata["decay"])

    def _write_curve(self) -> None:
        columns = list(dict.fromkeys(key for row in self._curve for key in row))
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._curve)
        write_text(self._folder / "curve.csv", buffer.getvalue())


def _validation_batches(
    corpus: PreparedCorpus, role: Role, prompt: Prompting | None, waveform: Waveforms | None
) -> list[RawBatch]:
    """Return the validation split in batches, sorted by length so that little is padding."""
    items = []
    for utterance in sorted(corpus.split("valid"), key=lambda utterance: utterance.frames):
        whole = item(corpus, utterance, role)
        whole = prompt(whole, utterance) if prompt else whole  # the same prompt every time
        items.append(waveform(whole, utterance) if waveform else whole)
    return [collate(items[start : start + VALID_BATCH], role) for start in range(0, len(items), VALID_BATCH)]


def moving_average(decay: float, average: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
    """Update an exponential moving average; after n updates the decay is at most (1 + n) / (10 + n)."""
    n = float(count)
    return torch.lerp(average, value, 1 - min(decay, (1 + n) / (10 + n)))


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
