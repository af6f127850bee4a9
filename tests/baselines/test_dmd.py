"""Distillation on the toy where regression fails, and what stops it."""

import copy
from types import SimpleNamespace

import pytest
import torch
from toytargets import DIM, backbone_of, bimodal, fit, noise, randn, restored, speech, with_backbone

from baselines.diffusion import Diffusion
from baselines.dmd import Dmd
from baselines.flow_matching import FlowMatching, GuidedFlowMatching, preconditioned
from ttsbench import Batch, ConfigError, ModelContext, TtsbenchError, registry
from ttsbench.models.metering import CallCounter
from ttsbench.nn.blocks import ConvBlock
from ttsbench.nn.collapse import CHANCE, CHECK_EVERY, MEMORY, PATIENCE, CollapseMonitor
from ttsbench.nn.discriminator import Discriminator


@pytest.fixture(autouse=True)
def _no_mean(monkeypatch):
    """The toy's teachers model the target itself."""
    monkeypatch.setattr(registry, "starts_from", lambda name, options: ())


def student(teacher, **options):
    name = teacher.info.name
    for network in teacher.networks().values():
        network.requires_grad_(False).eval()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        context = ModelContext("acoustic", 2, DIM, backbone_of(), {name: SimpleNamespace(adapter=teacher)})
        return Dmd(context, teacher=name, **options)


def given(batch, name="diffusion"):
    """The same condition for the teacher as for the student."""
    return Batch(batch.target, type(batch.cond)(**{**vars(batch.cond), "sources": {name: batch.cond}}))


def distil(adapter, steps=200, rate=3e-4):
    optimizers = {name: torch.optim.Adam([p for p in network.parameters() if p.requires_grad], rate)
                  for name, network in adapter.networks().items()}  # fmt: skip
    for step in range(steps):
        losses = adapter.losses(given(bimodal(32, seed=step + 1)), step, noise(32, step + 1))
        for optimizer in optimizers.values():
            optimizer.zero_grad()
        for name, loss in losses.items():
            loss.backward(
                inputs=[p for p in adapter.networks()[name].parameters() if p.requires_grad], retain_graph=True
            )
        for name in losses:
            optimizers[name].step()
    return adapter


@pytest.fixture(scope="module")
def teacher():
    return fit(with_backbone(Diffusion, 2), 400)


def test_one_step_of_the_student_restores_what_one_of_its_teacher_loses(teacher):
    one, many = restored(teacher, 1), restored(teacher, 32)
    assert one.std < 0.65 < 0.8 < many.std
    ours = restored(distil(student(copy.deepcopy(teacher), steps=1, fake_updates=5), rate=1e-3), 1)
    assert 0.7 < ours.std < 1.4
    assert ours.diversity > 0.7
    assert abs(ours.bias) < 0.4


def test_a_student_begins_as_its_teacher(teacher):
    adapter, cond = student(copy.deepcopy(teacher)), bimodal(3).cond
    x, t = randn(3, 8, 2), torch.full((3,), 0.4)
    with torch.no_grad():
        expected = teacher.predict_data(x, cond, t)
        for one in (adapter.student, adapter.fake):
            assert torch.equal(one.predict_data(x, cond, t), expected)


@pytest.mark.parametrize("simulation", ["rollout", "one_step"])
def test_groups_take_turns(teacher, simulation):
    adapter = student(copy.deepcopy(teacher), fake_updates=3, simulation=simulation)
    batch = given(speech(4))
    seen = [set(adapter.losses(batch, step, noise(4, step))) for step in range(6)]
    assert seen == [{"fake"}, {"fake"}, {"fake", "generator", "discriminator"}] * 2
    for network in adapter.networks().values():
        network.eval()
    assert "generator" in adapter.losses(batch, 0, noise(4))  # what validation wants to know


def test_the_student_does_not_move_where_fake_and_teacher_agree(teacher):
    """They do at first: both are the teacher."""
    adapter, batch = student(copy.deepcopy(teacher), adversarial=0.0), given(bimodal(8))
    made, x, t = adapter._made(batch.target, batch.cond, noise(8))
    (gradient,) = torch.autograd.grad(adapter._matching(made, batch.cond, noise(8)), made)
    assert not gradient.any()
    assert adapter._moved(made, x, t, batch.cond) == 0


