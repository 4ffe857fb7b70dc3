"""Merging of heads: great circles, Karcher means and matched rows, against their definitions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmlego import MismatchError, UnknownNameError
from mmlego.merge import head_rules, merge_heads
from mmlego.merge.heads import linear, ot, slerp
from tests import strategies

RULES = sorted(head_rules())


@st.composite
def vectors(draw: st.DrawFn, m: int | None = None, spread: float = 0.5) -> Tensor:
    """Vectors ``(m, rows, d)`` around a common direction, as heads that start alike are, of different lengths."""
    count = draw(st.integers(1, 6)) if m is None else m
    rows, d = draw(st.integers(1, 4)), draw(st.integers(2, 6))
    generator = strategies.generator(draw(strategies.seeds))
    centre = torch.randn(1, rows, d, dtype=torch.float64, generator=generator)
    moved = spread * centre.norm(dim=-1, keepdim=True) / math.sqrt(d)
    noise = torch.randn(count, rows, d, dtype=torch.float64, generator=generator)
    scale = 0.5 + torch.rand(count, 1, 1, dtype=torch.float64, generator=generator)
    return (centre + moved * noise) * scale


def normalised(weights: Tensor) -> Tensor:
    return weights / weights.sum()


def shoemake(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Shoemake 1985, by acos, with the norms interpolated."""
    first, second = a / a.norm(), b / b.norm()
    angle = torch.acos((first @ second).clamp(-1, 1))
    unit = (torch.sin((1 - t) * angle) * first + torch.sin(t * angle) * second) / torch.sin(angle)
    return unit * ((1 - t) * a.norm() + t * b.norm())


@given(vectors(2, spread=3.0), st.floats(0.01, 0.99))
def test_two_vectors_meet_on_their_great_circle(pair: Tensor, t: float) -> None:
    ours = slerp(pair, torch.tensor([1 - t, t], dtype=torch.float64))
    expected = torch.stack([shoemake(a, b, t) for a, b in zip(*pair, strict=True)])
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-8)


@given(vectors(2, spread=2.0), strategies.shares(3))
def test_the_karcher_mean_for_two_is_slerp(pair: Tensor, weights: Tensor) -> None:
    """Two of three vectors are one: three by fixed-point steps, two in closed form."""
    w = normalised(weights)
    three = slerp(torch.stack([pair[0], pair[1], pair[1]]), w)
    two = slerp(pair, torch.stack([w[0], w[1] + w[2]]))
    torch.testing.assert_close(three, two, rtol=1e-5, atol=1e-7)


@given(st.data())
def test_at_the_karcher_mean_all_pulls_cancel(data: st.DataObject) -> None:
    many = data.draw(vectors(data.draw(st.integers(3, 6)), spread=1.0))
    w = normalised(data.draw(strategies.shares(len(many))))
    mean = torch.nn.functional.normalize(slerp(many, w), dim=-1)
    units = torch.nn.functional.normalize(many, dim=-1)
    cosine = (units * mean).sum(-1, keepdim=True).clamp(-1, 1)
    away = torch.nn.functional.normalize(units - cosine * mean, dim=-1) * torch.acos(cosine)
    assert (w[:, None, None] * away).sum(0).norm(dim=-1).max() < 1e-5


@given(vectors(), st.data())
def test_norms_are_interpolated(many: Tensor, data: st.DataObject) -> None:
    w = normalised(data.draw(strategies.shares(len(many))))
    torch.testing.assert_close(slerp(many, w).norm(dim=-1), (w[:, None] * many.norm(dim=-1)).sum(0))


@given(vectors(), st.data())
def test_slerp_turns_with_its_inputs(many: Tensor, data: st.DataObject) -> None:
    w = normalised(data.draw(strategies.shares(len(many))))
    d = many.shape[-1]
    generator = strategies.generator(data.draw(strategies.seeds))
    turn = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64, generator=generator)).Q
    torch.testing.assert_close(slerp(many @ turn, w), slerp(many, w) @ turn, rtol=1e-5, atol=1e-6)


# --- laws of every rule


