"""Speech from text alone: the inputs of the model, the end of its output, and the spoken words."""

from dataclasses import replace

import pytest
import torch
from toytargets import DIM, condition, noise, randn

from baselines.sled_text import LONGEST, Reading, SledText, Turns, phones_read
from ttsbench import Batch, ConfigError, ModelContext, Prompt
from ttsbench.models.metering import CallCounter
from ttsbench.nn.backbone import Backbone
from ttsbench.nn.energy_distance import NOISE

KINDS, CHANNELS = 4, 3


def make(in_channels, out_channels, time=False):
    return Backbone(in_channels, out_channels, DIM, 48, 3, 3, time)


def built(**options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SledText(
            ModelContext("acoustic", CHANNELS, DIM, make), **{"dim": 32, "layers": 2, "patch": 2, **options}
        )


def speech(batch=32, seed=0):
    """Sentences of 2 to 5 phones; each kind of phone is a spectrum, held for 4 frames."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(2, 6, (batch,), generator=generator)
    phones = torch.randint(1, KINDS + 1, (batch, 5), generator=generator)
    phone_mask = torch.arange(5) < counts.unsqueeze(1)
    states, spectra = randn(KINDS + 1, DIM, seed=100), randn(KINDS + 1, CHANNELS, seed=101)
    alignment = torch.arange(5).repeat_interleave(4).expand(batch, -1)
    cond = condition(torch.zeros(batch, 20, DIM), (4 * counts).tolist())
    cond = replace(cond, phones=phones * phone_mask, phone_mask=phone_mask, alignment=alignment,
                   states=states[phones] * phone_mask.unsqueeze(-1))  # fmt: skip
    target = spectra[phones].repeat_interleave(4, dim=1)
    target = target + 0.05 * torch.randn(target.shape, generator=generator)
    return Batch(target * cond.mask.unsqueeze(-1), cond)


def fit(adapter, steps=300):
    optimizer = torch.optim.Adam(adapter.network.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        loss = adapter.losses(speech(seed=step + 1), step, noise(32, step + 1))["generator"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    adapter.network.eval()
    return adapter


@pytest.fixture(scope="module")
def trained():
    return fit(built())


def test_it_says_what_it_is_told_and_stops(trained):
    batch = speech(64, seed=999)
    with torch.no_grad():
        spoken = trained.sample(batch.cond, 1, noise(64))
    assert spoken.stopped.float().mean() > 0.95
    right = spoken.lengths == batch.cond.lengths
    assert right.float().mean() > 0.8
    shortest = min(spoken.values.shape[1], batch.target.shape[1])
    real = (right.unsqueeze(1) & batch.cond.mask)[:, :shortest]
    error = (spoken.values[:, :shortest] - batch.target[:, :shortest])[real]
    assert float(error.square().mean().sqrt()) < 0.4 * float(batch.target[batch.cond.mask].std())


def test_patches_per_phone_are_those_of_the_corpus(trained):
    assert float(trained.network.rate) == pytest.approx(2.0, abs=0.01)  # of 2 frames each


def test_what_was_read_is_the_alignment_s():
    """Phones of 3, 0 and 2 frames, then padding; patches of 2 frames."""
    cond = condition(torch.zeros(1, 7, DIM), [5])
    cond = replace(cond, phones=torch.tensor([[1, 2, 3, 0]]), phone_mask=torch.tensor([[True, True, True, False]]),
                   alignment=torch.tensor([[0, 0, 0, 2, 2, 0, 0]]))  # fmt: skip
    torch.testing.assert_close(phones_read(cond, 2), torch.tensor([[0.0, 2 / 3, 2.5, 3.0, 3.0]]))


def test_advances_add_up_to_the_text(trained):
    """Over the patches that were spoken; half a phone is a patch here."""
    cond, found = speech(64, seed=999).cond, list[torch.Tensor]()
    hook = trained.network.register_forward_hook(lambda network, inputs, output: found.append(output[:, -2]))
    with torch.no_grad():
        spoken = trained.sample(cond, 1, noise(64))
    hook.remove()
    advances = torch.stack(found, dim=1)
    said = torch.arange(advances.shape[1]) < (spoken.lengths // 2).unsqueeze(1)
    off = (advances * said).sum(dim=1) - cond.phone_mask.sum(dim=1)
    assert float(off.abs().mean()) < 0.25


def test_where_it_reads_is_what_it_has_drawn():
    adapter, cond = awake(), speech(4).cond
    with torch.no_grad():
        slow = adapter.sample(cond, 1, noise(4)).values
        adapter.network.head.output.bias[-1] += 1.0
        fast = adapter.sample(cond, 1, noise(4)).values
    assert torch.equal(slow[:, :2], fast[:, :2])  # of the first patch only the advance is another
    assert not torch.allclose(slow[:, 2:4], fast[:, 2:4])


def prompt_of(batch):
    """Its speech and phones, to be read before."""
    return Prompt(batch.target, batch.cond.mask, batch.cond.states, batch.cond.phone_mask)


def awake(**options):
    """An untrained network whose head does not give zeros."""
    adapter = built(**options)
    adapter.network.eval()
    for parameter in adapter.network.head.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(2))
    return adapter


@pytest.mark.parametrize("guidance", [1.0, 2.0])
@pytest.mark.parametrize("interleave", [None, (2, 4), (1, 6)])
@pytest.mark.parametrize("prompt", [False, True])
def test_sampling_reads_what_training_reads(guidance, interleave, prompt):
    """Step by step with a cache, and all at once."""
    adapter, batch = awake(text_dropout=0.5, interleave=interleave), speech(4)
    if prompt:
        batch = replace(batch, cond=replace(batch.cond, prompt=prompt_of(speech(4, seed=5))))
    patches = randn(4, 6, 2 * CHANNELS)
    previous = torch.cat([torch.zeros(4, 1, 2 * CHANNELS), patches[:, :-1]], dim=1)
    draws, place = randn(4, 6, NOISE, seed=3), randn(4, 6, seed=4).abs().cumsum(dim=1)
    place = place - place[:, :1]
    network, none = adapter.network, torch.zeros(4, dtype=torch.bool)
    with torch.no_grad():
        turns = adapter._turns(batch.cond)
        with_text = network.states(network.read(batch.cond, none), previous, place, turns)
        without = network.states(network.read(batch.cond, ~none), previous, place, turns)
        z = without + guidance * (with_text - without)
        patch, advance = network.head(z, draws)[..., :-1], network.head(with_text, draws)[..., -1:]
        expected = torch.cat([patch, advance, network.stop(with_text)], dim=-1)
        past, text, offset = adapter._read(batch.cond, guidance)
        reading, steps = Reading(network.transformer, offset, 20 + 6), []
        if prompt:
            network.listen(past, reading)
        for k in range(6):
            if k % turns.patches == 0:
                start = k // turns.patches * turns.phones
                network.listen(text.part(start, start + turns.phones), reading)
            steps.append(network(previous[:, k], draws[:, k], place[:, k] if k else None, reading, guidance))
    torch.testing.assert_close(torch.stack(steps, dim=1), expected, rtol=0, atol=1e-5)


def test_what_never_stops_is_cut_and_says_so():
    adapter, batch = built(), speech(8)
    with torch.no_grad():
        adapter.network.stop.bias.fill_(-100.0)
        with CallCounter(adapter.network) as counter:
            spoken = adapter.sample(batch.cond, 1, noise(8))
    expected = (LONGEST * float(adapter.network.rate) * batch.cond.phone_mask.sum(dim=1)).ceil()
    assert not spoken.stopped.any()
    assert spoken.lengths.tolist() == (2 * expected).tolist()
    assert counter.calls == int(expected.max())


def test_an_eager_stop_still_says_something():
    adapter, batch = built(), speech(8)
    with torch.no_grad():
        adapter.network.stop.bias.fill_(100.0)
        spoken = adapter.sample(batch.cond, 1, noise(8))
    assert spoken.stopped.all()
    assert spoken.lengths.tolist() == [2] * 8


def test_text_that_is_left_out_is_not_read():
    adapter, batch = built(text_dropout=0.5), speech(4)
    left_out = torch.tensor([True, False, True, False])
    previous = randn(4, 3, 2 * CHANNELS)
    other = replace(batch.cond, states=batch.cond.states + 1)
    turns, place = adapter._turns(batch.cond), torch.arange(3.0).expand(4, 3)
    some, others = (
        adapter.network.states(adapter.network.read(one, left_out), previous, place, turns)
        for one in (batch.cond, other)
    )
    assert torch.equal(some[left_out], others[left_out])
    assert not torch.equal(some[~left_out], others[~left_out])


# Streaming


def test_turns_are_taken_until_the_text_has_run_out():
    assert Turns(2, 3).order(5, 8, torch.device("cpu")).tolist() == [0, 1, 5, 6, 7, 2, 3, 8, 9, 10, 4, 11, 12]
    assert Turns(5, 3).order(5, 4, torch.device("cpu")).tolist() == list(range(9))


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_who_has_read_everything_before_it_speaks_is_not_changed_by_chunks(guidance):
    offline, streamed = (awake(text_dropout=0.5, interleave=interleave) for interleave in (None, (5, 2)))
    cond = speech(4).cond
    with torch.no_grad():
        whole = offline.sample(cond, 1, noise(4), guidance=guidance)
        chunks = list(streamed.stream(cond, noise(4), guidance=guidance))
    assert len(chunks) > 2
    assert {chunk.values.shape[1] for chunk in chunks[:-1]} == {2}
    torch.testing.assert_close(torch.cat([chunk.values for chunk in chunks], dim=1), whole.values, rtol=0, atol=1e-5)
    assert torch.equal(sum(chunk.lengths for chunk in chunks), whole.lengths)


@pytest.mark.parametrize("interleave", [None, (1, 2), (2, 6), (3, 5)])
def test_the_chunks_of_a_stream_are_the_sample(interleave):
    adapter, cond = awake(interleave=interleave), speech(4).cond
    with torch.no_grad():
        whole = adapter.sample(cond, 1, noise(4))
        chunks = list(adapter.stream(cond, noise(4)))
    assert torch.equal(torch.cat([chunk.values for chunk in chunks], dim=1), whole.values)
    assert torch.equal(sum(chunk.lengths for chunk in chunks), whole.lengths)
    assert torch.equal(chunks[-1].stopped, whole.stopped)


def test_it_speaks_before_it_has_read_everything():
    adapter, cond = awake(interleave=(2, 4)), speech(8).cond
    later = cond.states.clone()
    later[:, 2:] += 1
    with torch.no_grad():
        some, others = (next(adapter.stream(one, noise(8))) for one in (cond, replace(cond, states=later)))
        whole, changed = (adapter.sample(one, 1, noise(8)) for one in (cond, replace(cond, states=later)))
    assert torch.equal(some.values, others.values)
    assert not torch.equal(whole.values[:, :12], changed.values[:, :12])


@pytest.mark.slow
def test_it_says_what_it_is_told_as_it_reads():
    adapter, batch = fit(built(interleave=(2, 6))), speech(64, seed=999)  # text is ahead by a phone or two
    with torch.no_grad():
        spoken = adapter.sample(batch.cond, 1, noise(64))
    assert spoken.stopped.float().mean() > 0.95
    right = spoken.lengths == batch.cond.lengths
    assert right.float().mean() > 0.6


# Prompts


def prompted(batch, values=None):
    prompt = prompt_of(speech(len(batch.target), seed=5))
    if values is not None:
        prompt = replace(prompt, values=values * prompt.mask.unsqueeze(-1))
    return replace(batch.cond, prompt=prompt)


def test_a_prompt_is_heard():
    adapter, batch = awake(), speech(4)
    with torch.no_grad():
        plain, heard = (adapter.sample(cond, 1, noise(4)) for cond in (batch.cond, prompted(batch)))
        other = adapter.sample(prompted(batch, torch.ones(4, 20, CHANNELS)), 1, noise(4))
    assert not torch.allclose(plain.values[:, :2], heard.values[:, :2])
    assert not torch.allclose(other.values[:, :2], heard.values[:, :2])


def test_speech_begins_where_the_prompt_has_ended():
    adapter, batch = awake(), speech(4)
    cond = prompted(batch)
    past, text, offset = adapter._read(cond, 1.0)
    assert offset.tolist() == (cond.prompt.mask.sum(dim=1) // 2).tolist()
    plain = adapter._read(batch.cond, 1.0).text
    torch.testing.assert_close(text.places, plain.places + offset.unsqueeze(1))
    assert past.real.sum(dim=1).tolist() == (offset + cond.prompt.phone_mask.sum(dim=1)).tolist()


def test_padding_of_a_prompt_changes_nothing():
    adapter, batch = awake(), speech(4)
    cond, pad = prompted(batch), torch.nn.functional.pad
    longer = Prompt(
        pad(cond.prompt.values, (0, 0, 0, 6)), pad(cond.prompt.mask, (0, 6)),
        pad(cond.prompt.states, (0, 0, 0, 3)), pad(cond.prompt.phone_mask, (0, 3)),
    )  # fmt: skip
    with torch.no_grad():
        some, others = (adapter.sample(one, 1, noise(4)) for one in (cond, replace(cond, prompt=longer)))
    torch.testing.assert_close(some.values, others.values, rtol=0, atol=1e-5)


def test_a_prompt_is_read_in_training():
    adapter, batch = awake(prompt=True), speech(4)
    assert adapter.prompted
    first, other = (
        float(adapter.losses(Batch(batch.target, cond), 0, noise(4))["generator"].detach())
        for cond in (prompted(batch), prompted(batch, torch.ones(4, 20, CHANNELS)))
    )
    assert first != other


@pytest.mark.slow
def test_it_speaks_with_the_voice_of_its_prompt():
    """Voices are levels that nothing else tells; one of those that are tested was never trained on."""

    def voiced(batch, levels, seed):
        shift, prompt = levels.view(-1, 1, 1), speech(len(levels), seed=seed)
        values = (prompt.target + shift) * prompt.cond.mask.unsqueeze(-1)
        target = (batch.target + shift) * batch.cond.mask.unsqueeze(-1)
        return Batch(target, replace(batch.cond, prompt=replace(prompt_of(prompt), values=values)))

    adapter = built(prompt=True)
    optimizer = torch.optim.Adam(adapter.network.parameters(), 3e-3)
    for step in range(400):
        levels = torch.tensor([-1.5, -0.5, 1.5])[torch.arange(32) % 3]
        batch = voiced(speech(seed=step + 1), levels, seed=10_000 + step)
        loss = adapter.losses(batch, step, noise(32, step + 1))["generator"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    adapter.network.eval()
    off = {}
    for level in (-1.5, 0.5, 1.5):
        batch = voiced(speech(32, seed=999), torch.full((32,), level), seed=888)
        with torch.no_grad():
            spoken = adapter.sample(batch.cond, 1, noise(32))
        off[level] = float(spoken.values[:, :4].mean() - batch.target[:, :4].mean())
    assert all(abs(difference) < 0.5 for difference in off.values()), off


def test_wrong_options_get_a_sentence():
    with pytest.raises(ConfigError, match="text_dropout such as"):
        built().sample(speech(1).cond, 1, noise(1), guidance=2.0)
    with pytest.raises(ConfigError, match=r"as in \[5, 20\]; got \[5\]"):
        built(interleave=[5])
    with pytest.raises(ConfigError, match="0 < beta <= 2"):
        built(beta=0.0)
    with pytest.raises(ConfigError, match="is an acoustic model"):
        SledText(ModelContext("prosody", 2, DIM, make))


def test_positions_by_count_do_not_teach_the_alignment():
    batch = speech(4)
    shifted = replace(batch, cond=replace(batch.cond, alignment=batch.cond.alignment.clamp(max=1)))
    for positions, equal in (("count", True), ("alignment", False)):
        losses = [built(positions=positions).losses(each, 0, noise(4, 1))["generator"] for each in (batch, shifted)]
        assert torch.equal(*losses) == equal, positions


def test_with_positions_by_count_speech_is_drawn_at_the_mean_rate():
    adapter = built(positions="count")
    adapter.losses(speech(4), 0, noise(4, 1))["generator"].backward()
    adapter.network.eval()
    with torch.no_grad():
        drawn = adapter.sample(speech(4).cond, 1, noise(4, 2))
    assert bool(torch.isfinite(drawn.values).all()) and drawn.values.shape[0] == 4


def test_unknown_positions_are_refused():
    with pytest.raises(ConfigError, match="no positions 'guess'; choose one of alignment, count"):
        built(positions="guess")
