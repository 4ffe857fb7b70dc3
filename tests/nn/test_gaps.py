"""Gaps in series against the plain loop."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlego.errors import InputError
from mmlego.nn.gaps import VariableDropout, carry_forward, last_measured, time_since
from tests import strategies

sizes = st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 3))


@given(sizes, strategies.seeds)
def test_gaps_step_by_step(size: tuple[int, int, int], seed: int) -> None:
    """Equation 2 of Che et al. 2018, for one variable of one sample after the other."""
    b, n, f = size
    generator = strategies.generator(seed)
    observed = torch.rand(size, generator=generator) < 0.4
    values = torch.where(observed, torch.randn(size, generator=generator), 0.0)
    time = torch.rand(b, n, generator=generator).cumsum(1)
    last = last_measured(observed)
    carried, since = carry_forward(values, last), time_since(time, last)
    for i in range(b):
        for d in range(f):
            value, delta = 0.0, 0.0
            for t in range(n):
                if t > 0:
                    step = (time[i, t] - time[i, t - 1]).item()
                    delta = step if observed[i, t - 1, d] else step + delta
                value = values[i, t, d].item() if observed[i, t, d] else value
                assert carried[i, t, d].item() == value
                assert math.isclose(since[i, t, d].item(), delta, abs_tol=1e-5)


def test_whole_variables_are_left_out_while_training_alone() -> None:
    leave_out, observed = VariableDropout(0.25), torch.ones(50, 4, 40, dtype=torch.bool)
    observed[:, 1] = False
    kept = leave_out(observed)
    assert (kept[:, 0] == kept[:, 2]).all(), "of a sample all steps of a variable"
    assert not kept[:, 1].any(), "what was not measured stays so"
    assert abs(kept[:, 0].float().mean() - 0.75) < 0.04
    assert torch.equal(leave_out.eval()(observed), observed)
    assert torch.equal(VariableDropout(0.0)(observed), observed)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_no_share(share: float) -> None:
    with pytest.raises(InputError, match="input_dropout: expected a share from 0, below 1"):
        VariableDropout(share)
