"""The training loop: one for every objective, through Lightning Fabric.

The weights are an exponential moving average; validation measures that average with the same noise every time and for
all seeds, and the average with the lowest validation loss of the generator is saved (the last one for objectives with
``AdapterInfo.keep = "last"``, whose loss does not rank checkpoints). ``training_budget`` says when a training ends.

Batches, crops and noise are functions of (seed, step), and the checkpoint holds weights, averages, optimizers and
curve. A training that was killed therefore resumes to the same bits as an undisturbed one.

Each optimizer group has its own loss or shares one with others (``groups_of``); groups without a loss are not updated
at that step. Gradients of all groups are computed before any group is updated.

Between two logged steps the host never waits for the device: losses stay there, and are read and checked together when
a step is logged, validated or checkpointed. ``tests/stages/test_pretend_training.py`` counts the waits.
"""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from ttsbench import registry
from ttsbench.config.schema import TrainConfig
from ttsbench.config.specs import TrainSpec
from ttsbench.data.batching import Batches, RawBatch
from ttsbench.data.corpus import PreparedCorpus
from ttsbench.data.prompts import Prompting
from ttsbench.data.waveforms import Waveforms
from ttsbench.devices import device_name, host_name
from ttsbench.engine.job import Job, Progress, Run
from ttsbench.engine.store import write_bytes, write_json, write_text
from ttsbench.errors import TtsbenchError
from ttsbench.interfaces import MonitoredAdapter
from ttsbench.models.speech_model import SpeechModel, group_problem, groups_of, save_model, utterance_seed
from ttsbench.nn.backbone import Backbone
from ttsbench.stages.moving_average import MovingAverage
from ttsbench.stages.training_budget import TrainingBudget
from ttsbench.stages.training_inputs import build_model, conditioned, validation_batches
from ttsbench.stages.unchecked_losses import UncheckedLosses
from ttsbench.types import Batch, Role