def test_the_pull_goes_from_the_fake_to_the_teacher(teacher):
    adapter, batch = student(copy.deepcopy(teacher), adversarial=0.0), given(bimodal(8))
    made = batch.target.clone().requires_grad_()
    adapter.fake = SimpleNamespace(predict_data=lambda x, cond, t: adapter.teacher.predict_data(x, cond, t) + 1.0)
    (gradient,) = torch.autograd.grad(adapter._matching(made, batch.cond, noise(8)), made)
    assert (gradient > 0).all()  # a step against it lowers what the fake says is too high


@pytest.mark.parametrize("adapter", [Diffusion, FlowMatching])
def test_levels_of_a_student_are_shares_of_noise(adapter):
    """Those of the paper, 1, .75, .5 and .25, whatever the teacher's schedule."""
    model, shares = with_backbone(adapter, 2), torch.tensor([1.0, 0.75, 0.5, 0.25])
    alpha, sigma = model.levels(model.time_at(shares))
    torch.testing.assert_close((sigma / (alpha + sigma)).flatten(), shares, atol=0.01, rtol=0)
    assert [float(student(model)._level(level, 4)) for level in range(4)] == model.time_at(shares).tolist()


def test_calls_are_steps(teacher):
    adapter = student(copy.deepcopy(teacher))
    for nfe in (1, 4, 8):
        with torch.no_grad(), CallCounter(adapter.networks()["generator"]) as counter:
            adapter.sample(bimodal(2).cond, nfe, noise(2))
        assert counter.calls == nfe


@pytest.mark.parametrize("prediction", ["data", "velocity"])
def test_flow_matching_teaches_too(prediction):
    matching = with_backbone(FlowMatching, 2, prediction=prediction)
    adapter = student(matching)
    losses = adapter.losses(given(bimodal(4), "flow_matching"), 4, noise(4))
    assert set(losses) == {"fake", "generator", "discriminator"}
    x, t, cond = randn(4, 8, 2), torch.full((4,), 0.3), bimodal(4).cond
    data, velocity = matching.predict_data(x, cond, t), matching.velocity(x, cond, t)
    torch.testing.assert_close(0.3 * data + 0.7 * (data - velocity), x, rtol=1e-4, atol=1e-5)


def test_a_fake_that_explodes_stops_the_training():
    health = CollapseMonitor()
    for _ in range(20):
        health.update(torch.tensor(1.0), None)
    with pytest.raises(TtsbenchError, match=r"fake score's loss is 30, 30 times its usual level.*Raise fake_updates"):
        for _ in range(CHECK_EVERY):
            health.update(torch.tensor(30.0), None)


def test_a_discriminator_that_tells_nothing_for_long_stops_it():
    health = CollapseMonitor()
    for _ in range(PATIENCE):
        health.update(torch.tensor(1.0), torch.tensor(0.5))
    with pytest.raises(TtsbenchError, match=r"accuracy has been one half for 1000 steps.*Set adversarial to 0"):
        for _ in range(200):  # until the running mean, which begins at 1, has come near to a half
            health.update(torch.tensor(1.0), torch.tensor(0.5))
    assert 0.5 * MEMORY**200 < CHANCE
    useful = CollapseMonitor()
    for step in range(2000):
        useful.update(torch.tensor(1.0), torch.tensor(0.5 + 0.4 * (step % 2)))


def test_a_discriminator_learns_what_differs_beside_much_that_does_not():
    """Features of two kinds that have text and noise in common, ten times the size of what tells them apart."""
    torch.manual_seed(0)
    discriminator, kind = Discriminator([ConvBlock(32), ConvBlock(32)], DIM), 0.3 * torch.randn(32)
    optimizer = torch.optim.Adam(discriminator.parameters(), 1e-3)
    cond = bimodal(8).cond
    for step in range(100):
        common = 3 * torch.randn(2, *cond.sequence.shape[:2], 32)
        real, made = (discriminator([one + sign * kind for one in common], cond) for sign in (1, -1))
        if step == 0:
            assert (real == 0.5).all() and (made == 0.5).all()
        optimizer.zero_grad()
        ((1 - real).square() + made.square()).mean().backward()
        optimizer.step()
    assert float(((real > 0.5).float() + (made < 0.5).float()).mean()) / 2 > 0.85


