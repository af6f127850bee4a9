"""Distribution matching distillation: a teacher of many steps becomes a student of few.

"DMOSpeech", Li et al. 2024, https://arxiv.org/abs/2410.11097, after DMD2, Yin et al. 2024,
https://arxiv.org/abs/2405.14867. A student G maps noise at one of N levels to data. The teacher r and a fake score f,
which is trained on the student's output, predict the data of that output made noisy again; where they differ, the
student is moved (y: data, the teacher's whitened residuals):

    y_G = G(x_k, t_k, c),   x_t = y_G made noisy, its share of noise u ~ U(.02, .98)
    g   = (f(x_t, t) - r(x_t, t)) / mean |y_G - r(x_t, t)|          (per utterance)
    L_G = |y_G - stop(y_G - g)|^2 / 2  +  adversarial (1 - D(y_G))^2
          + ctc (-log p_CTC(phones | y_G)) + speaker (1 - cos(e(y_G), e(y)))         from step ``judged_after`` on
    L_f = the teacher's own loss, on y_G instead of recordings
    L_D = (1 - D(y))^2 + D(y_G)^2                                    (least squares, Mao et al. 2017)

f - r is the difference of two scores, those of the student's and of the teacher's distribution, so L_G has the gradient
of a KL divergence. All three networks start as the teacher; if the teacher is guided, only r uses the guidance. D reads
the features of the fake score's blocks at y_G made noisy in the same way.

    x_k   the student's own first k steps from noise ("rollout", DMD2: trained on the inputs of sampling)
          or one of its steps from the recording at the level before ("one_step", DMOSpeech)
    sample: x_0 = temperature z;  y = G(x_k, t_k);  x_{k+1} = y made noisy to t_{k+1} by fresh noise

The share of noise is sigma / (alpha + sigma) at all places: levels are 1 - k / N, whatever the teacher's schedule.
Uniform times of a variance-preserving schedule would spend 60 % of the updates where almost no data are left.

The student's learning rate is a tenth of the teacher's and constant, and the fake score keeps the whole rate
(DMOSpeech: the teacher's last rate for both, 40,000 updates of the student and five of the fake score for each). With a
rate ten times as high the fake score follows at one update each, so a training of 500 steps has 500 updates of the
student.

DMOSpeech's direct metric optimisation are the judges (``baselines/judges.py``), trained on recordings and frozen.
``dmd_text`` is the paper's own track: its teacher is ``text_flow_matching``, so the losses of the judges reach the
durations as well. ``rounded`` rounds durations to whole frames, through which no gradient passes; the curve's column
``monitored_mel_ctc_to_durations`` is 0 then.

``monitored_moved`` of the validation is the root mean square difference between student and teacher for the same input,
in standard deviations of the data. Training stops with an error when the fake score's loss explodes or the
discriminator stays at chance level (``ttsbench/nn/collapse.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ttsbench import (
    AdapterInfo,
    Batch,
    Condition,
    ConfigError,
    ModelContext,
    Noise,
    Prompted,
    SampledSequence,
    Teacher,
    masked_mean,
    registry,
)
from ttsbench.devices import upload
from ttsbench.nn.collapse import CollapseMonitor
from ttsbench.nn.discriminator import Discriminator, blocks_of, tapped
from ttsbench.nn.upsampling import GaussianUpsampler

LEAST, MOST = 0.02, 0.98  # share of noise at which teacher, fake score and discriminator are evaluated
Simulation = Literal["rollout", "one_step"]


class Dmd:
    """A student of ``steps`` steps.

    ``teacher``: ``diffusion``, ``flow_matching`` or ``guided_flow_matching``. ``simulation``: ``rollout`` or
    ``one_step``. ``adversarial``: weight of the adversarial loss, 0 to leave it out. ``fake_updates``: updates of the
    fake score per update of the student. ``ctc``, ``speaker``: weights of the judges' losses, from step
    ``judged_after`` on.
    """

    info = AdapterInfo(
        name="dmd",
        title="Distribution matching distillation",
        paper="Li et al. 2024, https://arxiv.org/abs/2410.11097; Yin et al. 2024, https://arxiv.org/abs/2405.14867",
        nfe=(4, 1, 2, 8),
        stochastic=True,
        starts_from=("diffusion", "l2"),
        step_cost=5.0,
        search={"temperature": (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)},
        learning_rates={"generator": 0.1},
        schedule="constant",
        keep="last",
    )
    teachers: ClassVar[tuple[str, ...]] = ("diffusion", "flow_matching", "guided_flow_matching")

    def __init__(
        self,
        context: ModelContext,
        teacher: str = "diffusion",
        steps: int = 4,
        simulation: Simulation = "rollout",
        adversarial: float = 1e-3,
        fake_updates: int = 1,
        ctc: float = 0.0,
        speaker: float = 0.0,
        judged_after: int = 100,
    ) -> None:
        if simulation not in ("rollout", "one_step"):
            raise ConfigError(f"dmd has no simulation '{simulation}'; choose one of rollout, one_step.")
        if steps < 1 or fake_updates < 1 or not adversarial >= 0:
            raise ConfigError(
                f"dmd needs steps >= 1, fake_updates >= 1 and adversarial >= 0, got {steps}, {fake_updates} and "
                f"{adversarial}."
            )
        self.fine_tunes, self.channels = teacher, context.channels
        source = context.sources[teacher].adapter
        if not isinstance(source, Teacher) or source.info.free_running != self.info.free_running:
            raise ConfigError(f"{self.info.name} cannot distil '{teacher}'; choose one of {', '.join(self.teachers)}.")
        self.teacher: Teacher = source
        self.refines = next(iter(registry.starts_from(teacher, {})), "")
        self.student = source.student(context.sources)
        self.fake = source.student()
        for parameter in self.fake.shared_parameters():
            parameter.requires_grad_(False)
        self.steps, self.simulation, self.fake_updates = steps, simulation, fake_updates
        self.adversarial = adversarial
        self.discriminator = Discriminator(blocks_of(self._fake_network), context.cond_dim) if adversarial else None
        judges: dict[str, Any] = {name: context.sources[name].adapter for name in _judges(ctc, speaker)}
        self.judges = {name: (weight, judges[name]) for name, weight in _judges(ctc, speaker).items()}
        self.judged_after = judged_after
        self.health = CollapseMonitor()
        self._monitored: dict[str, Tensor] = {}

    @staticmethod
    def starts_from(teacher: str = "diffusion", ctc: float = 0.0, speaker: float = 0.0, **_: object) -> tuple[str, ...]:
        """The teacher, the model around whose output it draws, and the judges that have a weight."""
        return (teacher, *registry.starts_from(teacher, {}), *_judges(ctc, speaker))

    def networks(self) -> Mapping[str, nn.Module]:
        """Student, fake score and discriminator, a group each."""
        networks = {"generator": self._student_network, "fake": nn.ModuleList([self._fake_network, self.health])}
        return {**networks, "discriminator": self.discriminator} if self.discriminator else networks

    @property
    def _student_network(self) -> nn.Module:
        return self.student.networks()["generator"]

    @property
    def _fake_network(self) -> nn.Module:
        return self.fake.networks()["generator"]

    # Training

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """The fake score's loss; at every ``fake_updates``-th step also the student's and the discriminator's."""
        training = self._student_network.training
        moves = step % self.fake_updates == self.fake_updates - 1 or not training  # validation needs all losses
        cond, given = batch.cond, batch.cond.sources[self.fine_tunes]
        data = self.teacher.to_data(batch.target, given)
        with torch.set_grad_enabled(moves and torch.is_grad_enabled()):
            made, x, t = self._made(data, cond, rng)
        losses = {"fake": self.fake.denoising_loss(made.detach(), given, rng)}
        if moves:
            pull = self._matching(made, given, rng)
            losses["generator"] = pull
            self._monitored = {"matching": pull.detach()}
            if not training:
                self._monitored["moved"] = self._moved(made, x, t, given)
            if self.discriminator is not None:
                adversarial, discrimination = self._adversarial(made, data, given, rng)
                losses["generator"] = losses["generator"] + self.adversarial * adversarial
                losses["discriminator"] = discrimination
            if self.judges and (step >= self.judged_after or not training):
                target = self.student.from_data(made, cond)
                losses["generator"] = losses["generator"] + self._judged(target, batch)
        if training:
            self.health.update(losses["fake"], self._monitored.get("accuracy") if moves else None)
        return losses

    def monitored(self) -> Mapping[str, Tensor]:
        """Size of the pull, the discriminator's accuracy, and the distance of the student to its teacher."""
        return self._monitored

    def _made(self, data: Tensor, cond: Condition, rng: Noise) -> tuple[Tensor, Tensor, Tensor]:
        """The student's output (B, T, C) at one level, the same for the whole batch, its input and its time."""
        steps = self.steps
        level = int(rng.time()[0] * steps)
        with torch.no_grad():
            if self.simulation == "rollout" or level == 0:
                x = self._roll_out(cond, level, steps, rng)
            else:
                before = self._noisy(data, cond, self._level(level - 1, steps), rng)
                x = self._noisy(self._step(before, cond, level - 1, steps), cond, self._level(level, steps), rng)
        made: Tensor = self._step(x, cond, level, steps) * cond.mask.unsqueeze(-1)
        return made, x, upload(self._level(level, steps), x.device).expand(len(x))

    def _matching(self, made: Tensor, given: Condition, rng: Noise) -> Tensor:
        """Half the squared distance to where the teacher and the fake score move the student's output."""
        with torch.no_grad():
            x, t = self._noised(made, given, rng)
            real, fake = (network.predict_data(x, given, t) for network in (self.teacher, self.fake))
            mask = given.mask.unsqueeze(-1)
            size = ((made - real).abs() * mask).sum(dim=(1, 2), keepdim=True)
            size = size / (mask.sum(dim=(1, 2), keepdim=True) * self.channels)
            pull = torch.nan_to_num((fake - real) / size.clamp_min(1e-6))
            goal = made - pull
        return 0.5 * masked_mean((made - goal).square(), given.mask)

    def _adversarial(self, made: Tensor, real: Tensor, given: Condition, rng: Noise) -> tuple[Tensor, Tensor]:
        """Least squares losses of the student and of the discriminator."""
        assert self.discriminator is not None
        t, noise = self._times(rng, made.device), rng.normal(given.mask, self.channels)
        of_made, of_real = (self._features(data, given, noise, t) for data in (made, real))
        fooled = masked_mean((1 - self.discriminator(of_made, given)).square(), given.mask)
        on_made = self.discriminator([features.detach() for features in of_made], given)
        on_real = self.discriminator([features.detach() for features in of_real], given)
        loss = masked_mean((1 - on_real).square() + on_made.square(), given.mask)
        right = masked_mean(0.5 * ((on_real > 0.5).float() + (on_made < 0.5).float()), given.mask)
        self._monitored["accuracy"] = right.detach()
        return fooled, loss

    def _judged(self, target: Tensor, batch: Batch) -> Tensor:
        """Weighted losses of the judges on a target (B, T, C); each is monitored with its gradient at every part."""
        total = target.new_zeros(())
        parts = self._parts(target, batch.cond)
        for name, (weight, judge) in self.judges.items():
            loss = judge.judge(target, batch.target, batch.cond).mean()
            self._monitored[name] = loss.detach()
            for part, tensors in parts.items():
                self._monitored[f"{name}_to_{part}"] = weight * _gradient_norm(loss, tensors)
            total = total + weight * loss
        return total

    def _parts(self, target: Tensor, cond: Condition) -> dict[str, Sequence[Tensor]]:
        """Tensors that a judge's loss may have a gradient for, by name."""
        trained = [parameter for parameter in self._student_network.parameters() if parameter.requires_grad]
        return {"speech": [target], "student": trained, "condition": [cond.sequence]}

    def _moved(self, made: Tensor, x: Tensor, t: Tensor, given: Condition) -> Tensor:
        """Root mean square difference to the teacher's prediction from the same input."""
        with torch.no_grad():
            same = self.teacher.predict_data(x, given, t)
            return masked_mean((made - same).square(), given.mask).sqrt()

    def _noised(self, data: Tensor, given: Condition, rng: Noise) -> tuple[Tensor, Tensor]:
        """Data made noisy to a random share of noise, and its time."""
        t = self._times(rng, data.device)
        alpha, sigma = self.teacher.levels(t)
        return alpha * data + sigma * rng.normal(given.mask, self.channels), t

    def _features(self, data: Tensor, given: Condition, noise: Tensor, t: Tensor) -> Sequence[Tensor]:
        alpha, sigma = self.teacher.levels(t)
        with tapped(blocks_of(self._fake_network)) as features:
            self.fake.predict_data(alpha * data + sigma * noise, given, t)
        return features

    def _times(self, rng: Noise, device: torch.device) -> Tensor:
        return self.teacher.time_at(LEAST + (MOST - LEAST) * rng.time(device))

    # Sampling

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """Draw (B, T, C) with ``nfe`` calls of the student; temperature scales all noise."""
        x = self._roll_out(cond, nfe - 1, nfe, rng, temperature)
        return self.student.from_data(self._step(x, cond, nfe - 1, nfe), cond)

    def _roll_out(self, cond: Condition, level: int, steps: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """Noisy data (B, T, C) after the first ``level`` of the student's ``steps`` steps."""
        x = temperature * rng.normal(cond.mask, self.channels)
        for step in range(level):
            x = self._noisy(
                self._step(x, cond, step, steps), cond, self._level(step + 1, steps), rng, temperature
            )  # fmt: skip
        return x

    def _level(self, level: int, steps: int) -> Tensor:
        """The time (1,) of a level."""
        return self.student.time_at(torch.tensor([1 - level / steps]))

    def _step(self, x: Tensor, cond: Condition, level: int, steps: int) -> Tensor:
        """The data that the student predicts at a level, one function evaluation."""
        return self.student.predict_data(x, cond, upload(self._level(level, steps), x.device).expand(len(x)))

    def _noisy(self, data: Tensor, cond: Condition, t: Tensor, rng: Noise, temperature: float = 1.0) -> Tensor:
        """Data made noisy to t (1,) with fresh noise."""
        alpha, sigma = self.student.levels(upload(t, data.device))
        return alpha * data + sigma * temperature * rng.normal(cond.mask, self.channels)


@runtime_checkable
class TextTeacher(Teacher, Protocol):
    """A free-running teacher with differentiable durations."""

    @property
    def upsampler(self) -> GaussianUpsampler:
        """Map from phones to frames."""
        ...


class DmdText(Dmd):
    """A free-running student, of which every part receives the gradients of the judges.

    ``teacher``: ``text_flow_matching`` or ``prompted_text_flow_matching``. ``rounded``: durations without a gradient.
    Other options are those of ``dmd``.
    """

    info = replace(
        Dmd.info, name="dmd_text", title="Distribution matching distillation, from text alone", free_running=True,
        starts_from=("text_flow_matching",),
    )  # fmt: skip
    teachers = ("text_flow_matching", "prompted_text_flow_matching")

    def __init__(
        self,
        context: ModelContext,
        teacher: str = "text_flow_matching",
        steps: int = 4,
        simulation: Simulation = "rollout",
        adversarial: float = 1e-3,
        fake_updates: int = 1,
        ctc: float = 0.0,
        speaker: float = 0.0,
        judged_after: int = 100,
        rounded: bool = False,
    ) -> None:
        super().__init__(context, teacher, steps, simulation, adversarial, fake_updates, ctc, speaker, judged_after)
        self.prompted = isinstance(self.teacher, Prompted) and self.teacher.prompted
        self.student_upsampler.rounded = rounded

    @property
    def student_upsampler(self) -> GaussianUpsampler:
        """The student's map from phones to frames."""
        return _upsampler(self.student)

    @staticmethod
    def starts_from(
        teacher: str = "text_flow_matching", ctc: float = 0.0, speaker: float = 0.0, **_: object
    ) -> tuple[str, ...]:
        """The teacher, and the judges that have a weight."""
        return Dmd.starts_from(teacher, ctc, speaker)

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Losses of the distillation, each network on its own upsampled text, and the student's length loss."""
        sources = {self.fine_tunes: _upsampler(self.teacher).expand(batch.cond.sources[self.fine_tunes])}
        upsampled = replace(self.student_upsampler.expand(batch.cond), sources=sources)
        losses = dict(super().losses(Batch(batch.target, upsampled), step, rng))
        if "generator" in losses:
            losses["generator"] = losses["generator"] + self.student_upsampler.length_loss(batch.cond)
        return losses

    def _parts(self, target: Tensor, cond: Condition) -> dict[str, Sequence[Tensor]]:
        assert cond.durations is not None  # set by the upsampler
        return {**super()._parts(target, cond), "durations": [cond.durations]}

    def sample(  # type: ignore[override]
        self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0
    ) -> SampledSequence:
        """Draw sequences of the predicted length with ``nfe`` calls; those that hit the length limit are truncated."""
        lengths, within = self.student_upsampler.lengths(cond)
        values = super().sample(self.student_upsampler.expand(cond, lengths), nfe, rng, temperature)
        return SampledSequence(values, lengths, within)


def _upsampler(adapter: Teacher) -> GaussianUpsampler:
    assert isinstance(adapter, TextTeacher)  # every free-running teacher is one
    return adapter.upsampler


def _judges(ctc: float, speaker: float) -> dict[str, float]:
    """Judges with a weight other than 0."""
    return {name: weight for name, weight in (("mel_ctc", ctc), ("mel_speaker", speaker)) if weight}


def _gradient_norm(loss: Tensor, tensors: Sequence[Tensor]) -> Tensor:
    """Norm () of the gradient with respect to tensors, 0 for those that the loss does not depend on."""
    reached = [tensor for tensor in tensors if tensor.requires_grad]
    gradients = torch.autograd.grad(loss, reached, retain_graph=True, allow_unused=True) if reached else []
    squares = [gradient.square().sum() for gradient in gradients if gradient is not None]
    return torch.stack(squares).sum().sqrt() if squares else loss.new_zeros(())
