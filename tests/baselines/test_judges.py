"""Judges: what they learn, what they answer, and that they differ from what evaluates."""

from dataclasses import replace

import pytest
import torch
from toytargets import DIM, condition, noise, randn

from baselines.judges import MelCtc, MelSpeaker, phones_in_frames
from ttsbench import Batch, ConfigError, ModelContext
from ttsbench.checks.conformance.tiny import Tiny

PHONES, SPEAKERS, CHANNELS = 5, 3, 8


def built(judge, role="acoustic"):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        context = ModelContext(role, CHANNELS, DIM, lambda *_, **__: None, n_phones=PHONES, n_speakers=SPEAKERS)
        return judge(context)


def speech(batch=16, seed=0):
    """Each phone has a spectrum of its own, and so has each speaker."""
    generator = torch.Generator().manual_seed(seed)
    phones = torch.randint(1, PHONES + 1, (batch, 6), generator=generator)
    speakers = torch.randint(0, SPEAKERS, (batch,), generator=generator)
    alignment = torch.arange(6).repeat_interleave(4).expand(batch, -1)
    spectra, colours = 2 * randn(PHONES + 1, CHANNELS, seed=100), randn(SPEAKERS, CHANNELS, seed=101)
    target = spectra[phones.gather(1, alignment)] + colours[speakers].unsqueeze(1)
    target = target + 0.2 * torch.randn(target.shape, generator=generator)
    cond = replace(condition(torch.zeros(batch, 24, DIM)), phones=phones, speaker=speakers, alignment=alignment)
    return Batch(target, cond)


def fit(judge, steps=80):
    optimizer = torch.optim.Adam(judge.network.parameters(), 3e-3)
    for step in range(steps):
        loss = judge.losses(speech(seed=step + 1), step, noise(16))["generator"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    judge.network.eval()
    return judge


def test_phones_of_a_crop_are_those_of_its_frames():
    cond = condition(torch.zeros(2, 6, DIM), [6, 4])
    cond = replace(
        cond,
        phones=torch.tensor([[7, 8, 8, 9], [5, 6, 0, 0]]),
        alignment=torch.tensor([[1, 1, 2, 2, 3, 3], [0, 0, 0, 1, 0, 0]]),
    )
    phones, counts = phones_in_frames(cond)
    assert phones.tolist() == [[8, 8, 9, 0], [5, 6, 0, 0]]
    assert counts.tolist() == [3, 2]


def test_a_recogniser_prefers_what_was_said():
    judge, batch = fit(built(MelCtc)), speech(seed=999)
    with torch.no_grad():
        right = judge.judge(batch.target, batch.target, batch.cond)
        wrong = judge.judge(batch.target.flip(0), batch.target, batch.cond)
    assert float(right.mean()) < 0.3 < 1 < float(wrong.mean())


def test_a_speaker_encoder_knows_one_speaker_from_another():
    judge, batch = fit(built(MelSpeaker)), speech(seed=999)
    other = speech(seed=998)
    with torch.no_grad():
        distances = judge.judge(batch.target, other.target, batch.cond)
    same = batch.cond.speaker == other.cond.speaker
    assert float(distances[same].max()) < float(distances[~same].min())


@pytest.mark.parametrize("judge", [MelCtc, MelSpeaker])
def test_a_judge_can_be_followed(judge):
    """Going down its slope mends speech by its own measure."""
    judge, batch = fit(built(judge)), speech(seed=999)
    made = batch.target.flip(0).clone().requires_grad_()
    before = judge.judge(made, batch.target, batch.cond)
    for _ in range(30):
        (slope,) = torch.autograd.grad(judge.judge(made, batch.target, batch.cond).sum(), made)
        made = (made - 2.0 * slope).detach().requires_grad_()
    assert float(judge.judge(made, batch.target, batch.cond).mean()) < 0.7 * float(before.mean())


@pytest.mark.parametrize("judge", [MelCtc, MelSpeaker])
def test_padding_changes_no_judgement(judge):
    judge, batch = built(judge), speech(2)
    judge.network.eval()
    short = replace(batch.cond, mask=torch.arange(24) < torch.tensor([[24], [15]]))
    dirty = batch.target.clone()
    dirty[1, 15:] = 100.0
    clean = judge.judge(batch.target, batch.target, short)
    torch.testing.assert_close(judge.judge(dirty, dirty, short), clean)


def test_prosody_has_no_judges():
    with pytest.raises(ConfigError, match="mel_ctc judges acoustic models"):
        built(MelCtc, "prosody")
    with pytest.raises(ConfigError, match="mel_speaker judges acoustic models"):
        built(MelSpeaker, "prosody")


def test_a_student_is_pulled_by_the_judges_it_names():
    tiny = Tiny("dmd", "acoustic", {"ctc": 1.0, "speaker": 0.5, "judged_after": 4})
    model = tiny.model()
    assert set(model.sources) == {"diffusion", "l2", "mel_ctc", "mel_speaker"}
    batch = tiny.batch(model)
    before = float(tiny.losses(model, batch, 4)["generator"].detach())
    monitored = dict(model.adapter.monitored())
    parts = ("speech", "student", "condition")
    assert all(monitored[f"{judge}_to_{part}"] > 0 for judge in ("mel_ctc", "mel_speaker") for part in parts)
    model.adapter.judged_after = 5
    after = float(tiny.losses(model, batch, 4)["generator"].detach())
    assert before - after == pytest.approx(float(monitored["mel_ctc"] + 0.5 * monitored["mel_speaker"]), rel=1e-3)
    gradients = [one for source in model.sources.values() for one in source.parameters() if one.grad is not None]
    assert not gradients