@given(st.sampled_from(RULES), vectors(1), st.data())
def test_copies_of_one_give_that_one(rule: str, one: Tensor, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    w = normalised(data.draw(strategies.shares(count)))
    torch.testing.assert_close(head_rules()[rule](one.expand(count, -1, -1), w), one[0])


@given(st.sampled_from(RULES), vectors(), st.data())
def test_order_does_not_matter(rule: str, many: Tensor, data: st.DataObject) -> None:
    w = normalised(data.draw(strategies.shares(len(many))))
    order = torch.tensor(data.draw(st.permutations(range(len(many)))))
    merge = head_rules()[rule]
    torch.testing.assert_close(merge(many[order], w[order]), merge(many, w), rtol=1e-5, atol=1e-7)


@given(st.sampled_from(RULES), vectors(), st.data())
def test_a_weight_of_one_takes_that_one(rule: str, many: Tensor, data: st.DataObject) -> None:
    i = data.draw(st.integers(0, len(many) - 1))
    w = torch.zeros(len(many), dtype=torch.float64)
    w[i] = 1
    torch.testing.assert_close(head_rules()[rule](many, w), many[i])


@given(st.sampled_from(RULES), vectors(), st.data())
def test_gradients_flow_and_inputs_stay(rule: str, many: Tensor, data: st.DataObject) -> None:
    w = normalised(data.draw(strategies.shares(len(many))))
    before, many = many.clone(), many.requires_grad_()
    head_rules()[rule](many, w).square().sum().backward()
    assert torch.equal(many, before)
    assert many.grad is not None
    assert torch.isfinite(many.grad).all()
    assert (many.grad.abs().sum((1, 2)) > 0).all()


@pytest.mark.parametrize("count", [2, 3, 5])
def test_gradients_of_slerp_are_right(count: int) -> None:
    base = torch.randn(1, 2, 4, dtype=torch.float64)
    many = (base + 0.3 * torch.randn(count, 2, 4, dtype=torch.float64)).requires_grad_()
    w = torch.full((count,), 1 / count, dtype=torch.float64)
    # The fixed point is found to 1e-6, and so is its derivative.
    assert torch.autograd.gradcheck(lambda x: slerp(x, w), many, atol=1e-4, rtol=1e-3)


# --- where no great circle is determined


def zeros(d: int = 4) -> list[list[float]]:
    return [[0.0] * d, [1.0, 2.0, *[0.0] * (d - 2)]]


STRAIGHT = {
    "one zero": zeros(),
    "both zero": [[0.0] * 4, [0.0] * 4],
    "equal": [[1.0, 2.0, 3.0, 4.0]] * 2,
    "parallel": [[1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, 8.0]],
    "antiparallel": [[1.0, 2.0, 3.0, 4.0], [-2.0, -4.0, -6.0, -8.0]],
    "opposed": [[1.0, 0.0], [-1.0, 0.0]],
    "three, one zero": [*zeros(), [0.0, 1.0, 0.0, 0.0]],
    "three parallel": [[1.0, 2.0], [2.0, 4.0], [0.5, 1.0]],
    "three that cancel": [[1.0, 0.0], [-0.5, math.sqrt(0.75)], [-0.5, -math.sqrt(0.75)]],
    "one number each": [[2.0], [3.0]],
    "one number each, opposed": [[2.0], [-3.0]],
    "one number each, three": [[2.0], [-3.0], [0.0]],
}


@pytest.mark.parametrize("case", STRAIGHT)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_slerp_falls_back_to_linear(case: str, dtype: torch.dtype) -> None:
    many = torch.tensor(STRAIGHT[case], dtype=dtype, requires_grad=True)
    w = torch.full((len(many),), 1 / len(many), dtype=dtype)
    ours = slerp(many, w)
    torch.testing.assert_close(ours, linear(many, w))
    ours.sum().backward()
    assert many.grad is not None
    torch.testing.assert_close(many.grad, w[:, None].expand_as(many))


def test_rows_that_fall_back_do_not_spoil_the_others() -> None:
    good = torch.randn(2, 1, 4)
    many = torch.cat([good, torch.zeros(2, 1, 4)], dim=1).requires_grad_()
    half = torch.tensor([0.5, 0.5])
    ours = slerp(many, half)
    torch.testing.assert_close(ours[:1], slerp(good, half))
    ours.square().sum().backward()
    assert many.grad is not None
    assert torch.isfinite(many.grad).all()


@pytest.mark.parametrize("angle", [1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8, math.pi - 1e-2, math.pi - 1e-4])
def test_nearly_parallel_directions_in_single_precision(angle: float) -> None:
    many = torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]], requires_grad=True)
    w = torch.tensor([0.25, 0.75])
    ours = slerp(many, w)
    if angle < 1:
        expected = torch.tensor([math.cos(0.75 * angle), math.sin(0.75 * angle)])
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)
    ours.sum().backward()
    assert many.grad is not None
    assert torch.isfinite(ours).all()
    assert torch.isfinite(many.grad).all()


