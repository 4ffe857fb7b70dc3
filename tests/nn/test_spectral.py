"""Transforms against the full complex FFT; the half-kept spectrum against the whole one."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmlego.nn.spectral import (
    Spectrum,
    at_least_float32,
    distinct,
    masked_real_transform,
    multiplicity,
    real_transform,
)
from tests import strategies

SIZES = [1, 2, 3, 4, 5, 64, 65, 257, 300, 1001]
CHANNELS = [1, 2, 3, 8, 9]


def full_real(x: Tensor) -> Tensor:
    return torch.fft.fft(x, dim=-2).real


def weighted_sum(half: Tensor, n: int) -> Tensor:
    """A scalar of the half transform that treats every distinct row differently."""
    ramp = torch.linspace(-1, 2, half.numel(), dtype=half.dtype).reshape(half.shape)
    return (half * ramp).sum()


@pytest.mark.parametrize("n", SIZES)
def test_half_transform_is_the_full_one_and_its_mirror(n: int) -> None:
    x = torch.randn(2, n, 3, dtype=torch.float64)
    half, full = real_transform(x), full_real(x)
    assert half.shape[1] == distinct(n)
    torch.testing.assert_close(half, full[:, : distinct(n)])
    mirror = [(n - k) % n for k in range(distinct(n))]
    torch.testing.assert_close(full[:, mirror], half)


@pytest.mark.parametrize("n", SIZES)
def test_gradient_of_the_half_transform_is_that_of_the_full_one(n: int) -> None:
    x = torch.randn(2, n, 3, dtype=torch.float64, requires_grad=True)
    (ours,) = torch.autograd.grad(weighted_sum(real_transform(x), n), x)
    (plain,) = torch.autograd.grad(weighted_sum(full_real(x)[:, : distinct(n)], n), x)
    torch.testing.assert_close(ours, plain)


def test_gradient_for_each_sample_by_vmap() -> None:
    x = torch.randn(4, 6, 2, dtype=torch.float64)
    each = torch.func.vmap(torch.func.grad(lambda bag: real_transform(bag).square().sum()))(x)
    alone = [torch.func.grad(lambda bag: full_real(bag)[:4].square().sum())(bag) for bag in x]
    torch.testing.assert_close(each, torch.stack(alone))


@pytest.mark.parametrize("n", SIZES)
def test_multiplicity_counts_every_row_once(n: int) -> None:
    count = multiplicity(n, torch.ones(1))
    assert count.sum() == n
    assert count.shape == (distinct(n),)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_dtypes_are_transformed_in_float32(dtype: torch.dtype) -> None:
    assert real_transform(torch.randn(2, 5, 3).to(dtype)).dtype == torch.float32
    assert at_least_float32(torch.zeros(1, dtype=dtype)).dtype == torch.float32
    assert at_least_float32(torch.zeros(1, dtype=torch.float64)).dtype == torch.float64


@given(st.data())
def test_masked_transform_is_that_of_each_sample_at_its_true_length(data: st.DataObject) -> None:
    b, n = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 9))
    mask = data.draw(strategies.masks(b, n))
    x = torch.randn(b, n, 3, dtype=torch.float64, generator=strategies.generator(data.draw(strategies.seeds)))
    values, bias = masked_real_transform(torch.where(mask[:, :, None], x, math.nan), mask)
    for i in range(b):
        true = real_transform(x[i, mask[i]])
        torch.testing.assert_close(values[i, : len(true)], true)
        torch.testing.assert_close(bias[i, : len(true)].exp(), multiplicity(int(mask[i].sum()), x))
        assert (bias[i, len(true) :] == -math.inf).all()


@pytest.mark.parametrize("n", [255, 1001])
def test_masked_transform_stays_exact_when_long(n: int) -> None:
    x, mask = torch.randn(1, n, 2), torch.ones(1, n, dtype=torch.bool)
    mask[0, ::7] = False
    true = full_real(x[0, mask[0]].double())
    values, _ = masked_real_transform(x, mask)
    ours = values[0, : distinct(int(mask.sum()))].double()
    assert (ours - true[: len(ours)]).abs().max() < 1e-5 * true.abs().max()


@pytest.mark.parametrize("c", CHANNELS)
def test_spectrum_of_a_real_latent_is_its_transform(c: int) -> None:
    latent = torch.randn(2, c, 4, dtype=torch.float64)
    spectrum = Spectrum.of_latent(latent)
    torch.testing.assert_close(spectrum.full(), torch.fft.fft(latent.to(torch.complex128), dim=1))
    assert spectrum.rows().shape[1] == distinct(c)
    shared = Spectrum.of_latent(latent[0])
    torch.testing.assert_close(shared.full()[0], spectrum.full()[0])


def test_spatial_spectrum_is_the_latent_itself() -> None:
    latent = torch.randn(2, 5, 4)
    whole = Spectrum.of_latent(latent, "spatial").full()
    assert torch.equal(whole.real, latent)
    assert whole.imag.abs().max() == 0


def test_general_spectrum_keeps_all_rows() -> None:
    general = torch.randn(2, 5, 4, dtype=torch.complex64)
    assert torch.equal(Spectrum.of_complex(general).full(), general)
    assert torch.equal(Spectrum.of_complex(general.real).full().real, general.real)
    assert Spectrum.of_complex(general[0]).full().shape == (1, 5, 4)


def moved(spectrum: Spectrum) -> Spectrum:
    """The spectrum after an update of its real part, as a step makes it."""
    return spectrum.with_real(spectrum.real + torch.randn(spectrum.real.shape, dtype=spectrum.real.dtype))


def examples(c: int) -> dict[str, Spectrum]:
    latent = torch.randn(3, c, 4, dtype=torch.float64)
    general = torch.randn(3, c, 4, dtype=torch.complex128)
    return {
        "mirrored": moved(Spectrum.of_latent(latent)),
        "normalised before": moved(Spectrum.of_latent(latent).normalised()),
        "general": moved(Spectrum.of_complex(general)),
    }


@pytest.mark.parametrize("c", CHANNELS)
@pytest.mark.parametrize("kind", ["mirrored", "normalised before", "general"])
def test_normalising_needs_no_transform(c: int, kind: str) -> None:
    spectrum = examples(c)[kind]
    latent = torch.fft.ifft(spectrum.full(), dim=1)
    norm = latent.abs().square().sum(1, keepdim=True).sqrt()
    plain = torch.fft.fft(latent / norm, dim=1)
    torch.testing.assert_close(spectrum.normalised().full(), plain)


def test_normalising_in_the_spatial_domain() -> None:
    latent = torch.randn(2, 5, 4)
    ours = Spectrum.of_latent(latent, "spatial").normalised("spatial").full().real
    torch.testing.assert_close(ours, latent / latent.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("domain", ["frequency", "spatial"])
def test_a_column_of_zeros_stays_zero_and_its_gradient_finite(domain: str) -> None:
    latent = torch.randn(5, 3)
    latent[:, 1] = 0
    latent.requires_grad_()
    whole = Spectrum.of_latent(latent, domain).normalised(domain).full()  # type: ignore[arg-type]
    assert whole[:, :, 1].abs().max() == 0
    torch.view_as_real(whole).square().sum().backward()
    assert latent.grad is not None
    assert torch.isfinite(latent.grad).all()


@pytest.mark.parametrize("c", CHANNELS)
@pytest.mark.parametrize("kind", ["mirrored", "normalised before", "general"])
def test_what_the_inverse_transform_keeps(c: int, kind: str) -> None:
    spectrum = examples(c)[kind]
    latent = torch.fft.ifft(spectrum.full(), dim=1)
    torch.testing.assert_close(spectrum.between_steps("complex").full(), spectrum.full())
    real = torch.fft.fft(latent.real.to(torch.complex128), dim=1)
    torch.testing.assert_close(spectrum.between_steps("real").full(), real)
    untracked = spectrum.between_steps("untracked").full()
    torch.testing.assert_close(untracked.real, spectrum.full().real)
    assert untracked.imag.abs().max() == 0


@pytest.mark.parametrize("c", CHANNELS)
@pytest.mark.parametrize("kind", ["mirrored", "normalised before", "general"])
def test_mean_is_over_all_rows(c: int, kind: str) -> None:
    spectrum = examples(c)[kind]
    torch.testing.assert_close(spectrum.mean(), spectrum.full().real.mean(1))


def test_samples_are_picked_spread_and_put() -> None:
    spectrum = moved(Spectrum.of_latent(torch.randn(4, 5, 2)).normalised())
    rows = torch.tensor([2, 0])
    assert torch.equal(spectrum.select(rows).full(), spectrum.full()[rows])
    shared = Spectrum.of_latent(torch.randn(5, 2))
    assert torch.equal(shared.select(rows).full(), shared.full())
    assert torch.equal(shared.expand(3).full(), shared.full().expand(3, -1, -1))
    before = spectrum.full()
    put = spectrum.put(rows, shared).full()
    assert torch.equal(put[rows], shared.full().expand(2, -1, -1))
    assert torch.equal(put[[1, 3]], before[[1, 3]])
    assert torch.equal(spectrum.full(), before)
