"""PathwayTokens against a loop over pathways."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmlego import InputError
from mmlego.encoders import PathwayTokens
from tests import strategies
from tests.bricks import stirred

gene_sets = st.lists(st.lists(st.integers(0, 19), min_size=1, max_size=12, unique=True), min_size=1, max_size=9)


def one_by_one(encoder: PathwayTokens, sets: list[list[int]], x: Tensor) -> Tensor:
    """Each pathway's own two layers: Jaume et al. 2024, section 3.1."""
    tokens, row = [], 0
    for p, genes in enumerate(sets):
        first = encoder.weight[row : row + len(genes)]  # (g, h)
        row += len(genes)
        hidden = F.selu(x[:, genes] @ first + encoder.bias[p])
        tokens.append(hidden @ encoder.out_weight[p] + encoder.out_bias[p])
    return torch.stack(tokens, dim=1)


@given(gene_sets, strategies.seeds)
def test_each_pathway_has_its_own_network(sets: list[list[int]], seed: int) -> None:
    torch.manual_seed(seed)
    encoder, x = stirred(PathwayTokens(20, sets, 6, hidden=3)).eval(), torch.randn(2, 20)
    torch.testing.assert_close(encoder(x), one_by_one(encoder, sets, x))  # type: ignore[arg-type]


def test_a_pathway_sees_its_own_genes_alone() -> None:
    encoder = PathwayTokens(6, [[0, 1, 2], [2, 5]], 4).eval()
    x = torch.randn(1, 6, requires_grad=True)
    encoder(x)[0, 0].sum().backward()
    assert x.grad is not None
    assert (x.grad[0] != 0).tolist() == [True, True, True, False, False, False]


def test_an_untrained_layer_keeps_the_variance_whatever_the_size() -> None:
    sets = [list(range(3)), list(range(100)), list(range(1000))]
    encoder = PathwayTokens(1000, sets, 4, hidden=256)
    sizes = torch.tensor([len(genes) for genes in sets])
    for size, weight in zip(sizes.tolist(), encoder.weight.split(sizes.tolist()), strict=True):
        assert (weight.square().sum(0).mean()).item() == pytest.approx(1.0, abs=0.2), size


def test_few_products_serve_many_pathways() -> None:
    generator = strategies.generator(0)
    sets = [torch.randperm(300, generator=generator)[: 1 + i % 60].tolist() for i in range(200)]
    encoder, x = PathwayTokens(300, sets, 4, hidden=2).eval(), torch.randn(2, 300)
    products = []

    class Count(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            products.append(function is torch.einsum)
            return function(*args, **(kwargs or {}))

    with Count():
        tokens = encoder(x)
    assert tokens.shape == (2, 200, 4)
    assert sum(products) <= 8  # sizes from 1 to 60: seven classes, and the second layer
    torch.testing.assert_close(tokens, one_by_one(encoder, sets, x))


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ([], "no pathways"),
        ([[0], []], "pathway 1 has no columns"),
        ([[0, 5]], "pathway 0 has an unknown column: expected integers from 0 to 4, got 5"),
        ([[-1]], "unknown column.*got -1"),
        ([[1.0]], r"unknown column.*got 1\.0"),
        ([[True]], "unknown column.*got True"),
        ([["TP53"]], "unknown column.*got 'TP53'"),
        ([[2, 3, 2]], r"names a column twice.*got \[2, 3, 2\]"),
    ],
)
def test_wrong_sets_are_named(sets: list[list[int]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PathwayTokens(5, sets)