def test_directions_that_nearly_point_apart_are_as_exact_as_single_precision_allows() -> None:
    """There the angle is all: of a cosine rounded to 1e-7 it is wrong by a hundredth."""
    generator = strategies.generator(0)
    one, other = (torch.nn.functional.normalize(torch.randn(64, 8, generator=generator), dim=-1) for _ in range(2))
    pair, w = torch.stack([one, torch.nn.functional.normalize(0.004 * other - one, dim=-1)]), torch.tensor([0.3, 0.7])
    torch.testing.assert_close(slerp(pair, w), slerp(pair.double(), w.double()).float(), rtol=0, atol=5e-4)


def test_a_weight_of_zero_takes_out_what_is_no_number() -> None:
    two = torch.tensor([[1.0, 2.0], [2.0, 4.0], [math.nan, math.inf]])  # parallel, where slerp is linear
    torch.testing.assert_close(slerp(two, torch.tensor([0.5, 0.5, 0.0])), torch.tensor([1.5, 3.0]))


# --- optimal transport


def test_ot_matches_rows_before_it_averages() -> None:
    rows = torch.tensor([[9.0, 0.0], [0.0, 9.0], [-9.0, 0.0]])
    shuffled = rows[[2, 0, 1]] + 0.1
    merged = ot(torch.stack([rows, shuffled]), torch.tensor([0.7, 0.3]))
    torch.testing.assert_close(merged, rows + 0.03)
    assert (linear(torch.stack([rows, shuffled]), torch.tensor([0.7, 0.3])) - rows).abs().max() > 1


def test_ot_of_vectors_and_of_single_rows_is_linear() -> None:
    w = torch.tensor([0.7, 0.3])
    for many in (torch.randn(2, 5), torch.randn(2, 1, 5)):
        assert torch.equal(ot(many, w), linear(many, w))


# --- whole heads


def heads(count: int) -> list[dict[str, Tensor]]:
    return [{"norm.weight": torch.randn(4), "linear.weight": torch.randn(3, 4)} for _ in range(count)]


@pytest.mark.parametrize("rule", RULES)
def test_whole_heads_are_merged_tensor_by_tensor(rule: str) -> None:
    given_heads, w = heads(3), torch.tensor([0.2, 0.3, 0.5])
    merged = merge_heads(given_heads, w, rule)
    merge: Callable[[Tensor, Tensor], Tensor] = head_rules()[rule]
    for name, value in merged.items():
        torch.testing.assert_close(value, merge(torch.stack([head[name] for head in given_heads]), w))


@pytest.mark.parametrize("rule", RULES)
def test_one_head_alone_comes_back_as_it_is(rule: str) -> None:
    given_heads = heads(3)
    for w in ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]):
        merged = merge_heads(given_heads, torch.tensor(w), rule)
        assert merged["linear.weight"] is given_heads[w.index(1.0)]["linear.weight"]


def test_the_registry_is_not_changed_through_what_it_returns() -> None:
    head_rules().clear()
    assert sorted(head_rules()) == ["linear", "ot", "slerp"]