T = TypeVar("T")
CHECKPOINT = "checkpoint.safetensors"
REPORT_EVERY_S = 0.5


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
        corpus = conditioned(corpus, run, job)
        config = self._config
        reach = run.experiment.model.encoder_reach
        crop_frames = None if info.free_running else config.crop_frames
        model, self._description = build_model(run, job, corpus)
        prompt = Prompting(corpus) if model.prompted else None
        waveform = Waveforms(run.experiment.mel, run.experiment.corpus) if info.waveform else None
        waveform = waveform if self._role == "acoustic" else None
        self._batches = Batches(corpus, self._role, config.batch_size, crop_frames, self._seed, reach, prompt, waveform)
        self._valid = validation_batches(corpus, self._role, prompt, waveform)
        self._model: SpeechModel = fabric.to_device(model)
        if run.experiment.compute.compile:
            compile_backbones(self._model)
        self._average = MovingAverage(self._model.saved_modules(), config.ema)
        self._groups = self._model.group_parameters()
        self._optimizers = {
            name: torch.optim.AdamW(
                parameters, config.learning_rate, weight_decay=config.weight_decay, fused=fabric.device.type != "xla"
            )
            for name, parameters in self._groups.items()
        }
        self._step, self._seconds, self._curve = 0, 0.0, list[dict[str, float]]()
        self._best: dict[str, Tensor] = {}
        self._best_loss, self._best_step = math.inf, 0
        self._unchecked = UncheckedLosses()

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
            "device": device_name(self._fabric.device),
            "host": host_name(),
        }
        write_json(self._folder / "cost.json", cost)

    def _one_step(self) -> None:
        config = self._config
        rate = self._budget.learning_rate(self._step)
        rank, world = self._fabric.global_rank, self._fabric.world_size
        batch = self._batches(self._step)
        share = float(batch.part(rank, world).mask.sum() / batch.mask.sum())
        try:
            losses = self._losses(batch, utterance_seed("train", self._seed, self._step), rank, world)
            norms = self._gradients(losses, share)
        except Exception:
            self._check_losses()  # an adapter may fail because the loss of an earlier step was no number
            raise
        self._unchecked.add(self._step, losses)
        for name in self._by_group(losses):
            optimizer = self._optimizers[name]
            for group in optimizer.param_groups:
                group["lr"] = rate * self._rates.get(name, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self._average.update(self._model.saved_modules(), self._step)
        if (self._step + 1) % config.log_every == 0 or self._is_validated or self._step == 0:
            self._check_losses(self._summed)
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
        rows = range(rank, len(raw.phones), world)
        raw = raw.part(rank, world)
        moved = raw.to(self._fabric.device)
        noise = raw.noise([utterance_seed(seed, row) for row in rows], moved)
        with self._fabric.autocast():
            batch = Batch(moved.target, self._model(moved), moved.waveform)
            losses = dict(self._model.adapter.losses(batch, self._step, noise))
        if problem := group_problem(losses, self._groups):
            raise TtsbenchError(f"{self._name} returned {problem}.")
        return losses

    def _check_losses(self, combine: Callable[[Tensor], Tensor] = lambda losses: losses) -> None:
        """Raise ``TtsbenchError`` for the first loss since the last check that is not finite.

        ``combine`` sums the losses over devices, so that all of them raise.
        """
        if fault := self._unchecked.first_fault(combine):
            self._raise_fault(*fault)

    def _raise_fault(self, step: int, name: str, value: float) -> None:
        self._write_curve()
        raise TtsbenchError(
            f"The loss '{name}' of {self._name} became {value} at step {step}. Lower "
            f"train.{self._role}.learning_rate or clip_norm, or check the objective; the losses so far are in "
            f"{self._folder / 'curve.csv'}."
        )

    def _gradients(self, losses: Mapping[str, Tensor], share: float = 1.0) -> dict[str, Tensor]:
        """Fill ``grad`` of each group from its own loss alone, clip it, and return its norm by loss.

        A loss is a mean over valid elements, so each device is weighted by its share of them.
        """
        norms: dict[str, Tensor] = {}
        for left, (name, loss) in zip(range(len(losses) - 1, -1, -1), losses.items(), strict=True):
            parameters = self._model.loss_parameters(name)
            self._fabric.backward(loss, inputs=parameters, retain_graph=left > 0)
            if self._fabric.world_size > 1:
                sum_gradients(parameters, share, self._summed)
            norms[name] = torch.nn.utils.clip_grad_norm_(parameters, self._config.clip_norm)
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

    def _log(self, rate: float, losses: Mapping[str, Tensor], norms: Mapping[str, Tensor]) -> None:
        row = {"step": self._step + 1, "learning_rate": rate * self._rates.get("generator", 1.0)}
        row |= {f"loss_{name}": float(loss.detach()) for name, loss in self._by_group(losses).items()}
        row |= {f"gradient_norm_{name}": float(norm) for name, norm in self._by_group(norms).items()}
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
            for name, value in values.items():
                if not math.isfinite(value):
                    self._raise_fault(self._step, name.removeprefix("valid_"), value)
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
        self._check_losses()  # no training is resumed from weights that are no numbers
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


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def sum_gradients(parameters: list[torch.nn.Parameter], share: float, summed: Callable[[Tensor], Tensor]) -> None:
    """Replace gradients by ``share`` times them, summed over devices in one exchange.

    Devices that wait for gradients which another device does not have would wait forever, so all send all of them: a
    missing one as zero. A parameter that has none on any device stays without one.
    """
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    exists = torch.tensor([float(p.grad is not None) for p in parameters], device=gradients[0].device)
    totals = summed(torch.cat([gradient.flatten() for gradient in gradients]) * share)
    parts = torch.split(totals, [gradient.numel() for gradient in gradients])
    for parameter, part, count in zip(parameters, parts, summed(exists).tolist(), strict=True):
        parameter.grad = part.view_as(parameter) if count else None


def compile_backbones(model: SpeechModel) -> None:
    """Compile every backbone in place, for batches of any shape; the names of the weights do not change."""
    for module in model.modules():
        if isinstance(module, Backbone):
            module.compile(dynamic=True)
