"""Hypothesis strategies: spectra, weights, patterns of presence, masks and bags.

Tensors are drawn from a seed: Hypothesis shrinks their shapes, and a failing example stays short to print.
"""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor

seeds = st.integers(0, 2**31 - 1)
modality_counts = st.integers(1, 6)
magnitudes = st.sampled_from([1e-30, 1e-6, 1.0, 1e6, 1e30])


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@st.composite
def spectra(
    draw: st.DrawFn, m: st.SearchStrategy[int] | int = modality_counts, dtype: torch.dtype = torch.complex128
) -> Tensor:
    """Complex spectra ``(m, b, c, d)`` of magnitude about one."""
    count = m if isinstance(m, int) else draw(m)
    shape = (count, draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 4)))
    return torch.randn(shape, dtype=dtype, generator=generator(draw(seeds)))


@st.composite
def shares(draw: st.DrawFn, m: int) -> Tensor:
    """Weights ``(m,)``, positive, not normalised."""
    values = draw(st.lists(st.floats(0.05, 10.0), min_size=m, max_size=m))
    return torch.tensor(values, dtype=torch.float64)


@st.composite
def presence(draw: st.DrawFn, m: int, b: int) -> Tensor:
    """Who has what, ``(m, b)``: each sample at least one modality."""
    columns = st.lists(st.booleans(), min_size=m, max_size=m).filter(any)
    return torch.tensor([draw(columns) for _ in range(b)]).T


@st.composite
def masks(draw: st.DrawFn, b: int, n: int) -> Tensor:
    """Masks ``(b, n)`` with holes anywhere, each row at least one token."""
    rows = st.lists(st.booleans(), min_size=n, max_size=n).filter(any)
    return torch.tensor([draw(rows) for _ in range(b)])


@st.composite
def lengths(draw: st.DrawFn, longest: int = 12) -> list[int]:
    return draw(st.lists(st.integers(1, longest), min_size=1, max_size=5))
