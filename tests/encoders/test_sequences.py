"""CharTransformer: ids, masks, positions, strides."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlego import InputError, LegoBlock, Ragged, ShapeError
from mmlego.encoders import CharTransformer
from mmlego.encoders.sequences import check_ids
from tests import strategies
from tests.bricks import plate, stirred


def encoder(**options: Any) -> CharTransformer:
    small = {"vocabulary": 9, "out_features": 8, "convolutions": 2, "kernel": 3, "layers": 1, "heads": 2}
    return stirred(CharTransformer(**{**small, **options})).eval()  # type: ignore[return-value]


@pytest.mark.parametrize("stride", [1, 2, 3])
@given(data=st.data())
def test_a_padded_batch_equals_single_samples(stride: int, data: st.DataObject) -> None:
    sizes = data.draw(strategies.lengths())
    generator = strategies.generator(data.draw(strategies.seeds))
    texts = [torch.randint(0, 9, (n,), generator=generator) for n in sizes]
    block = LegoBlock(encoder(stride=stride), plate(), "smiles").eval()
    alone = torch.cat([block(text[None]).logits for text in texts])
    ragged = Ragged.from_list(texts)
    mask = torch.arange(max(sizes))[None] < ragged.lengths[:, None]
    padded = torch.full(mask.shape, 7)
    padded[mask] = ragged.values
    torch.testing.assert_close(block(ragged).logits, alone, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(block(padded, mask).logits, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_masked_characters_may_stand_anywhere(stride: int) -> None:
    ours, ids = encoder(stride=stride), torch.randint(0, 9, (2, 7))
    mask = torch.tensor([[False, True, True, False, True, False, True], [True] * 7])
    tokens, kept = ours(ids, mask)
    for i in range(2):
        torch.testing.assert_close(tokens[i, kept[i]], ours(ids[i : i + 1, mask[i]])[0])
    assert tokens.shape == (2, -(-7 // stride), 8)


def test_order_matters_near_and_far() -> None:
    ours = encoder(convolutions=0)
    assert (ours(torch.tensor([[1, 2]])) - ours(torch.tensor([[2, 1]])).flip(1)).abs().max() > 1e-3
    local = encoder(layers=0)
    ids = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8]])
    other = ids.clone()
    other[0, 0] = 8
    changed = (local(ids) - local(other)).abs().amax(-1)[0] > 1e-6
    assert changed.tolist() == [True] * 3 + [False] * 5  # two convolutions of three characters


def test_sequences_may_be_longer_than_any_before() -> None:
    assert encoder()(torch.randint(0, 9, (1, 3000))).shape == (1, 3000, 8)


def test_unknown_characters_have_no_vector_and_never_get_one() -> None:
    ours = CharTransformer(9, 8, heads=2)
    tokens = ours(torch.tensor([[0, 1, 0]]))
    (tokens * torch.randn(tokens.shape)).sum().backward()
    assert ours.embedding.weight[0].eq(0).all()
    assert ours.embedding.weight.grad is not None
    assert ours.embedding.weight.grad[0].eq(0).all()
    assert ours.embedding.weight.grad[1].ne(0).any()


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.tensor([[1, 9]]), "not in the vocabulary: expected numbers from 0 to 8, got 9"),
        (torch.tensor([[1, -1]]), "not in the vocabulary.*got -1"),
        (torch.tensor([[1.0, 2.0]]), r"ids are no integers: expected int64, got torch\.float32"),
        (torch.tensor([[True, False]]), r"ids are no integers.*got torch\.bool"),
    ],
)
def test_what_are_no_ids_of_the_vocabulary_is_refused(ids: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LegoBlock(encoder(), plate(), "dna")(ids)


def test_ids_may_be_of_32_bits_and_none_at_all_are_left_to_the_block() -> None:
    ids = torch.randint(0, 9, (2, 5))
    ours = encoder()
    assert torch.equal(ours(ids.int()), ours(ids))
    check_ids(ids[:0], 1)
    for empty in (ids[:, :0], Ragged(ids[0, :3], [3, 0])):
        with pytest.raises(InputError, match="'dna' has an empty bag"):
            LegoBlock(ours, plate(), "dna")(empty)
    with pytest.raises(ShapeError, match="the mask of modality 'dna' does not fit"):
        LegoBlock(ours, plate(), "dna")(ids, torch.ones(2, 4, dtype=torch.bool))


@pytest.mark.parametrize("options", [{"kernel": 4}, {"kernel": -1}, {"stride": 0}])
def test_impossible_convolutions_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="expected an odd kernel and a stride ≥ 1"):
        encoder(**options)
