"""Invertible layers: exact inverses, and determinants that autograd finds as well."""

import math

import pytest
import torch
from jacobians import LENGTHS, jacobian_log_det, perturb
from toytargets import DIM, condition, randn

from ttsbench.nn.backbone import Backbone
from ttsbench.nn.invertible import (
    LIMIT,
    TAIL,
    ActNorm,
    AffineCoupling,
    InvertibleConv,
    SplineCoupling,
    rational_quadratic,
    squeeze,
    unsqueeze,
)

# Splines


def splines(*shape, bins=10, scale=2.0):
    return scale * randn(*shape, 3 * bins - 1, seed=5).double()


def test_a_spline_rises_and_its_derivative_is_that_of_autograd():
    x = torch.linspace(-7, 7, 2001, dtype=torch.float64).requires_grad_()
    for parameters in splines(6):
        y, log_slope = rational_quadratic(x, parameters.expand(len(x), -1))
        assert (y.diff() > 0).all()
        (slope,) = torch.autograd.grad(y.sum(), x)
        torch.testing.assert_close(log_slope.exp(), slope, rtol=1e-9, atol=1e-9)


def test_a_spline_passes_its_knots_with_its_slopes():
    """The knots worked out here, as Durkan et al. 2019 define them: softmax bins of [-5, 5], softplus slopes."""
    parameters = splines()
    widths, heights = (torch.softmax(raw, 0) * (1 - 10 * 1e-3) + 1e-3 for raw in parameters[:20].view(2, 10))
    at = -TAIL + 2 * TAIL * widths.cumsum(0)[:-1]
    expected = -TAIL + 2 * TAIL * heights.cumsum(0)[:-1]
    slopes = 1e-3 + torch.log1p(torch.exp(parameters[20:] + math.log(math.exp(1 - 1e-3) - 1)))
    y, log_slope = rational_quadratic(at, parameters.expand(9, -1))
    torch.testing.assert_close(y, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(log_slope.exp(), slopes, rtol=1e-6, atol=1e-9)


def test_a_spline_by_hand():
    """Two bins of [-5, 5], all of width and height 5 and so s = 1, slope 3 in the middle: xi = 1/2 in the left bin.

    y = -5 + 5 (1/4 + 1/4) / (1 + (1 + 3 - 2) / 4) = -10/3;  dy/dx = (3/4 + 1/2 + 1/4) / (3/2)^2 = 2/3.
    """
    raw = math.log(math.expm1(3 - 1e-3)) - math.log(math.expm1(1 - 1e-3))
    parameters = torch.tensor([[0.0, 0.0, 0.0, 0.0, raw]], dtype=torch.float64)
    y, log_slope = rational_quadratic(torch.tensor([-2.5], dtype=torch.float64), parameters)
    assert float(y) == pytest.approx(-10 / 3, abs=1e-9)
    assert float(log_slope.exp()) == pytest.approx(2 / 3, abs=1e-9)


def test_a_spline_is_inverted_exactly():
    x = 3 * randn(4, 500).double()
    parameters = splines(4, 500)
    y, log_slope = rational_quadratic(x, parameters)
    back, log_back = rational_quadratic(y, parameters, inverse=True)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-9)
    torch.testing.assert_close(log_back, -log_slope, rtol=0, atol=1e-6)
    gentle = 0.25 * parameters.float()  # as trained ones are: single precision inverts slopes of 1e-3 no better than so
    single, _ = rational_quadratic(rational_quadratic(x.float(), gentle)[0], gentle, inverse=True)
    torch.testing.assert_close(single, x.float(), rtol=0, atol=1e-4)


def test_a_spline_is_the_identity_where_it_must_be():
    x = torch.tensor([-9.0, -TAIL, 0.3, TAIL, 7.0])
    still, none = rational_quadratic(x, torch.zeros(5, 29))
    torch.testing.assert_close(still, x)
    torch.testing.assert_close(none, torch.zeros(5), atol=1e-6, rtol=0)
    outside, flat = rational_quadratic(x[[0, 4]], splines(2).float())
    assert torch.equal(outside, x[[0, 4]])
    assert not flat.any()


