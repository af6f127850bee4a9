"""Shared networks ignore padding, start without dependence on time, learn in all weights, and see both directions."""

import pytest
import torch

from ttsbench.data.batching import RawBatch
from ttsbench.nn.backbone import Backbone
from ttsbench.nn.blocks import ConvBlock, masked_mean, time_embedding, window_sum
from ttsbench.nn.conditioner import Conditioner, PhoneEncoder

DIM = 16


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=rng(seed))


def mask_of(*lengths, width=None):
    return torch.arange(width or max(lengths)).unsqueeze(0) < torch.tensor(lengths).unsqueeze(1)


def backbone(in_channels=3, time=False, layers=2, kernel=5):
    torch.manual_seed(0)
    return Backbone(in_channels, 4, DIM, DIM, layers, kernel, time).eval()


def raw_batch(lengths, phones, extra=0):
    """A batch by hand: all frames belong to phones in order; ``extra`` steps of padding filled with rubbish."""
    batch, widest, most = len(lengths), max(lengths) + extra, max(phones) + extra
    mask, phone_mask = mask_of(*lengths, width=widest), mask_of(*phones, width=most)
    alignment = torch.zeros(batch, widest, dtype=torch.long)
    for row, (length, count) in enumerate(zip(lengths, phones, strict=True)):
        alignment[row, :length] = torch.arange(length) * count // length
    ids = torch.randint(1, 6, (batch, 40), generator=rng(3))[:, :most] * phone_mask
    features = torch.randn(batch, 90, 4, generator=rng(4))[:, :widest]
    return RawBatch(ids, phone_mask, torch.arange(batch) % 2, torch.ones_like(ids), alignment, features, mask,
                    torch.zeros(batch, widest, 2))  # fmt: skip


# Padding


@pytest.mark.parametrize("time", [False, True])
def test_padding_changes_no_real_frame_of_the_backbone(time):
    network, short = backbone(time=time), 11
    if time:  # as after training: the modulation does something
        for block in network.blocks:
            torch.nn.init.normal_(block.modulation.weight, std=0.3)
    x, cond = randn(1, short, 3), randn(1, short, DIM, seed=1)
    t = torch.tensor([0.3]) if time else None
    alone = network(x, cond, mask_of(short), t)
    padded_x = torch.cat([x, 100 * randn(1, 9, 3, seed=2)], dim=1)
    padded_cond = torch.cat([cond, 100 * randn(1, 9, DIM, seed=3)], dim=1)
    padded = network(padded_x, padded_cond, mask_of(short, width=20), t)
    torch.testing.assert_close(padded[:, :short], alone, rtol=1e-5, atol=1e-6)
    assert not padded[:, short:].any()


def test_padding_changes_no_real_phone_of_the_encoder():
    torch.manual_seed(0)
    encoder = PhoneEncoder(5, 2, DIM, 2, 5).eval()
    phones = torch.tensor([[1, 2, 3, 4]])
    alone = encoder(phones, mask_of(4), torch.tensor([1]))
    padded = encoder(torch.tensor([[1, 2, 3, 4, 5, 5]]), mask_of(4, width=6), torch.tensor([1]))
    torch.testing.assert_close(padded[:, :4], alone, rtol=1e-5, atol=1e-6)
    assert not padded[:, 4:].any()


@pytest.mark.parametrize("role", ["acoustic", "prosody"])
def test_neighbours_and_padding_change_no_condition(role):
    torch.manual_seed(0)
    conditioner = Conditioner(role, 5, 2, DIM, 2, 5).eval()
    together = raw_batch([30, 18], [7, 4], extra=6)
    both = conditioner(together)
    for row, (length, count) in enumerate([(30, 7), (18, 4)]):
        phones, frames = slice(0, count), slice(0, length)
        one = RawBatch(
            together.phones[row : row + 1, phones], together.phone_mask[row : row + 1, phones],
            together.speaker[row : row + 1], together.durations[row : row + 1, phones],
            together.alignment[row : row + 1, frames], together.frame_features[row : row + 1, frames],
            together.mask[row : row + 1, frames], together.target[row : row + 1, frames],
        )  # fmt: skip
        alone = conditioner(one)
        real = length if role == "acoustic" else count
        torch.testing.assert_close(both.sequence[row, :real], alone.sequence[0], rtol=1e-5, atol=1e-6)
        assert not both.sequence[row, real:].any()
        assert both.lengths[row] == real
    assert (both.durations is None) == (role == "prosody")


