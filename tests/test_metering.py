"""Operations against a product's known count, memory against tensors of known size."""

import pytest
import torch
from torch import nn

from ttsbench.metering import metered


def test_operations_of_a_product_and_a_convolution():
    with metered() as meter:
        torch.ones(30, 40) @ torch.ones(40, 50)
        nn.functional.conv1d(torch.ones(2, 3, 20), torch.ones(5, 3, 7))
    assert meter.flops == 2 * 30 * 40 * 50 + 2 * 2 * 5 * 14 * 3 * 7


def test_the_peak_is_what_was_alive_at_once():
    given = torch.ones(1000)  # made before: not counted
    with metered() as meter:
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
    with metered() as meter:
        (torch.ones(5, 20) @ weight).sum().backward()
    assert meter.flops == pytest.approx(2 * 2 * 5 * 20 * 20)  # forward, and the weight's gradient