def test_a_head_that_is_not_finite_is_refused_and_named() -> None:
    given_heads = heads(2)
    given_heads[1]["linear.weight"][0, 0] = math.nan
    for rule in ("linear", "slerp"):
        with pytest.raises(MismatchError, match=r"not finite in linear.weight.*training diverged"):
            merge_heads(given_heads, torch.tensor([0.5, 0.5]), rule)
    with pytest.raises(UnknownNameError, match="expected one of linear, ot, slerp, got 'nearest'"):
        merge_heads(given_heads, torch.tensor([0.5, 0.5]), "nearest")


def test_heads_are_merged_in_full_precision_under_autocast() -> None:
    given_heads, w = heads(2), torch.tensor([0.5, 0.5])
    expected = merge_heads(given_heads, w)
    with torch.autocast("cpu", torch.bfloat16):
        ours = merge_heads(given_heads, w)
    for name, value in ours.items():
        assert torch.equal(value, expected[name])


def plain_transport(matrices: Tensor, w: Tensor) -> Tensor:
    """Match rows by trying all orders, to the linear mean and then to what that gave."""
    centre = linear(matrices, w)
    orders = list(itertools.permutations(range(matrices.shape[1])))
    for _ in range(2):
        near = [min(orders, key=lambda o, m=matrix: float((centre - m[list(o)]).square().sum())) for matrix in matrices]
        centre = linear(torch.stack([matrix[list(o)] for matrix, o in zip(matrices, near, strict=True)]), w)
    return centre


@pytest.mark.parametrize("seed", [*range(12), 42])  # at 42 a third time would match others
def test_ot_matches_twice(seed: int) -> None:
    generator = strategies.generator(seed)
    matrices = torch.randn(3, 4, 3, dtype=torch.float64, generator=generator)
    w = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    torch.testing.assert_close(ot(matrices, w), plain_transport(matrices, w))


@pytest.mark.parametrize("idle", [[0.0, 0.0], [-1.0, 0.0], [3.0, 4.0]])
def test_a_weight_of_zero_takes_a_head_out_of_slerp(idle: list[float]) -> None:
    """Also one without a direction, or one that points the other way."""
    pair, w = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0.3, 0.7])
    many = torch.cat([pair, torch.tensor([idle])])
    assert torch.equal(slerp(many, torch.cat([w, torch.zeros(1)])), slerp(pair, w))
    assert torch.equal(slerp(many[[0, 2]], torch.tensor([1.0, 0.0])), many[0])


def test_three_that_cancel_have_no_direction_and_two_that_nearly_do_have() -> None:
    thirds = torch.tensor([[math.cos(a), math.sin(a)] for a in (0.0, 2 * math.pi / 3, 4 * math.pi / 3)])
    even = torch.full((3,), 1 / 3)
    torch.testing.assert_close(slerp(thirds, even), linear(thirds, even))
    wide = torch.tensor([[1.0, 0.0], [math.cos(3.0), math.sin(3.0)]], dtype=torch.float64)
    middle = slerp(wide, torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(middle, torch.tensor([math.cos(1.5), math.sin(1.5)], dtype=torch.float64))


def test_slerp_of_a_direction_that_is_the_mean_itself() -> None:
    """Of three in a fan the middle one is no way from their mean: there a step has no direction, and no NaN."""
    a = 0.4
    fan = torch.tensor([[1.0, 0.0], [math.cos(a), math.sin(a)], [math.cos(a), -math.sin(a)]], dtype=torch.float64)
    expected = torch.tensor([1.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(slerp(fan, torch.full((3,), 1 / 3, dtype=torch.float64)), expected)


@pytest.mark.parametrize("share", [0.7, 0.9])
def test_slerp_of_two_that_point_apart_is_linear(share: float) -> None:
    """No great circle is determined, whatever their weights."""
    apart = torch.tensor([[3.0, 0.0], [-1.0, 0.0]])
    expected = torch.tensor([3 * share - (1 - share), 0.0])
    torch.testing.assert_close(slerp(apart, torch.tensor([share, 1 - share])), expected)
