"""Distribution matching distillation: a teacher of many steps becomes a student of few.

"DMOSpeech", Li et al. 2024, https://arxiv.org/abs/2410.11097, after DMD2, Yin et al. 2024,
https://arxiv.org/abs/2405.14867. A student G maps noise at one of N levels to speech; teacher r and fake f predict the
data of what it made, made noisy again, and where they differ the student is pulled:

    y_G = G(x_k, t_k, c),   x_t = y_G made noisy to t ~ U(.02, .98)
    g   = (f(x_t, t) - r(x_t, t)) / mean |y_G - r(x_t, t)|          (per utterance)
    L_G = |y_G - stop(y_G - g)|^2 / 2  +  adversarial (1 - D(y_G))^2  +  |y - mu|^2 / 2
          + ctc (-log p_CTC(phones | y_G)) + speaker (1 - cos(e(y_G), e(y)))         from step ``judged_after`` on
    L_f = the teacher's own loss, on y_G instead of recordings
    L_D = (1 - D(y))^2 + D(y_G)^2                                    (least squares, Mao et al. 2017)

f - r is the difference of two scores, of what the student makes and of what the teacher would, so L_G's gradient is
that of a KL divergence. All three begin as the teacher; where that is guided, r alone is. The fake follows at every
step, the student moves at every ``fake_updates``-th (two time scales), and at a tenth of the rate with which the
teacher was trained (DMOSpeech: at its last); the fake keeps the whole rate, for where it lags behind, speech gets the
rougher the longer it is distilled. D reads the features of the fake's blocks, at y_G made noisy to t(U(.02, .98)), a
share of noise as below: uniform times would show it little else than noise where that falls late.

    x_k   by the student's own first k steps from noise ("rollout", DMD2: it learns on what it will meet)
          or by one of its steps from the recording at the level before ("one_step", DMOSpeech)
    sample: x_0 = mu + temperature z;  y = G(x_k, t_k);  x_{k+1} = y made noisy to t_{k+1} by fresh noise
    t_k: where the noise's share is 1 - k / N

Levels are shares of noise (1, .75, .5, .25 of four), not times: a teacher whose noise falls late, as that of
``diffusion`` does, would leave the last of four steps at a share of .69, and most of the speech for it alone to find.

DMOSpeech's direct metric optimisation is the last line: judges (``baselines/judges.py``) trained on recordings before,
and frozen. The term |y - mu|^2 is there where the teacher has a prior mean mu that is learnt with it (``diffusion``).

``dmd_text`` is the paper's own track: its teacher is ``text_flow_matching``, so there is no duration model that a loss
on the speech could not reach, and the judges teach where phones lie, too. ``rounded`` puts whole frames back, through
which no gradient passes: ``mel_ctc_to_durations`` in the training curve, 0 then, says what that costs.

Training stops with a sentence where the fake's loss explodes or the discriminator has told nothing for long: both mean
that the student is no longer pulled anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

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
    TtsbenchError,
    masked_mean,
)
from ttsbench.nn.discriminator import Discriminator, blocks_of, tapped
from ttsbench.nn.upsampling import GaussianUpsampler, UpsamplingBackbone

EARLIEST, LATEST = 0.02, 0.98  # t at which teacher and fake are asked, and noise at which the discriminator is
EXPLODED = 20.0  # times its usual level: the fake's loss
CHANCE, FOR_LONG = 0.02, 1000  # how near to a half the discriminator is right, and for how many of its steps
MEMORY = 0.98  # of the running means that tell

Simulation = Literal["rollout", "one_step"]


class Dmd:
    """A student of ``steps`` steps.

    ``teacher``: ``diffusion``, ``flow_matching`` or ``guided_flow_matching``. ``simulation``: ``rollout`` or
    ``one_step``. ``adversarial``: weight of the adversarial loss, 0 to leave it out. ``fake_updates``: steps of the
    fake per step of the student. ``ctc``, ``speaker``: weights of the judges' losses, from step ``judged_after`` on.
    """

    info = AdapterInfo(
        name="dmd",
        title="Distribution matching distillation",
        paper="Li et al. 2024, https://arxiv.org/abs/2410.11097; Yin et al. 2024, https://arxiv.org/abs/2405.14867",
        nfe=(4, 1, 2, 8),
        stochastic=True,
        starts_from=("diffusion",),
        step_cost=2.5,
        learning_rates={"generator": 0.1},
    )
    teachers: ClassVar[tuple[str, ...]] = ("diffusion", "flow_matching", "guided_flow_matching")

    def __init__(
        self,
        context: ModelContext,
        teacher: str = "diffusion",
        steps: int = 4,
        simulation: Simulation = "rollout",
        adversarial: float = 1e-3,
        fake_updates: int = 5,
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
        self.student, self.fake = source.student(), source.student()
        for parameter in self.fake.shared_parameters():
            parameter.requires_grad_(False)
        self.steps, self.simulation, self.fake_updates = steps, simulation, fake_updates
        self.adversarial = adversarial
        self.discriminator = Discriminator(blocks_of(self._fake_network), context.cond_dim) if adversarial else None
        judges: dict[str, Any] = {name: context.sources[name].adapter for name in _judges(ctc, speaker)}
        self.judges = {name: (weight, judges[name]) for name, weight in _judges(ctc, speaker).items()}
        self.judged_after = judged_after
        self.health = Health()
        self._monitored: dict[str, float] = {}

    @staticmethod
    def starts_from(teacher: str = "diffusion", ctc: float = 0.0, speaker: float = 0.0, **_: object) -> tuple[str, ...]:
        """The teacher, and the judges that have a weight."""
        return (teacher, *_judges(ctc, speaker))

    def networks(self) -> Mapping[str, nn.Module]:
        """Student, fake and discriminator, a group each."""
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
        """The fake's loss; at every ``fake_updates``-th step also the student's and the discriminator's."""
        training = self._student_network.training
        moves = step % self.fake_updates == self.fake_updates - 1 or not training  # all are wanted in validation
        with torch.set_grad_enabled(moves and torch.is_grad_enabled()):
            made = self._made(batch, rng)
        given = batch.cond.sources[self.fine_tunes]
        losses = {"fake": self.fake.losses(Batch(made.detach(), given), step, rng)["generator"]}
        if moves:
            pulled = self._matching(made, given, rng)
            drift = 0.5 * masked_mean((batch.target - self.student.mean(batch.cond)).square(), batch.mask)
            losses["generator"] = pulled + drift
            self._monitored = {"matching": float(pulled.detach())}
            if self.discriminator is not None:
                fooled, told = self._adversarial(made, batch.target, given, rng)
                losses["generator"] = losses["generator"] + self.adversarial * fooled
                losses["discriminator"] = told
            if step >= self.judged_after or not training:
                losses["generator"] = losses["generator"] + self._judged(made, batch)
        if training:
            self.health.look(losses["fake"], self._monitored.get("accuracy") if moves else None)
        return losses

    def monitored(self) -> Mapping[str, float]:
        """Size of the pull, and how often the discriminator is right."""
        return self._monitored

    def _made(self, batch: Batch, rng: Noise) -> Tensor:
        """What the student makes at one of its levels, the same for the whole batch, (B, T, C)."""
        cond, mean, steps = batch.cond, self.student.mean(batch.cond).detach(), self.steps
        level = int(rng.time()[0] * steps)
        with torch.no_grad():
            if self.simulation == "rollout" or level == 0:
                x = self._roll_out(cond, mean, level, steps, rng)
            else:
                before = self._noisy(batch.target, cond, mean, self._level(level - 1, steps), rng)
                x = self._noisy(self._step(before, cond, level - 1, steps), cond, mean, self._level(level, steps), rng)
        made: Tensor = self._step(x, cond, level, steps) * cond.mask.unsqueeze(-1)
        return made

    def _matching(self, made: Tensor, given: Condition, rng: Noise) -> Tensor:
        """Half the squared distance to where teacher and fake say the student should go."""
        with torch.no_grad():
            mean, t = self.teacher.mean(given), self._time(rng, made.device)
            x = self.teacher.diffuse(made, mean, rng.normal(given.mask, self.channels), t)
            real, fake = (one.predict_data(x, given, t) for one in (self.teacher, self.fake))
            mask = given.mask.unsqueeze(-1)
            size = ((made - real).abs() * mask).sum(dim=(1, 2), keepdim=True)
            size = size / (mask.sum(dim=(1, 2), keepdim=True) * self.channels)
            pull = torch.nan_to_num((fake - real) / size.clamp_min(1e-6))
            goal = made - pull
        return 0.5 * masked_mean((made - goal).square(), given.mask)

    def _adversarial(self, made: Tensor, real: Tensor, given: Condition, rng: Noise) -> tuple[Tensor, Tensor]:
        """Least squares losses of the student and of the discriminator."""
        assert self.discriminator is not None
        t = self.teacher.time_at(self._time(rng, made.device))
        noise = rng.normal(given.mask, self.channels)
        of_made, of_real = (self._features(one, given, noise, t) for one in (made, real))
        fooled = masked_mean((1 - self.discriminator(of_made, given)).square(), given.mask)
        on_made = self.discriminator([one.detach() for one in of_made], given)
        on_real = self.discriminator([one.detach() for one in of_real], given)
        told = masked_mean((1 - on_real).square() + on_made.square(), given.mask)
        right = masked_mean(0.5 * ((on_real > 0.5).float() + (on_made < 0.5).float()), given.mask)
        self._monitored["accuracy"] = float(right)
        return fooled, told

    def _judged(self, made: Tensor, batch: Batch) -> Tensor:
        """The judges' losses by weight; each is watched, and so is how strongly it pulls at every part before it."""
        total = made.new_zeros(())
        parts = self._heard(made, batch.cond)
        for name, (weight, judge) in self.judges.items():
            loss = judge.judge(made, batch.target, batch.cond).mean()
            self._monitored[name] = float(loss.detach())
            for part, tensors in parts.items():
                self._monitored[f"{name}_to_{part}"] = weight * _slope(loss, tensors)
            total = total + weight * loss
        return total

    def _heard(self, made: Tensor, cond: Condition) -> dict[str, Sequence[Tensor]]:
        """What a judge's loss may pull at, by name."""
        return {"speech": [made], "student": _moving(self._student_network), "condition": [cond.sequence]}

    def _features(self, data: Tensor, given: Condition, noise: Tensor, t: Tensor) -> Sequence[Tensor]:
        x = self.teacher.diffuse(data, self.teacher.mean(given), noise, t)
        with tapped(blocks_of(self._fake_network)) as features:
            self.fake.predict_data(x, given, t)
        return features

    @staticmethod
    def _time(rng: Noise, device: torch.device) -> Tensor:
        return EARLIEST + (LATEST - EARLIEST) * rng.time(device)

    # Sampling

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """Draw (B, T, C) with ``nfe`` calls of the student; temperature scales all noise."""
        mean = self.student.mean(cond)
        x = self._roll_out(cond, mean, nfe - 1, nfe, rng, temperature)
        return self._step(x, cond, nfe - 1, nfe)

    def _roll_out(
        self, cond: Condition, mean: Tensor, level: int, steps: int, rng: Noise, temperature: float = 1.0
    ) -> Tensor:
        """Where the student, of ``steps`` steps, is after the first ``level`` of them: (B, T, C), noisy."""
        x = mean + temperature * rng.normal(cond.mask, self.channels)
        for step in range(level):
            data, later = self._step(x, cond, step, steps), self._level(step + 1, steps)
            x = self._noisy(data, cond, mean, later, rng, temperature)
        return x

    def _level(self, level: int, steps: int) -> Tensor:
        """The time (1,) of a level."""
        t: Tensor = self.student.time_at(torch.tensor([1 - level / steps]))
        return t

    def _step(self, x: Tensor, cond: Condition, level: int, steps: int) -> Tensor:
        """The data that the student sees at a level, one function evaluation."""
        data: Tensor = self.student.predict_data(x, cond, self._level(level, steps).to(x).expand(len(x)))
        return data

    def _noisy(
        self, data: Tensor, cond: Condition, mean: Tensor, t: Tensor, rng: Noise, temperature: float = 1.0
    ) -> Tensor:
        """Data made noisy to t, with fresh noise."""
        noise = temperature * rng.normal(cond.mask, self.channels)
        x: Tensor = self.student.diffuse(data, mean, noise, t.to(data).expand(len(data)))
        return x


