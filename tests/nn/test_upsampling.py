"""Gaussian upsampling without an aligner: its output, its gradients, and the durations it learns."""

import pytest
import torch

from ttsbench import ConfigError
from ttsbench.checks.conformance.tiny import SEEDS, Tiny
from ttsbench.nn.upsampling import GaussianUpsampler
from ttsbench.types import Condition, Noise

DIM, KINDS = 8, 3
FRAMES = torch.tensor([2.0, 5.0, 9.0])  # that each kind of phone takes


def texts(batch, phones=7, seed=0):
    """Random phones as one-hot states, two of padding in the second, and frames as long as their kinds take."""
    kinds = torch.randint(0, KINDS, (batch, phones), generator=torch.Generator().manual_seed(seed))
    phone_mask = torch.ones(batch, phones, dtype=torch.bool)
    phone_mask[1:2, -2:] = False
    states = torch.nn.functional.one_hot(kinds, DIM).float() * phone_mask.unsqueeze(-1)
    taken = FRAMES[kinds] * phone_mask
    lengths = taken.sum(dim=1).long()
    mask = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)
    speaker = torch.zeros(batch, dtype=torch.long)
    cond = Condition(kinds + 1, phone_mask, speaker, states, torch.zeros(*mask.shape, DIM), mask)
    index = torch.repeat_interleave
    owners = [index(torch.arange(phones), row.long()) for row in taken]
    target = torch.zeros(*mask.shape, DIM)
    for row, owner in enumerate(owners):
        target[row, : len(owner)] = states[row, owner]
    return cond, target


@pytest.fixture
def reading():
    torch.manual_seed(0)
    return GaussianUpsampler(DIM, 4, prompted=False)


@pytest.mark.parametrize("rounded", [False, True])
def test_phones_share_out_the_frames_that_there_are(reading, rounded):
    reading.rounded = rounded
    cond, _ = texts(3)
    read = reading.expand(cond)
    assert read.sequence.shape == (3, cond.mask.shape[1], DIM)
    torch.testing.assert_close(read.durations.sum(dim=1), cond.mask.sum(dim=1).float())
    assert not read.sequence[~cond.mask].any()
    assert not read.durations[~cond.phone_mask].any()
    longer = reading.expand(cond, torch.tensor([5, 80, 7]))
    assert longer.mask.sum(dim=1).tolist() == [5, 80, 7]
    if rounded:
        assert torch.equal(read.durations, read.durations.round())


def test_rounding_lets_no_gradient_through(reading):
    cond, _ = texts(3)
    for rounded, reaches in ((False, True), (True, False)):
        reading.rounded = rounded
        reading.zero_grad()
        reading.expand(cond).sequence.square().sum().backward()
        slope = reading.takes.weight.grad
        assert (slope is not None and bool(slope.any())) == reaches


def test_whole_frames_repeat_the_states(reading):
    reading.rounded = True
    cond, _ = texts(3)
    with torch.no_grad():
        reading.place.weight.zero_()
        reading.place.bias.zero_()
        reading.takes.weight[0, :KINDS] = FRAMES.log()
        reading.takes.bias.zero_()
    _, target = texts(3)
    torch.testing.assert_close(reading.expand(cond).sequence, target)


def test_how_long_phones_are_is_learnt_from_the_speech_alone(reading):
    """Only the total length is given; the frames show that the third kind lasts longer than the first."""
    with torch.no_grad():
        reading.place.weight.zero_()
        reading.place.bias.zero_()
        reading.takes.weight.zero_()
    optimizer = torch.optim.Adam([*reading.takes.parameters(), *reading.width.parameters()], 0.03)
    for step in range(300):
        cond, target = texts(8, seed=step)
        loss = (reading.expand(cond).sequence - target).square().mean() + 0.1 * reading.length_loss(cond)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    reading.eval()
    cond, _ = texts(8, seed=10_000)
    found = reading.frames(cond)
    expected = FRAMES[cond.phones - 1] * cond.phone_mask
    torch.testing.assert_close(found, expected, rtol=0.15, atol=0.3)
    lengths, within = reading.lengths(cond)
    assert within.all()
    assert (lengths - cond.lengths).abs().max() <= 4


def test_what_never_ends_is_no_length(reading):
    cond, _ = texts(3)
    with torch.no_grad():
        reading.takes.bias.fill_(9.0)
    lengths, within = reading.lengths(cond)
    assert not within.any()
    assert torch.equal(lengths, (3 * 6 * cond.phone_mask.sum(dim=1)))


def test_a_prompt_says_who_speaks():
    tiny = Tiny("prompted_text_flow_matching", "acoustic")
    model, batch = tiny.sampler()
    assert model.prompted
    prompt = batch.cond.prompt
    other = type(prompt)(prompt.values + 1.0, prompt.mask, prompt.states, prompt.phone_mask)
    with torch.no_grad():
        one, another = (
            model.sample(type(batch.cond)(**{**vars(batch.cond), "prompt": given}), 4, Noise(list(SEEDS)), 1.0)
            for given in (prompt, other)
        )
    assert not torch.allclose(one, another)


@pytest.mark.parametrize("rounded", [False, True])
def test_judges_reach_the_durations_of_a_student_unless_they_are_rounded(rounded):
    options = {"ctc": 1.0, "adversarial": 0.0, "judged_after": 0, "fake_updates": 1, "rounded": rounded}
    tiny = Tiny("dmd_text", "acoustic", options)
    model = tiny.model()
    batch = tiny.batch(model)
    losses = tiny.losses(model, batch, 0)
    assert torch.isfinite(losses["generator"])
    monitored = model.adapter.monitored()
    assert monitored["mel_ctc_to_speech"] > 0
    assert (monitored["mel_ctc_to_durations"] > 0) != rounded


def test_teacher_and_fake_are_asked_about_the_same_reading():
    """Whatever the fake learns: its score is that of the teacher's text, or the pull would be a difference of texts."""
    tiny = Tiny("dmd_text", "acoustic")
    model = tiny.model()
    adapter, groups = model.adapter, model.group_parameters()
    optimizer = torch.optim.Adam(groups["fake"], 0.1)
    for step in range(3):
        optimizer.zero_grad()
        tiny.losses(model, tiny.batch(model), step)["fake"].backward()
        optimizer.step()
    cond = tiny.batch(model).cond.sources["text_flow_matching"]
    one, other = (reader.upsampler.expand(cond).sequence for reader in (adapter.teacher, adapter.fake))
    torch.testing.assert_close(one, other)
    assert not same(adapter.teacher.network.network.backbone, adapter.fake.network.network.backbone)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(("name", "teacher"), [("dmd", "text_flow_matching"), ("dmd_text", "diffusion")])
def test_a_teacher_that_reads_otherwise_is_refused(name, teacher):
    with pytest.raises(ConfigError, match=f"{name} cannot distil '{teacher}'; choose one of"):
        Tiny(name, "acoustic", {"teacher": teacher}).model()
