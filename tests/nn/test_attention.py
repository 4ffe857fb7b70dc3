"""Cross-attention in every exact form it may take, against attention written out token by token."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlego import Ragged
from mmlego.nn import CrossAttention, GatedFeedForward, prepare_tokens
from mmlego.nn.attending import attend
from mmlego.nn.attention import LONG, normalise
from tests.bricks import stirred

B, ROWS, D = 3, 5, 8
# Token width and heads for which keys are cheaper, and for which folding them into the queries is.
FORMS = {"narrow heads": (24, 3, 2), "wide heads": (6, 2, 64)}


def attention(form: str, *, steps: int = 2, activation: str = "identity", temperature: float = 0.7) -> CrossAttention:
    e, heads, width = FORMS[form]
    module = CrossAttention(D, e, heads, width, temperature=temperature, activation=activation, steps=steps)
    stirred(module)
    return module.double()


def plain(module: CrossAttention, latent: Tensor, bag: Tensor, temperature: float = 0.7) -> Tensor:
    """One sample: latent rows ``(r, d)``, tokens ``(n, e)`` not yet normalised."""
    h, w = module.heads, module.head_width
    seen = module.norm_context(bag)
    q, k, v = (
        to(z).unflatten(-1, (h, w))
        for to, z in ((module.to_q, module.norm(latent)), (module.to_k, seen), (module.to_v, seen))
    )
    scores = torch.einsum("rhw,nhw->hrn", q, k) / (math.sqrt(w) * temperature)
    mixed = torch.einsum("hrn,nhw->rhw", scores.softmax(-1), v).flatten(1)
    out = module.to_out(mixed)
    return F.leaky_relu(out, 0.01) if module.activation == "leaky_relu" else out


def bags(form: str, sizes: list[int]) -> list[Tensor]:
    return [torch.randn(n, FORMS[form][0], dtype=torch.float64, requires_grad=True) for n in sizes]


def assert_same_with_gradients(module: CrossAttention, ours: Tensor, expected: Tensor, leaves: list[Tensor]) -> None:
    """Compare values and the gradients of all parameters and of all leaves."""
    torch.testing.assert_close(ours, expected)
    weight = torch.randn(ours.shape, dtype=ours.dtype)
    inputs = [*module.parameters(), *leaves]
    first = torch.autograd.grad((ours * weight).sum(), inputs, allow_unused=True)
    second = torch.autograd.grad((expected * weight).sum(), inputs, allow_unused=True)
    for mine, theirs, leaf in zip(first, second, inputs, strict=True):
        zero = torch.zeros_like(leaf)
        torch.testing.assert_close(zero if mine is None else mine, zero if theirs is None else theirs)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("n", [2, 7])
def test_tokens_of_one_length(form: str, shared: bool, n: int) -> None:
    module, tokens = attention(form), bags(form, [n] * B)
    latent = torch.randn(1 if shared else B, ROWS, D, dtype=torch.float64, requires_grad=True)
    ours = module(latent, prepare_tokens(torch.stack(tokens)), {})
    expected = torch.stack([plain(module, latent[0 if shared else i], bag) for i, bag in enumerate(tokens)])
    assert_same_with_gradients(module, ours, expected, [latent, *tokens])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("transform", [False, True])
@pytest.mark.parametrize("kind", ["ragged", "masked", "long mask"])
def test_bags_of_unequal_length(form: str, transform: bool, kind: str) -> None:
    module, tokens = attention(form), bags(form, [1, 6, 9])
    latent = torch.randn(B, ROWS, D, dtype=torch.float64, requires_grad=True)
    if kind == "ragged":
        ready = prepare_tokens(Ragged.from_list(tokens), transform=transform)
    else:
        longest = 12 if kind == "masked" else LONG + 3
        mask = torch.zeros(B, longest, dtype=torch.bool)
        padded = torch.full((B, longest, FORMS[form][0]), 99.0, dtype=torch.float64)
        for i, bag in enumerate(tokens):
            places = torch.randperm(longest)[: len(bag)].sort().values  # holes, not only a tail
            mask[i, places] = True
            padded = padded.index_put((torch.tensor(i), places), bag)
        ready = prepare_tokens(padded, mask, transform=transform)
    assert ready.batch == B
    ours = module(latent, ready, {})
    seen = [torch.fft.fft(bag, dim=0).real if transform else bag for bag in tokens]
    expected = torch.stack([plain(module, latent[i], bag) for i, bag in enumerate(seen)])
    assert_same_with_gradients(module, ours, expected, [latent, *tokens])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [2, 5, 64])
def test_a_last_linear_commutes_with_the_transform(form: str, n: int) -> None:
    e = FORMS[form][0]
    for last in (nn.Linear(4, e), nn.Linear(4, e, bias=False)):
        stirred(last).double()
        body = torch.randn(B, n, 4, dtype=torch.float64)
        seen = torch.fft.fft(last(body), dim=1).real
        module, latent = attention(form), torch.randn(B, ROWS, D, dtype=torch.float64)
        expected = torch.stack([plain(module, latent[i], seen[i]) for i in range(B)])
        mask = torch.ones(B, n + 1, dtype=torch.bool)
        mask[:, 1] = False
        holed = torch.cat([body[:, :1], torch.zeros(B, 1, 4, dtype=torch.float64), body[:, 1:]], 1)
        for given in ((body, None), (holed, mask), (Ragged(body.flatten(0, 1), [n] * B), None)):
            ours = module(latent, prepare_tokens(*given, transform=True, last=last), {})
            torch.testing.assert_close(ours, expected)
        for given in ((body, None), (holed, mask), (Ragged(body.flatten(0, 1), [n] * B), None)):
            ours = module(latent, prepare_tokens(*given, last=last), {})
            torch.testing.assert_close(ours, torch.stack([plain(module, latent[i], last(body[i])) for i in range(B)]))


@pytest.mark.parametrize("form", FORMS)
def test_a_single_token_needs_no_scores(form: str) -> None:
    module, tokens = attention(form), bags(form, [1] * B)
    latent = torch.randn(B, ROWS, D, dtype=torch.float64)
    ready = prepare_tokens(torch.stack(tokens), transform=True)
    assert ready.single
    ours = module(latent, ready).expand(-1, ROWS, -1)
    assert_same_with_gradients(
        module, ours, torch.stack([plain(module, latent[i], bag) for i, bag in enumerate(tokens)]), tokens
    )


@pytest.mark.parametrize("form", FORMS)
def test_leaky_relu_behind_the_projection(form: str) -> None:
    module, tokens = attention(form, activation="leaky_relu"), bags(form, [4] * B)
    latent = torch.randn(B, ROWS, D, dtype=torch.float64)
    ours = module(latent, prepare_tokens(torch.stack(tokens)), {})
    assert_same_with_gradients(
        module, ours, torch.stack([plain(module, latent[i], bag) for i, bag in enumerate(tokens)]), tokens
    )


@pytest.mark.parametrize("form", FORMS)
def test_memory_changes_nothing_and_is_filled_once(form: str) -> None:
    module, tokens = attention(form), prepare_tokens(torch.stack(bags(form, [6] * B)))
    memory: dict[str, Tensor] = {}
    for _ in range(2):
        latent = torch.randn(B, ROWS, D, dtype=torch.float64)
        torch.testing.assert_close(module(latent, tokens, memory), module(latent, tokens))


def test_huge_scores_do_not_overflow() -> None:
    module = CrossAttention(D, 6, 2, 4)
    with torch.no_grad():
        module.to_q.weight.mul_(1e4)
        module.to_k.weight.mul_(1e4)
    assert torch.isfinite(module(torch.randn(B, ROWS, D), prepare_tokens(torch.randn(B, 5, 6)), {})).all()


def test_normalised_tokens_and_their_gradient() -> None:
    x = torch.randn(4, 7, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 7, dtype=torch.float64)
    ours, plainly = normalise(x), F.layer_norm(x, (7,))
    torch.testing.assert_close(ours, plainly)
    (first,), (second,) = (torch.autograd.grad((y * weight).sum(), x) for y in (ours, plainly))
    torch.testing.assert_close(first, second)
    assert normalise(torch.zeros(2, 3)).abs().max() == 0
    assert normalise(torch.randn(2, 3).bfloat16()).dtype == torch.float32


def test_gated_feed_forward_is_value_times_selu_of_gate() -> None:
    module = GatedFeedForward(D, expansion=3)
    stirred(module)
    rows = torch.randn(B, ROWS, D)
    hidden = F.linear(F.layer_norm(rows, (D,), module.norm.weight, module.norm.bias), module.up.weight, module.up.bias)
    value, gate = hidden[..., : 3 * D], hidden[..., 3 * D :]
    expected = F.linear(value * F.selu(gate), module.down.weight, module.down.bias)
    torch.testing.assert_close(module(rows), expected)


@pytest.mark.parametrize("biased", [False, True])
def test_products_and_fused_attention_agree(biased: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU few queries go by products instead: the same answer and gradients."""
    generator = torch.Generator().manual_seed(3)
    queries, keys, values = (torch.randn(2, 4, n, 8, generator=generator, requires_grad=True) for n in (5, 300, 300))
    bias = torch.randn(2, 1, 1, 300, generator=generator) if biased else None
    answers = []
    for idle in (False, True):
        monkeypatch.setattr("mmlego.nn.attending._leaves_idle", lambda queries, idle=idle: idle)
        out = attend(queries, keys, values, bias)
        answers.append((out, *torch.autograd.grad(out.square().sum(), (queries, keys, values))))
    for fused, products in zip(*answers, strict=True):
        torch.testing.assert_close(products, fused, rtol=1e-4, atol=1e-5)