class DmdText(Dmd):
    """A student that speaks from text alone, of which every part hears the judges.

    ``teacher``: ``text_flow_matching`` or ``prompted_text_flow_matching``. ``rounded``: durations without a gradient.
    The rest is ``dmd``'s.
    """

    info = replace(
        Dmd.info, name="dmd_text", title="Distribution matching distillation, from text alone", free_running=True,
        starts_from=("text_flow_matching",), step_cost=3.0,
    )  # fmt: skip
    teachers = ("text_flow_matching", "prompted_text_flow_matching")

    def __init__(
        self,
        context: ModelContext,
        teacher: str = "text_flow_matching",
        steps: int = 4,
        simulation: Simulation = "rollout",
        adversarial: float = 1e-3,
        fake_updates: int = 5,
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
        """Those of the distillation, each network on what it reads; the student's length beside."""
        sources = {self.fine_tunes: _upsampler(self.teacher).expand(batch.cond.sources[self.fine_tunes])}
        read = replace(self.student_upsampler.expand(batch.cond), sources=sources)
        losses = dict(super().losses(Batch(batch.target, read), step, rng))
        if "generator" in losses:
            losses["generator"] = losses["generator"] + self.student_upsampler.length_loss(batch.cond)
        return losses

    def _heard(self, made: Tensor, cond: Condition) -> dict[str, Sequence[Tensor]]:
        taken: Any = cond.durations
        return {**super()._heard(made, cond), "durations": [taken]}

    def sample(  # type: ignore[override]
        self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0
    ) -> SampledSequence:
        """Draw what is as long as predicted, with ``nfe`` calls; who would never end is cut, and has not stopped."""
        lengths, within = self.student_upsampler.lengths(cond)
        return SampledSequence(
            super().sample(self.student_upsampler.expand(cond, lengths), nfe, rng, temperature), lengths, within
        )


class Health(nn.Module):
    """Running means by which a collapse is seen; buffers, so that a resumed training remembers them."""

    fake: Tensor
    accuracy: Tensor
    at_chance: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, value in {"fake": 0.0, "accuracy": 1.0, "at_chance": 0.0}.items():
            self.register_buffer(name, torch.tensor(value))

    def look(self, fake: Tensor, accuracy: float | None) -> None:
        """Take note of one step; raises ``TtsbenchError`` on a collapse."""
        loss = float(fake.detach())
        if self.fake > 0 and loss > EXPLODED * float(self.fake):
            raise TtsbenchError(
                f"dmd: the fake score's loss is {loss:.3g}, {loss / float(self.fake):.0f} times its usual level: it no "
                "longer follows the student. Raise fake_updates, or lower learning_rate or adversarial."
            )
        self.fake.fill_(loss if self.fake == 0 else MEMORY * float(self.fake) + (1 - MEMORY) * loss)
        if accuracy is None:
            return
        self.accuracy.fill_(MEMORY * float(self.accuracy) + (1 - MEMORY) * accuracy)
        self.at_chance.fill_(float(self.at_chance) + 1 if abs(float(self.accuracy) - 0.5) < CHANCE else 0.0)
        if self.at_chance > FOR_LONG:
            raise TtsbenchError(
                f"dmd: the discriminator has been right in half of all cases for {FOR_LONG} steps: it tells the "
                "student nothing. Set adversarial to 0, or train longer before distilling."
            )


def _judges(ctc: float, speaker: float) -> dict[str, float]:
    """The judges that have a weight."""
    return {name: weight for name, weight in (("mel_ctc", ctc), ("mel_speaker", speaker)) if weight}


def _moving(network: nn.Module) -> list[Tensor]:
    """The parameters that are trained."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def _slope(loss: Tensor, tensors: Sequence[Tensor]) -> float:
    """Norm of the gradient with respect to tensors, 0 for those that it does not reach."""
    reached = [tensor for tensor in tensors if tensor.requires_grad]
    slopes = torch.autograd.grad(loss, reached, retain_graph=True, allow_unused=True) if reached else []
    return math.sqrt(sum(float(slope.square().sum()) for slope in slopes if slope is not None))


def _upsampler(adapter: Teacher) -> GaussianUpsampler:
    network = adapter.networks()["generator"]
    assert isinstance(network, UpsamplingBackbone)  # every free-running teacher has one
    return network.upsampler