def test_a_frame_gets_the_state_of_its_phone():
    torch.manual_seed(0)
    conditioner = Conditioner("acoustic", 5, 2, DIM, 1, 3).eval()
    batch = raw_batch([12], [3])
    cond = conditioner(batch)
    for frame in range(12):
        expected = cond.states[0, frame // 4] + conditioner.frames(batch.frame_features[0, frame])
        torch.testing.assert_close(cond.sequence[0, frame], expected)


def test_masked_mean_by_hand():
    values = torch.tensor([[[1.0, 3.0], [5.0, 7.0]], [[2.0, 2.0], [99.0, 99.0]]])
    assert masked_mean(values, torch.tensor([[True, True], [True, False]])) == pytest.approx(20 / 6)
    assert masked_mean(values, torch.zeros(2, 2, dtype=torch.bool)) == 0


# Time


def test_time_starts_neutral_and_learns():
    network = backbone(time=True)
    x, cond, mask = randn(2, 7, 3), randn(2, 7, DIM, seed=1), mask_of(7, 7)
    early, late = (network(x, cond, mask, torch.full((2,), t)) for t in (0.1, 0.9))
    assert torch.equal(early, late)
    late.square().sum().backward()
    assert all(block.modulation.weight.grad.abs().max() > 0 for block in network.blocks)
    with torch.no_grad():
        for block in network.blocks:
            block.modulation.weight.normal_(generator=rng())
    assert not torch.allclose(
        network(x, cond, mask, torch.full((2,), 0.1)), network(x, cond, mask, torch.full((2,), 0.9))
    )


def test_time_embedding_by_hand():
    found = time_embedding(torch.tensor([0.25]), 4)
    angles = torch.tensor([250.0, 250.0 / 100.0])
    torch.testing.assert_close(found, torch.cat([angles.sin(), angles.cos()]).unsqueeze(0))
    assert len({tuple(row.tolist()) for row in time_embedding(torch.linspace(0, 1, 101), 16)}) == 101


def test_inputs_must_match_how_it_was_made():
    cond, mask = randn(1, 5, DIM), mask_of(5)
    with pytest.raises(ValueError, match="x must be given"):
        backbone()(None, cond, mask)
    with pytest.raises(ValueError, match="x must be given"):
        backbone(in_channels=0)(randn(1, 5, 3), cond, mask)
    with pytest.raises(ValueError, match="t must be given"):
        backbone(time=True)(randn(1, 5, 3), cond, mask)
    with pytest.raises(ValueError, match="t must be given"):
        backbone()(randn(1, 5, 3), cond, mask, torch.zeros(1))
    with pytest.raises(ValueError, match="needs its vector"):
        ConvBlock(DIM, vector=DIM)(cond, mask)


def test_a_start_copies_the_weights_that_fit():
    """An energy has one output: the blocks are copied, the output and the input projection are not."""
    other = backbone(in_channels=0)
    energy = Backbone(3, 1, DIM, DIM, 2, 5, time=False)
    before = {name: value.clone() for name, value in energy.state_dict().items()}
    energy.initialise_from(other)
    assert torch.equal(energy.blocks[1].up.weight, other.blocks[1].up.weight)
    assert torch.equal(energy.condition.weight, other.condition.weight)
    for name in ("output.weight", "input.weight", "input.bias"):
        assert torch.equal(energy.state_dict()[name], before[name])
        assert energy.state_dict()[name].any()


def test_a_backbone_of_another_width_is_left_alone():
    narrow = Backbone(3, 4, DIM, 8, 2, 5, time=False)
    before = {name: value.clone() for name, value in narrow.state_dict().items()}
    narrow.initialise_from(backbone(in_channels=0))
    assert all(torch.equal(value, before[name]) for name, value in narrow.state_dict().items())


def test_a_residual_backbone_starts_at_zero():
    other, cond, mask = backbone(in_channels=0), randn(2, 9, DIM), mask_of(9, 6)
    plain, residual = (Backbone(0, 4, DIM, DIM, 2, 5, time=False, residual=flag).eval() for flag in (False, True))
    for network in (plain, residual):
        network.initialise_from(other)
    torch.testing.assert_close(plain(None, cond, mask), other(None, cond, mask))
    assert not residual(None, cond, mask).any()
    assert torch.equal(residual.states(None, cond, mask), other.states(None, cond, mask))


def test_a_backbone_without_output_has_states():
    network = Backbone(0, 0, DIM, DIM, 2, 5, time=False)
    assert network.states(None, randn(1, 9, DIM), mask_of(9)).shape == (1, 9, DIM)
    with pytest.raises(ValueError, match="has states only"):
        network(None, randn(1, 9, DIM), mask_of(9))


def test_a_block_may_be_differentiated_three_times_where_it_is_large():
    block, x = ConvBlock(DIM), randn(1, 5, DIM)
    mask = mask_of(5)
    torch.nn.init.constant_(block.up.bias, 40.0)
    usual = block(x, mask)
    block.third_derivative, x = True, x.requires_grad_()
    found = block(x, mask)
    torch.testing.assert_close(found, usual)
    for _ in range(3):
        (slope,) = torch.autograd.grad(found.sum(), x, create_graph=True)
        found = slope.square()
        assert bool(torch.isfinite(slope).all())


def test_the_first_part_of_a_backbone_starts_from_that_part():
    other = Backbone(0, 4, DIM, DIM, 2, 5, time=False)
    part, whole = (Backbone(0, 4, DIM, DIM, 1, 5, time=False, whole=depth) for depth in (2, None))
    before = whole.blocks[0].up.weight.clone()
    for backbone_ in (part, whole):
        backbone_.initialise_from(other)
    assert torch.equal(part.blocks[0].up.weight, other.blocks[0].up.weight)
    assert torch.equal(part.output.weight, other.output.weight)
    assert torch.equal(whole.blocks[0].up.weight, before)  # another depth, and no part of this one


# Gradients and receptive field


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    conditioner, network = Conditioner("acoustic", 5, 2, DIM, 2, 5), backbone(time=True)
    with torch.no_grad():
        for block in network.blocks:
            block.modulation.weight.normal_(generator=rng())
    batch = raw_batch([30, 18], [7, 4])
    cond = conditioner(batch)
    out = network(randn(2, 30, 3), cond.sequence, cond.mask, torch.tensor([0.2, 0.7]))
    masked_mean(out.square(), cond.mask).backward()
    for name, parameter in [*conditioner.named_parameters(), *network.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_every_frame_sees_the_whole_sequence():
    network = backbone(layers=2, kernel=5)
    x, cond = randn(1, 300, 3).requires_grad_(), randn(1, 300, DIM, seed=1)
    network(x, cond, mask_of(300))[0, 150].sum().backward()
    assert bool((x.grad[0].abs().sum(dim=1) > 0).all())


def test_convolutions_are_dilated_and_centred():
    """Without the pooled context, block k reaches ``dilation * (kernel // 2)`` frames on either side."""
    network, middle = backbone(layers=3, kernel=5), 30
    for block in network.blocks:
        block.context = None
    x, cond = randn(1, 61, 3).requires_grad_(), randn(1, 61, DIM, seed=1)
    network(x, cond, mask_of(61))[0, middle].sum().backward()
    touched = (x.grad[0].abs().sum(dim=1) > 0).nonzero().flatten().tolist()
    assert (min(touched), max(touched)) == (middle - 2 * (1 + 2 + 4), middle + 2 * (1 + 2 + 4))


def test_window_sums_by_hand():
    x = torch.arange(1.0, 101.0).view(1, 100, 1)
    found = window_sum(x)[0, :, 0]
    assert float(found[0]) == sum(range(1, 97))  # blocks of 32: its own and two after it
    assert float(found[99]) == sum(range(33, 101))
    assert float(window_sum(torch.ones(1, 400, 1))[0, 200]) == 160


def test_speakers_differ():
    torch.manual_seed(0)
    encoder = PhoneEncoder(5, 2, DIM, 1, 3).eval()
    phones = torch.tensor([[1, 2], [1, 2]])
    first, second = encoder(phones, mask_of(2, 2), torch.tensor([0, 1]))
    assert not torch.allclose(first, second)
