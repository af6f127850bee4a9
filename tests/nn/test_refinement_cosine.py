"""The cosine between the step of a refiner and the way to the recording."""

import pytest
import torch

from ttsbench.nn.energy.langevin import refinement_cosine

MASK = torch.tensor([[True, True, True], [True, False, False]])


def test_the_way_to_the_recording_has_cosine_one_whatever_its_length():
    wanted = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    assert refinement_cosine(7 * wanted, wanted, MASK) == pytest.approx(1.0)
    assert refinement_cosine(-wanted, wanted, MASK) == pytest.approx(-1.0)


def test_padding_does_not_count():
    wanted = torch.ones(2, 3, 4)
    step = torch.where(MASK.unsqueeze(-1), wanted, -100.0)
    assert refinement_cosine(step, wanted, MASK) == pytest.approx(1.0)


def test_it_is_the_cosine_of_numpy_averaged_over_utterances():
    a, b = (torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    pairs = [(a[0].flatten(), b[0].flatten()), (a[1, :1].flatten(), b[1, :1].flatten())]
    expected = sum(float(x @ y / (x.norm() * y.norm())) for x, y in pairs) / 2
    assert refinement_cosine(a, b, MASK) == pytest.approx(expected, rel=1e-5)
