"""Every registered merge rule, walked through one list of checks: on bare tensors and in a model."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mmlego import LegoFuse, LegoMerge, merge_rules
from mmlego.merge import combine
from mmlego.merge.weights import present_weights
from tests.bricks import batch, family, gradients

M, B = 4, 5


def spectra(m: int = M, dtype: torch.dtype = torch.complex128) -> Tensor:
    return torch.randn(m, B, 3, 2, dtype=dtype, generator=torch.Generator().manual_seed(m))


def everyone(m: int = M) -> Tensor:
    return torch.ones(m, B, dtype=torch.bool)


def gaps() -> Tensor:
    """Everything between one modality and all; each sample otherwise."""
    return torch.tensor([[1, 1, 0, 0, 1], [1, 0, 1, 0, 1], [0, 1, 1, 0, 1], [0, 0, 0, 1, 1]], dtype=torch.bool)


def merged(rule: str, z: Tensor, present: Tensor, weights: Tensor | None = None) -> Tensor:
    weights = torch.arange(1.0, len(z) + 1, dtype=z.real.dtype) if weights is None else weights
    start = torch.ones(1, 3, 2, dtype=z.dtype) * (0.5 + 0.25j)
    return combine(rule, z, present_weights(weights, present), present, start=start, strength=1.3)


# --- the checks


def takes_what_rules_are_offered(rule: str) -> None:
    parameters = inspect.signature(merge_rules()[rule]).parameters
    assert list(parameters)[:3] == ["spectra", "weights", "present"]
    assert set(parameters) - {"spectra", "weights", "present"} <= {"phase", "start", "strength"}
    assert not any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    assert merge_rules()[rule].__doc__


def keeps_shape_and_dtype(rule: str) -> None:
    for dtype, m in itertools.product((torch.complex64, torch.complex128), range(1, 7)):
        ours = merged(rule, spectra(m, dtype), everyone(m))
        assert ours.shape == (B, 3, 2)
        assert ours.dtype == dtype
        assert torch.isfinite(torch.view_as_real(ours)).all()


def weighs_one_for_all_as_one_each(rule: str) -> None:
    """Weights and presence may be given once, ``(m, 1)``, for all samples."""
    z, weights = spectra(), torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    start = torch.ones(1, 3, 2, dtype=z.dtype)
    once = combine(rule, z, weights[:, None], torch.ones(M, 1, dtype=torch.bool), start=start)
    torch.testing.assert_close(once, combine(rule, z, weights[:, None].expand(M, B), everyone(), start=start))


def does_not_mind_the_order(rule: str) -> None:
    weights = torch.arange(1.0, M + 1, dtype=torch.float64)
    for order in itertools.permutations(range(M)):
        index = torch.tensor(order)
        ours = merged(rule, spectra()[index], gaps()[index], weights[index])
        torch.testing.assert_close(ours, merged(rule, spectra(), gaps(), weights))


def is_exact_where_one_is_present(rule: str) -> None:
    z = spectra()
    for which in range(M):
        present = torch.zeros(M, B, dtype=torch.bool)
        present[which] = True
        assert torch.equal(merged(rule, z, present), z[which])
        assert torch.equal(merged(rule, z[which : which + 1], everyone(1)), z[which])


def treats_missing_as_never_there(rule: str) -> None:
    z, present = spectra(), gaps()
    ours, weights = merged(rule, z, present), torch.arange(1.0, M + 1, dtype=torch.float64)
    for i in range(B):
        here = present[:, i]
        alone = combine(
            rule,
            z[here, i : i + 1],
            (weights[here] / weights[here].sum())[:, None],
            torch.ones(int(here.sum()), 1, dtype=torch.bool),
            start=torch.ones(1, 3, 2, dtype=z.dtype) * (0.5 + 0.25j),
            strength=1.3,
        )
        torch.testing.assert_close(ours[i : i + 1], alone)


def never_reads_what_is_absent(rule: str) -> None:
    z, present = spectra(), gaps()
    spoilt = torch.where(present[:, :, None, None], z, math.nan).requires_grad_()
    ours = merged(rule, spoilt, present)
    assert torch.equal(ours, merged(rule, z, present))
    torch.view_as_real(ours).square().sum().backward()
    assert spoilt.grad is not None
    assert torch.isfinite(torch.view_as_real(spoilt.grad)).all()


def uses_every_modality(rule: str) -> None:
    z = spectra()
    before = merged(rule, z, everyone())
    for which in range(M):
        other = z.clone()
        other[which] = other[which] * 1.5 + 0.5j
        assert ((merged(rule, other, everyone()) - before).abs() > 1e-9).all()


def is_differentiable(rule: str) -> None:
    z = torch.randn(3, 1, 2, 1, dtype=torch.complex128).requires_grad_()
    here, weights = torch.ones(3, 1, dtype=torch.bool), torch.tensor([[0.2], [0.3], [0.5]], dtype=torch.float64)
    start = torch.ones(1, 2, 1, dtype=z.dtype)
    assert torch.autograd.gradcheck(lambda x: torch.view_as_real(combine(rule, x, weights, here, start=start)), z)


def works_row_by_row(rule: str) -> None:
    """Mirrored spectra are merged by their distinct rows alone."""
    z, present = spectra(), gaps()
    start = torch.randn(1, 3, 2, dtype=z.dtype)
    shares = present_weights(torch.ones(M, dtype=torch.float64), present)
    whole = combine(rule, z, shares, present, start=start)
    for row in range(3):
        part = combine(rule, z[:, :, [row]], shares, present, start=start[:, [row]])
        torch.testing.assert_close(part, whole[:, [row]])


def keeps_a_mirrored_spectrum_mirrored(rule: str) -> None:
    """Real latents stay real: conjugate inputs give the conjugate answer."""
    z, start = spectra(), torch.randn(1, 3, 2, dtype=torch.complex128)
    shares = present_weights(torch.ones(M, dtype=torch.float64), everyone())
    there = combine(rule, z, shares, everyone(), start=start)
    mirror = combine(rule, z.conj(), shares, everyone(), start=start.conj())
    torch.testing.assert_close(mirror, there.conj())


def leaves_its_inputs_alone(rule: str) -> None:
    z, present, weights = spectra(), gaps(), torch.ones(M, dtype=torch.float64)
    kept = [x.clone() for x in (z, present, weights)]
    merged(rule, z, present, weights)
    assert all(torch.equal(a, b) for a, b in zip((z, present, weights), kept, strict=True))


def serves_in_models(rule: str) -> None:
    blocks = family(3)
    inputs, present = batch(blocks, 4), {"rna": torch.tensor([True, False, True, True])}
    for model in (LegoMerge(blocks, rule=rule), LegoFuse(blocks, mode="parallel", rule=rule)):
        logits = model(inputs, present)
        assert torch.isfinite(logits).all()
        logits.square().sum().backward()
        assert all(torch.isfinite(grad).all() for grad in gradients(model).values())


LAWS = (
    takes_what_rules_are_offered,
    keeps_shape_and_dtype,
    weighs_one_for_all_as_one_each,
    does_not_mind_the_order,
    is_exact_where_one_is_present,
    treats_missing_as_never_there,
    never_reads_what_is_absent,
    uses_every_modality,
    is_differentiable,
    works_row_by_row,
    keeps_a_mirrored_spectrum_mirrored,
    leaves_its_inputs_alone,
    serves_in_models,
)


@pytest.mark.parametrize("assert_law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("rule", sorted(merge_rules()))
def test_a_merge_rule(rule: str, assert_law: Callable[[str], None]) -> None:
    assert_law(rule)
