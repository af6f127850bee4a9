"""Operations against a product's known count, memory against tensors of known size."""

import pytest
import torch
from torch import nn

from ttsbench.models.metering import count_operations


def test_operations_of_a_product_and_a_convolution():
    with count_operations() as meter:
        torch.ones(30, 40) @ torch.ones(40, 50)
        nn.functional.conv1d(torch.ones(2, 3, 20), torch.ones(5, 3, 7))
    assert meter.flops == 2 * 30 * 40 * 50 + 2 * 2 * 5 * 14 * 3 * 7


def test_the_peak_is_what_was_alive_at_once():
    given = torch.ones(1000)  # made before: not counted
    with count_operations() as meter:
        one = given + 1  # 4 kB
        two = one * 2  # 8 kB
        del one
        two.relu_()  # in place
        view = two.view(10, 100)
        three = view + 1  # 8 kB again
        del two, view, three
        torch.zeros(500)
    assert meter.peak_bytes == 8000


def test_gradients_are_metered_too():
    weight = torch.ones(20, 20, requires_grad=True)
    with count_operations() as meter:
        (torch.ones(5, 20) @ weight).sum().backward()
    assert meter.flops == pytest.approx(2 * 2 * 5 * 20 * 20)  # forward, and the weight's gradient


def test_an_energy_may_be_differentiated_by_what_is_sampled():
    layer = nn.Linear(8, 4, bias=False)
    for parameter in layer.parameters():
        parameter.requires_grad_(False)
    with count_operations() as meter, torch.enable_grad():
        sampled = torch.ones(3, 8).requires_grad_()
        torch.autograd.grad(layer(sampled).sum(), sampled)
    assert meter.flops == 2 * 2 * 3 * 8 * 4  # forward, and the sample's gradient


def test_it_counts_what_torch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    network = nn.Sequential(nn.Conv1d(6, 6, 7, padding=3, groups=6), nn.Conv1d(6, 4, 1), nn.ConvTranspose1d(4, 2, 4))
    x = torch.ones(2, 6, 20)
    query = torch.ones(1, 2, 5, 8)
    with FlopCounterMode(display=False) as counter:
        network(x).sum().backward()
        nn.functional.scaled_dot_product_attention(query, query, query)
        torch.baddbmm(torch.ones(2, 3, 3), torch.ones(2, 3, 4), torch.ones(2, 4, 3))
    with count_operations() as meter:
        network(x).sum().backward()
        nn.functional.scaled_dot_product_attention(query, query, query)
        torch.baddbmm(torch.ones(2, 3, 3), torch.ones(2, 3, 4), torch.ones(2, 4, 3))
    assert meter.flops == counter.get_total_flops() > 0
