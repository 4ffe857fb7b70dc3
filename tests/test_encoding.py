"""The joint between encoders and blocks: how an encoder is called, and when its last Linear waits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mmlego import InputError, Ragged, ShapeError
from mmlego.encoders import GatedAttentionMIL, GRUEncoder, PatchMLP
from mmlego.encoding import Encoded, check_features, encode, mask_argument
from tests.bricks import Custom


class Words(nn.Module):
    """A foreign encoder of integer codes, its mask named as in the language models people bring."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4)
        self.seen: Tensor | None = None

    def forward(self, codes: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        self.seen = attention_mask
        return self.table(codes)


class Padding(nn.Module):
    """A foreign encoder whose mask marks padding, not tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Tensor | None = None

    def forward(self, x: Tensor, src_key_padding_mask: Tensor | None = None) -> Tensor:
        self.seen = src_key_padding_mask
        return x


def run(encoder: nn.Module, x: Any, mask: Tensor | None = None, **options: Any) -> Encoded:
    return encode(encoder, x, mask, "x", **options)


HOLED = torch.tensor([[True, False, True], [True, True, True]])


@pytest.mark.parametrize(
    ("encoder", "name"),
    [
        (GRUEncoder(3), "mask"),
        (GatedAttentionMIL(3), "mask"),
        (nn.TransformerEncoderLayer(4, 2, batch_first=True), "src_key_padding_mask"),
        (Words(), "attention_mask"),
        (PatchMLP(3), None),
        (nn.Linear(3, 3), None),
    ],
)
def test_by_what_name_an_encoder_takes_a_mask(encoder: nn.Module, name: str | None) -> None:
    assert mask_argument(encoder) == name


def test_a_mask_goes_in_the_way_the_encoder_reads_it() -> None:
    padding, words = Padding(), Words()
    run(padding, torch.randn(2, 3, 4), HOLED)
    assert padding.seen is not None
    assert torch.equal(padding.seen, ~HOLED)
    run(words, torch.randint(10, (2, 3)), HOLED)
    assert words.seen is not None
    assert torch.equal(words.seen, HOLED)


def test_integer_codes_may_be_masked_or_ragged() -> None:
    words, codes = Words(), torch.tensor([[1, 7, 2], [3, 4, 5]])
    masked = run(words, codes, HOLED)
    assert masked.mask is not None
    ragged = run(words, Ragged(torch.tensor([1, 2, 3, 4, 5]), [2, 3]))
    assert ragged.mask is not None
    assert torch.equal(masked.tokens[masked.mask], ragged.tokens[ragged.mask])  # type: ignore[index]


def test_a_table_becomes_one_token() -> None:
    encoded = run(nn.Linear(5, 4), torch.randn(2, 5))
    assert isinstance(encoded.tokens, Tensor)
    assert encoded.tokens.shape == (2, 1, 4)
    assert encoded.mask is None


def test_pooled_tokens_need_no_mask() -> None:
    encoded = run(GatedAttentionMIL(4, 6), torch.randn(2, 3, 4), HOLED)
    assert isinstance(encoded.tokens, Tensor)
    assert encoded.tokens.shape == (2, 1, 6)
    assert encoded.mask is None


def test_one_token_for_a_masked_bag_needs_no_new_mask() -> None:
    class Pooling(nn.Module):
        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            return (x * mask[:, :, None]).sum(1, keepdim=True)

    encoded = run(Pooling(), torch.randn(2, 3, 4), HOLED)
    assert encoded.tokens.shape == (2, 1, 4)  # type: ignore[union-attr]
    assert encoded.mask is None


def test_an_encoder_that_knows_no_mask_sees_each_bag_alone() -> None:
    shapes: list[tuple[int, ...]] = []

    def look(x: Tensor) -> Tensor:
        shapes.append(tuple(x.shape))
        return x

    encoded = run(Custom(look), torch.randn(2, 3, 4), HOLED)
    assert shapes == [(1, 2, 4), (1, 3, 4)]
    assert isinstance(encoded.tokens, Ragged)
    assert encoded.tokens.sizes == [2, 3]


def test_an_encoder_that_works_token_by_token_sees_no_padding() -> None:
    shapes: list[tuple[int, ...]] = []

    def look(x: Tensor) -> Tensor:
        shapes.append(tuple(x.shape))
        return x

    run(Custom(look, tokenwise=True), torch.randn(2, 3, 4), HOLED)
    run(Custom(look, tokenwise=True), Ragged(torch.randn(5, 4), [2, 3]))
    assert shapes == [(1, 5, 4)] * 2


def test_an_encoder_may_bring_its_own_mask() -> None:
    """Here every token stands for two rows of the input."""
    encoder = Custom(lambda x: (x[:, ::2], torch.tensor([[True, False], [True, True]])[: len(x)]))
    encoded = run(encoder, torch.randn(2, 4, 3))
    assert encoded.mask is not None
    assert encoded.mask.sum(1).tolist() == [1, 2]
    # Called bag by bag, for a mask that it does not take: what it masks is left out of each bag.
    alone = run(encoder, torch.randn(2, 4, 3), torch.tensor([[True] * 4, [True] * 3 + [False]]))
    assert isinstance(alone.tokens, Ragged)
    assert alone.tokens.sizes == [1, 1]


def test_an_encoder_may_answer_with_a_ragged() -> None:
    encoder = Custom(lambda x: x.with_values(x.values * 2), accepts_ragged=True)
    bags = Ragged(torch.randn(5, 4), [2, 3])
    encoded = run(encoder, bags)
    assert isinstance(encoded.tokens, Ragged)
    assert torch.equal(encoded.tokens.values, bags.values * 2)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: x[:1], "does not keep the samples apart: expected tokens of 2 samples, got tokens of 1"),
        (lambda x: x[:, :0], "gives no token"),
        (lambda x: (x, HOLED & torch.tensor([[True], [False]])), "gives no token"),
        (lambda x: (x, HOLED[:, :2]), "gives tokens and a mask that do not fit"),
        (lambda x: Ragged(x.flatten(0, 1), [6]), "does not keep the samples apart"),
        (lambda x: Ragged(x.flatten(0, 1), [6, 0]), "gives no token"),
        (lambda x: x.long(), "does not give tokens"),
        (lambda x: x[None], "does not give tokens.*got shape"),
        (lambda x: (x, x, x), "does not give tokens.*a tuple of Tensor, Tensor, Tensor"),
        (lambda x: (x, HOLED.int()), "does not give tokens.*a tuple"),
        (lambda x: {"tokens": x}, "does not give tokens.*got dict"),
        (lambda x: None, "does not give tokens.*got NoneType.*Wrap it"),
    ],
)
def test_an_answer_that_is_no_batch_of_tokens_is_refused(answer: Any, message: str) -> None:
    with pytest.raises(ShapeError, match="(?s)modality 'x' " + message):
        run(Custom(answer), torch.randn(2, 3, 4))


def test_a_changed_number_of_tokens_needs_a_new_mask() -> None:
    class Halving(nn.Module):
        def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
            return x[:, :2]

    with pytest.raises(ShapeError, match=r"expected 3 tokens, one token, or a pair.*got 2 tokens"):
        run(Halving(), torch.randn(2, 3, 4), HOLED)


def test_an_encoder_that_is_not_token_by_token_after_all_is_refused() -> None:
    for answer in (lambda x: x[:, ::2], lambda x: x.mean(1)):
        with pytest.raises(ShapeError, match=r"does not treat each token by itself.*tokenwise=False"):
            run(Custom(answer, tokenwise=True), Ragged(torch.randn(5, 4), [2, 3]))


def test_one_ragged_bag_alone_may_not_come_back_as_another_ragged() -> None:
    encoder = Custom(lambda x: Ragged(x[0], [x.shape[1]]))
    with pytest.raises(ShapeError, match=r"does not give tokens.*got Ragged"):
        run(encoder, torch.randn(2, 3, 4), HOLED)


# --- errors from inside an encoder


@pytest.mark.parametrize(
    ("encoder", "x", "kind"),
    [
        (nn.Linear(3, 4), torch.randn(2, 5), ShapeError),
        (nn.Conv2d(1, 2, 3), torch.randn(2, 3, 8, 8), ShapeError),
        (nn.TransformerEncoderLayer(4, 2, batch_first=True), torch.randn(2, 3, 5), ShapeError),
        (nn.GRU(3, 4, batch_first=True), torch.randn(2, 3, 4, 5), ShapeError),
        (nn.Embedding(3, 4), torch.tensor([[1, 3]]), ShapeError),
        (nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4)), torch.randn(2, 5), ShapeError),
        (nn.Linear(3, 4), torch.ones(2, 3, dtype=torch.int64), ValueError),
        (nn.GRU(3, 4, batch_first=True), torch.ones(2, 2, 3, dtype=torch.float64), ValueError),
        (nn.Embedding(3, 4), torch.ones(2, 3), ValueError),
    ],
)
def test_a_complaint_about_the_input_names_the_modality(encoder: nn.Module, x: Tensor, kind: type[Exception]) -> None:
    for hold_last in (False, True):
        with pytest.raises(kind, match=r"encoder of modality 'x' cannot take this .*the encoder says: .+") as caught:
            run(encoder, x, hold_last=hold_last)
        assert caught.value.__cause__ is not None


def test_an_error_of_the_encoder_itself_comes_through() -> None:
    def broken(x: Tensor) -> Tensor:
        raise RuntimeError("my own bug")

    with pytest.raises(RuntimeError, match=r"^my own bug$"):
        run(Custom(broken), torch.randn(2, 3))


def test_our_own_errors_come_through_as_they_are() -> None:
    def ours(x: Tensor) -> Tensor:
        raise ShapeError("the shape is wrong", expected="another", got="this")

    with pytest.raises(ShapeError, match=r"^the shape is wrong: expected another, got this$"):
        run(Custom(ours), torch.randn(2, 3))


# --- what goes in


def test_large_finite_features_are_finite() -> None:
    """Their norm is too large, or overflows; they are not."""
    check_features(torch.full((2, 3), 1.5e12), None, "x", nn.Identity())
    check_features(torch.full((2, 3), 6e4, dtype=torch.float16), None, "x", nn.Identity())


@pytest.mark.parametrize("accepts_missing", [False, True])
@pytest.mark.parametrize("value", [2e12, -3e38])
def test_features_of_which_an_encoder_would_make_nan_are_refused(value: float, accepts_missing: bool) -> None:
    x = torch.randn(2, 3).index_fill(0, torch.tensor([1]), value)
    if accepts_missing:
        x[0, 0] = torch.nan
    with pytest.raises(InputError, match=r"so large.*below 1\.8e\+12.*in size, the first at \[1, 0\]. Standardise"):
        check_features(x, None, "x", Custom(lambda x: x, accepts_missing=accepts_missing))


def test_a_lazy_layer_has_no_width_to_check_yet() -> None:
    check_features(torch.randn(2, 3), None, "x", nn.LazyLinear(4))


# --- the last Linear


BODY = (nn.Linear(4, 5), nn.Tanh())


def test_a_last_linear_that_is_not_narrower_waits() -> None:
    encoder, x = nn.Sequential(*BODY, nn.Linear(5, 6)), torch.randn(2, 3, 4)
    encoded = run(encoder, x, hold_last=True)
    assert encoded.last is encoder[2]
    torch.testing.assert_close(encoded.last(encoded.tokens), encoder(x))
    assert run(encoder, x).last is None


class Doubling(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def hooked(where: str) -> nn.Module:
    encoder = nn.Sequential(*BODY, nn.Linear(5, 6))
    watched = encoder if where == "encoder" else encoder[2]
    watched.register_forward_hook(lambda module, inputs, output: 2 * output)
    return encoder


@pytest.mark.parametrize(
    "encoder",
    [
        nn.Sequential(*BODY, nn.Linear(5, 3)),
        nn.Sequential(*BODY, nn.Linear(5, 6), nn.Tanh()),
        nn.Sequential(nn.Linear(4, 6)),
        nn.utils.parametrizations.weight_norm(nn.Linear(4, 6)),
        nn.Sequential(*BODY, nn.utils.parametrizations.weight_norm(nn.Linear(5, 6))),
        Doubling(*BODY, nn.Linear(5, 6)),
        hooked("encoder"),
        hooked("last"),
    ],
    ids=["narrower", "not last", "alone", "no Sequential", "parametrised", "own forward", "hooked", "hooked last"],
)
def test_any_other_end_is_left_alone(encoder: nn.Module) -> None:
    x = torch.randn(2, 3, 4)
    encoded = run(encoder, x, hold_last=True)
    assert encoded.last is None
    torch.testing.assert_close(encoded.tokens, encoder(x))


def test_a_module_that_stands_twice_in_a_sequential_runs_twice() -> None:
    twice = nn.Linear(4, 4)
    encoder, x = nn.Sequential(twice, nn.Tanh(), twice, nn.Linear(4, 4)), torch.randn(2, 3, 4)
    encoded = run(encoder, x, hold_last=True)
    assert encoded.last is not None
    torch.testing.assert_close(encoded.last(encoded.tokens), encoder(x))
