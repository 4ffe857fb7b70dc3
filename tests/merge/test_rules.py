"""Merge rules on bare tensors: definitions written out number by number, and the laws of method, §4."""

from __future__ import annotations

import cmath
import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmlego import InputError, UnknownNameError
from mmlego.merge import combine, merge_rules, register_rule
from mmlego.merge import rules as module
from mmlego.merge.weights import present_weights
from tests import strategies

# Every rule in every way it can be called.
WAYS: dict[str, dict[str, Any]] = {
    "harmonic, circular": {"rule": "harmonic", "phase": "circular"},
    "harmonic, mean": {"rule": "harmonic", "phase": "mean"},
    "mean": {"rule": "mean"},
    "sum": {"rule": "sum"},
    "product": {"rule": "product"},
    "residual": {"rule": "residual", "strength": 1.7},
}
KEEPS_COPIES = ["harmonic, circular", "harmonic, mean", "mean"]
ways = st.sampled_from(list(WAYS))


def start_for(z: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(1, *z.shape[2:], dtype=z.dtype, generator=generator)


def merged(way: str, z: Tensor, weights: Tensor | None = None, present: Tensor | None = None) -> Tensor:
    m, b = z.shape[:2]
    weights = torch.ones(m, dtype=torch.float64) if weights is None else weights
    present = torch.ones(m, b, dtype=torch.bool) if present is None else present
    shares = present_weights(weights / weights.sum(), present)
    return combine(spectra=z, weights=shares, present=present, start=start_for(z), **WAYS[way])


def by_definition(way: str, values: list[complex], weights: list[float], start: complex) -> complex:
    """One entry, as method.md writes it."""
    if way == "sum":
        return sum(values)
    if way == "product":
        return math.prod(values)
    if way == "mean":
        return sum(w * z for w, z in zip(weights, values, strict=True))
    if way == "residual":
        return start + 1.7 * sum(w * (z - start) for w, z in zip(weights, values, strict=True))
    magnitude = 1 / sum(w / abs(z) for w, z in zip(weights, values, strict=True))
    angles = [cmath.phase(z) for z in values]
    if way == "harmonic, mean":
        angle = sum(w * a for w, a in zip(weights, angles, strict=True))
    else:
        angle = cmath.phase(sum(w * cmath.exp(1j * a) for w, a in zip(weights, angles, strict=True)))
    return cmath.rect(magnitude, angle)


@given(ways, st.data())
def test_every_rule_is_what_its_definition_says(way: str, data: st.DataObject) -> None:
    z = data.draw(strategies.spectra(st.integers(2, 6)))
    m, b, c, d = z.shape
    weights, present = data.draw(strategies.shares(m)), data.draw(strategies.presence(m, b))
    ours, start = merged(way, z, weights, present), start_for(z)
    shares = present_weights(weights, present)
    for i, row, column in itertools.product(range(b), range(c), range(d)):
        here = present[:, i].nonzero().squeeze(1).tolist()
        values = [z[k, i, row, column].item() for k in here]
        expected = values[0]
        if len(values) > 1:
            expected = by_definition(way, values, shares[here, i].tolist(), start[0, row, column].item())
        assert ours[i, row, column].item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(ways, strategies.spectra())
def test_merging_changes_no_input(way: str, z: Tensor) -> None:
    before = z.clone()
    merged(way, z)
    assert torch.equal(z, before)


@given(st.sampled_from([*KEEPS_COPIES, "residual"]), strategies.spectra(1), st.data())
def test_merging_copies_of_one_gives_that_one(way: str, z: Tensor, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    weights = data.draw(strategies.shares(count))
    copies = z.expand(count, -1, -1, -1)
    shares = (weights / weights.sum())[:, None]
    here = torch.ones(count, 1, dtype=torch.bool)
    options = {**WAYS[way], "strength": 1.0}
    torch.testing.assert_close(
        combine(spectra=copies, weights=shares, present=here, start=start_for(z), **options), z[0]
    )


@given(ways, strategies.spectra(st.integers(2, 6)), st.data())
def test_order_does_not_matter(way: str, z: Tensor, data: st.DataObject) -> None:
    m, b = z.shape[:2]
    weights, present = data.draw(strategies.shares(m)), data.draw(strategies.presence(m, b))
    order = torch.tensor(data.draw(st.permutations(range(m))))
    first, second = merged(way, z, weights, present), merged(way, z[order], weights[order], present[order])
    torch.testing.assert_close(first, second)


@given(ways, strategies.spectra(st.integers(1, 6)), st.data())
def test_one_modality_present_is_its_own_answer_exactly(way: str, z: Tensor, data: st.DataObject) -> None:
    m, b = z.shape[:2]
    which = torch.tensor(data.draw(st.lists(st.integers(0, m - 1), min_size=b, max_size=b)))
    present = torch.nn.functional.one_hot(which, m).T.bool()
    ours = merged(way, z, data.draw(strategies.shares(m)), present)
    assert torch.equal(ours, z[which, torch.arange(b)])


@given(ways, strategies.spectra(st.integers(2, 6)), st.data())
def test_a_missing_modality_equals_a_merge_without_it(way: str, z: Tensor, data: st.DataObject) -> None:
    m, b = z.shape[:2]
    weights, present = data.draw(strategies.shares(m)), data.draw(strategies.presence(m, b))
    ours = merged(way, z, weights, present)
    for i in range(b):
        here = present[:, i]
        without = merged(way, z[here, i : i + 1], weights[here])
        torch.testing.assert_close(ours[i : i + 1], without)


@given(ways, strategies.spectra(st.integers(2, 6)), st.data())
def test_what_stands_in_absent_rows_is_never_read(way: str, z: Tensor, data: st.DataObject) -> None:
    m, b = z.shape[:2]
    present = data.draw(strategies.presence(m, b))
    junk = data.draw(st.sampled_from([math.nan, math.inf, 1e300]))
    spoilt = torch.where(present[:, :, None, None], z, junk).requires_grad_()
    ours = merged(way, spoilt, present=present)
    assert torch.equal(ours, merged(way, z, present=present))
    torch.view_as_real(ours).sum().backward()
    assert spoilt.grad is not None
    assert torch.isfinite(torch.view_as_real(spoilt.grad)).all()
    assert spoilt.grad[~present].abs().sum() == 0


@given(ways, strategies.spectra(st.integers(2, 6)))
def test_gradients_flow_to_every_modality(way: str, z: Tensor) -> None:
    z = z.requires_grad_()
    weight = torch.randn(z.shape[1:], dtype=z.dtype, generator=torch.Generator().manual_seed(1))
    (merged(way, z) * weight).real.sum().backward()
    assert z.grad is not None
    assert torch.isfinite(torch.view_as_real(z.grad)).all()
    assert (z.grad.abs() > 0).all()


@pytest.mark.parametrize("way", WAYS)
def test_gradients_are_right(way: str) -> None:
    z = torch.randn(3, 1, 2, 2, dtype=torch.complex128).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: torch.view_as_real(merged(way, x)), z)


@pytest.mark.parametrize("way", WAYS)
def test_single_precision_stays_single(way: str) -> None:
    z = torch.randn(3, 2, 2, 2, dtype=torch.complex64)
    assert merged(way, z, torch.ones(3)).dtype == torch.complex64


# --- the harmonic rule, where numbers are hard

PHASES = ["circular", "mean"]


def harmonic(values: list[complex], phase: str, weights: list[float] | None = None, **options: Any) -> Tensor:
    z = torch.tensor(values, **options).reshape(-1, 1, 1, 1)
    shares = torch.tensor(weights or [1 / len(values)] * len(values), dtype=z.real.dtype)[:, None]
    here = torch.ones(len(values), 1, dtype=torch.bool)
    return combine("harmonic", z, shares, here, phase=phase)  # type: ignore[arg-type]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("values", [[0, 1j], [2 + 1j, 0, 3], [0, 0], [1e-40 + 1e-41j, 1j]])
def test_zero_where_any_magnitude_is_zero(phase: str, values: list[complex]) -> None:
    z = torch.tensor(values, dtype=torch.complex64).reshape(-1, 1, 1, 1).requires_grad_()
    shares, here = torch.full((len(values), 1), 1 / len(values)), torch.ones(len(values), 1, dtype=torch.bool)
    ours = combine("harmonic", z, shares, here, phase=phase)  # type: ignore[arg-type]
    assert ours.item() == 0
    torch.view_as_real(ours).sum().backward()
    assert z.grad is not None
    assert torch.isfinite(torch.view_as_real(z.grad)).all()


@pytest.mark.parametrize("phase", PHASES)
@given(st.data())
def test_any_magnitude_is_merged_without_overflow(phase: str, data: st.DataObject) -> None:
    """In single precision, from tiny to huge, alone and beside one another."""
    m = data.draw(st.integers(2, 4))
    sizes = [data.draw(strategies.magnitudes) for _ in range(m)]
    angles = [data.draw(st.floats(-1.5, 1.5)) for _ in range(m)]
    values = [cmath.rect(size, angle) for size, angle in zip(sizes, angles, strict=True)]
    z = torch.tensor(values, dtype=torch.complex64).reshape(-1, 1, 1, 1).requires_grad_()
    shares, here = torch.full((m, 1), 1 / m), torch.ones(m, 1, dtype=torch.bool)
    ours = combine("harmonic", z, shares, here, phase=phase)  # type: ignore[arg-type]
    expected = by_definition(f"harmonic, {phase}", values, [1 / m] * m, 0)
    assert abs(ours.item() - expected) <= 1e-5 * abs(expected)
    (ours / ours.detach().abs()).real.sum().backward()
    assert z.grad is not None
    assert torch.isfinite(torch.view_as_real(z.grad)).all()


def test_phases_near_pi_do_not_jump() -> None:
    """Two directions just above and just below the cut point the same way; the paper's mean turns them around."""
    above, below = cmath.rect(2.0, math.pi - 0.01), cmath.rect(2.0, -math.pi + 0.01)
    assert harmonic([above, below], "circular").item() == pytest.approx(-2.0, abs=1e-3)
    assert harmonic([above, below], "mean").item() == pytest.approx(2.0, abs=1e-3)
    assert harmonic([-2.0 + 0j, -2.0 - 0j], "circular").item() == pytest.approx(-2.0, abs=1e-3)


@given(st.floats(-math.pi, math.pi), st.floats(0, 0.5))
def test_the_circular_mean_turns_with_its_inputs(turn: float, spread: float) -> None:
    values = [cmath.exp(1j * spread), 2 * cmath.exp(-0.3j), 0.5 * cmath.exp(0.2j)]
    plain = harmonic(values, "circular", dtype=torch.complex128).item()
    turned = harmonic([z * cmath.exp(1j * turn) for z in values], "circular", dtype=torch.complex128).item()
    assert turned == pytest.approx(plain * cmath.exp(1j * turn), abs=1e-9)


@pytest.mark.parametrize("values", [[1j, -1j], [2, -2], [1, cmath.exp(2j * math.pi / 3), cmath.exp(-2j * math.pi / 3)]])
def test_opposed_phases_have_a_finite_answer_and_gradient(values: list[complex]) -> None:
    z = torch.tensor(values, dtype=torch.complex64).reshape(-1, 1, 1, 1).requires_grad_()
    shares, here = torch.full((len(values), 1), 1 / len(values)), torch.ones(len(values), 1, dtype=torch.bool)
    ours = combine("harmonic", z, shares, here)
    assert ours.abs().item() == pytest.approx(abs(values[0]), rel=1e-5)
    torch.view_as_real(ours).sum().backward()
    assert z.grad is not None
    assert torch.isfinite(torch.view_as_real(z.grad)).all()


@pytest.mark.parametrize("phase", PHASES)
def test_a_weight_of_zero_takes_a_modality_out(phase: str) -> None:
    """Even one whose magnitude is zero, which else would make the answer zero."""
    assert harmonic([3j, 0], phase, [1.0, 0.0]).item() == pytest.approx(3j, abs=1e-6)
    three = harmonic([3j, 0, 1.0], phase, [0.5, 0.0, 0.5])
    torch.testing.assert_close(three, harmonic([3j, 1.0], phase))


def test_the_harmonic_mean_is_drawn_to_the_smaller_magnitude() -> None:
    assert harmonic([1.0, 1e6], "circular").abs().item() == pytest.approx(2.0, rel=1e-3)


# --- the registry


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is registered in a test is forgotten after it."""
    monkeypatch.setattr(module._RULES, "_known", module._RULES.registered())


@pytest.mark.usefixtures("registry")
def test_a_rule_of_ones_own_takes_the_arguments_it_names() -> None:
    @register_rule("first")
    def first(spectra: Tensor, weights: Tensor, present: Tensor, *, strength: float = 1.0) -> Tensor:
        return strength * spectra[0]

    assert merge_rules()["first"] is first
    z = torch.randn(2, 1, 1, 1, dtype=torch.complex64)
    half, here = torch.full((2, 1), 0.5), torch.ones(2, 1, dtype=torch.bool)
    assert torch.equal(combine("first", z, half, here, strength=3.0), 3 * z[0])


@pytest.mark.usefixtures("registry")
def test_a_taken_name_is_refused_and_the_rule_stays() -> None:
    before = merge_rules()["mean"]
    with pytest.raises(InputError, match=r"the merge rule name 'mean' is taken: .* got .*mine, where it is mean"):

        @register_rule("mean")
        def mine(spectra: Tensor, weights: Tensor, present: Tensor) -> Tensor:
            return spectra[0]

    assert merge_rules()["mean"] is before
    register_rule("mean")(before)  # a module that is loaded again registers its own anew


def test_the_registry_is_not_changed_through_what_it_returns() -> None:
    merge_rules().clear()
    assert sorted(merge_rules()) == ["harmonic", "mean", "product", "residual", "sum"]


def test_wrong_calls() -> None:
    z, half, here = torch.ones(2, 1, 1, 1) + 0j, torch.full((2, 1), 0.5), torch.ones(2, 1, dtype=torch.bool)
    with pytest.raises(UnknownNameError, match="expected one of harmonic, mean, product, residual, sum, got 'median'"):
        combine("median", z, half, here)
    with pytest.raises(InputError, match="needs the shared start"):
        combine("residual", z, half, here)
    with pytest.raises(InputError, match="'mean' or 'circular', got 'median'"):
        combine("harmonic", z, half, here, phase="median")  # type: ignore[arg-type]