def test_what_cannot_be_distilled_is_refused(teacher):
    with pytest.raises(ConfigError, match="no simulation 'none'; choose one of rollout, one_step"):
        student(copy.deepcopy(teacher), simulation="none")
    with pytest.raises(ConfigError, match="steps >= 1, fake_updates >= 1 and adversarial >= 0, got 0"):
        student(copy.deepcopy(teacher), steps=0)
    from baselines.regression import L2

    with pytest.raises(
        ConfigError, match="cannot distil 'l2'; choose one of diffusion, flow_matching, guided_flow_matching"
    ):
        student(with_backbone(L2, 2))
    with pytest.raises(ConfigError, match="set adversarial to 0"):
        student(with_backbone(Diffusion, 2, network="unet"))


class Sum:
    """A judge whose slope is 1 everywhere, or with ``rounded`` nowhere: what no gradient passes through."""

    def __init__(self, rounded):
        self.rounded = rounded

    def judge(self, y, reference, cond):
        return (y.round() if self.rounded else y).sum(dim=(1, 2))


@pytest.mark.parametrize("rounded", [False, True])
def test_how_strongly_a_judge_pulls_at_each_part_is_told(teacher, rounded):
    adapter = student(copy.deepcopy(teacher), steps=1, adversarial=0.0)
    adapter.judges = {"sum": (2.0, Sum(rounded))}
    batch = given(bimodal(4))
    batch.cond.sequence.requires_grad_()
    made, _, _ = adapter._made(batch.target, batch.cond, noise(4))
    adapter._judged(made, batch)
    monitored = adapter.monitored()
    if rounded:
        assert [monitored[f"sum_to_{part}"] for part in ("speech", "student", "condition")] == [0, 0, 0]
        return
    assert monitored["sum_to_speech"] == pytest.approx(2 / 4 * made.numel() ** 0.5)
    (expected,) = torch.autograd.grad(made.sum(), batch.cond.sequence, retain_graph=True)
    assert monitored["sum_to_condition"] == pytest.approx(2 / 4 * float(expected.norm()), rel=1e-5)
    assert monitored["sum_to_student"] > 0


def test_guidance_is_the_teachers_alone():
    guided = with_backbone(GuidedFlowMatching, 2)
    with torch.no_grad():
        guided.network.network.unconditional.fill_(1.0)
        guided.network.network.network.output.weight.normal_(generator=torch.Generator().manual_seed(1))
    adapter, cond = student(guided), bimodal(3).cond
    x, t = randn(3, 8, 2), torch.full((3,), 0.4)
    with torch.no_grad():
        velocity = guided.network(x, cond, t, torch.zeros(3, dtype=torch.bool), 1.0)
        plain = x + (1 - t.view(-1, 1, 1)) * preconditioned(velocity, x, t)
        for one in (adapter.student, adapter.fake):
            assert torch.equal(one.predict_data(x, cond, t), plain)
        assert not torch.allclose(adapter.teacher.predict_data(x, cond, t), plain)
    batch = given(bimodal(4), "guided_flow_matching")
    made, _, _ = adapter._made(batch.target, batch.cond, noise(4))
    (pull,) = torch.autograd.grad(adapter._matching(made, bimodal(4).cond, noise(4)), made)
    assert pull.any(), "the teacher, guided, is elsewhere than its student from the beginning"


def test_levels_are_drawn_by_share_of_noise(teacher):
    adapter = student(copy.deepcopy(teacher), adversarial=0.0)
    alpha, sigma = adapter.teacher.levels(adapter._times(noise(4000), torch.device("cpu")))
    share = (sigma / (alpha + sigma)).flatten()
    assert float(share.min()) >= 0.02 and float(share.max()) <= 0.99
    assert float((share < 0.5).float().mean()) == pytest.approx(0.5, abs=0.03)


def test_validation_tells_how_far_the_student_moved(teacher):
    adapter, batch = student(copy.deepcopy(teacher), adversarial=0.0), given(bimodal(8))
    for network in adapter.networks().values():
        network.eval()
    adapter.losses(batch, 0, noise(8))
    assert adapter.monitored()["moved"] == 0
    with torch.no_grad():
        adapter.student.denoiser.network.output.bias.add_(0.5)
    adapter.losses(batch, 0, noise(8))
    assert adapter.monitored()["moved"] > 0.1
