"""The causal Transformer: what a position sees, and that a cache changes nothing but the work."""

import pytest
import torch
from toytargets import randn

from ttsbench.nn.transformer import Cache, Transformer, rotated, rotation


def transformer(dim=32, layers=3, heads=4):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Transformer(dim, layers, heads).eval()


def test_a_position_sees_nothing_that_comes_after_it():
    model, x = transformer(), randn(2, 12, 32)
    changed = x.clone()
    changed[:, 7:] += 1
    before, after = model(x), model(changed)
    assert torch.equal(before[:, :7], after[:, :7])
    assert (before[:, 7:] != after[:, 7:]).any(dim=-1).all()


@pytest.mark.parametrize("pieces", [[1] * 12, [5, 1, 6], [12]])
def test_with_a_cache_it_says_the_same(pieces):
    model, x = transformer(), randn(2, 12, 32)
    cache, said = Cache(model, 2, 12), []
    with torch.no_grad():
        for piece in x.split(pieces, dim=1):
            said.append(model(piece, cache))
        torch.testing.assert_close(torch.cat(said, dim=1), model(x), rtol=0, atol=1e-5)
    assert cache.length == 12


def test_turned_vectors_know_their_distance_alone():
    query, key = randn(1, 1, 1, 8), randn(1, 1, 1, 8, seed=1)

    def product(i, j):
        places = [rotation(torch.tensor([[float(place)]]), 8) for place in (i, j)]
        return float((rotated(query, places[0]) * rotated(key, places[1])).sum())

    assert product(3, 5) == pytest.approx(product(103, 105), rel=1e-4)
    assert product(3, 5) != pytest.approx(product(3, 6), rel=1e-2)


def test_padding_between_changes_nothing():
    """Two things in front of what counts, one of them padding; the places leave it out."""
    model, x = transformer(), randn(1, 8, 32)
    padded = torch.cat([x[:, :3], 100 * randn(1, 2, 32, seed=1), x[:, 3:]], dim=1)
    places = torch.tensor([[0, 1, 2, 0, 0, 3, 4, 5, 6, 7]], dtype=torch.float32)
    real = torch.tensor([[True] * 3 + [False] * 2 + [True] * 5])
    found = model(padded, None, places, real)
    torch.testing.assert_close(found[:, real[0]], model(x), rtol=0, atol=1e-5)


def test_heads_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="dim 20 must be a multiple of twice the 4 heads"):
        Transformer(20, 1, 4)