# Layers


def layers():
    def network(kind):
        return Backbone(6, 6 * kind.PARAMETERS, 2 * DIM, 8, 1, 3, False)

    kinds = {"affine": AffineCoupling, "spline": SplineCoupling}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        couplings = {f"{name}{' flipped' * flip}": kind(network(kind), flip)
                     for name, kind in kinds.items() for flip in (False, True)}  # fmt: skip
        return {"actnorm": ActNorm(12), "conv": InvertibleConv(12), "conv of two": InvertibleConv(6), **couplings}


@pytest.mark.parametrize("name", layers())
def test_a_layer_is_invertible_and_knows_its_determinant(name):
    """Against the Jacobian that autograd finds, on the real elements of lengths 5 (odd), 2 and 1."""
    layer = perturb(layers()[name].double().eval())
    channels = 6 if name == "conv of two" else 12
    mask = condition(torch.zeros(3, 5, 1), LENGTHS).mask.unsqueeze(-1)
    real = squeeze(mask.expand(3, 5, channels // 2))
    x = torch.where(real, randn(3, 3, channels).double(), 0.0)
    cond = randn(3, 3, 2 * DIM, seed=1).double()
    z, log_det = layer(x, cond, real)
    assert not torch.allclose(z[real], x[real])
    assert not z[~real].any()
    torch.testing.assert_close(layer.inverse(z, cond, real), x, rtol=0, atol=1e-10)
    expected = jacobian_log_det(lambda values: layer(values, cond, real)[0], x, real)
    torch.testing.assert_close(log_det, expected, rtol=0, atol=1e-6)


def test_squeeze_puts_neighbours_side_by_side():
    x = torch.arange(1.0, 11).view(1, 5, 2)
    assert squeeze(x).tolist() == [[[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 0, 0]]]
    assert squeeze(x, 1).tolist() == [[[0, 0, 1, 2], [3, 4, 5, 6], [7, 8, 9, 10]]]
    assert torch.equal(unsqueeze(squeeze(x), 5), x)
    assert squeeze(torch.ones(1, 3, 1, dtype=torch.bool)).tolist() == [[[True, True], [True, False]]]


def test_actnorm_begins_with_zero_mean_and_unit_variance_of_real_elements():
    mask = condition(torch.zeros(4, 7, 1), [7, 3, 6, 1]).mask.unsqueeze(-1).expand(-1, -1, 6)
    x = 3 + 2 * randn(4, 7, 6) * torch.arange(1, 7)
    layer, cond = ActNorm(6), torch.zeros(4, 7, DIM)
    z, _ = layer(torch.where(mask, x, 1e6), cond, mask)
    for channel in range(6):
        values = z[..., channel][mask[..., channel]]
        assert float(values.mean()) == pytest.approx(0, abs=1e-5)
        assert float(values.var(unbiased=False)) == pytest.approx(1, abs=1e-4)
    assert bool(layer.state_dict()["initialised"])
    again, _ = layer(5 * x, cond, mask)
    assert float(again[mask].std()) > 3  # one batch decides, the next does not
    evaluated = ActNorm(6).eval()
    torch.testing.assert_close(evaluated(x, cond, mask)[0][mask], x[mask])
    assert not bool(evaluated.initialised)


def test_the_scale_of_a_coupling_is_bounded():
    layer = AffineCoupling(torch.nn.Identity(), flip=False)
    _, log_scale = layer.change(torch.zeros(2), torch.tensor([[0.0, 1e6], [0.0, -1e6]]))
    assert log_scale.tolist() == pytest.approx([LIMIT, -LIMIT])


def test_a_convolution_is_as_exact_in_mixed_precision():
    layer = perturb(InvertibleConv(8))
    x, mask = randn(2, 5, 8), torch.ones(2, 5, 8, dtype=torch.bool)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z, _ = layer(x, x, mask)
        back = layer.inverse(z, x, mask)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-5)
