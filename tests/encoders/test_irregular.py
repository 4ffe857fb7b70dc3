"""GRUD and TimeTransformer: gaps, decays, masked steps, and times that are none."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mmlego import InputError, LegoBlock, Ragged
from mmlego.encoders import GRUD, TimeTransformer, build_encoder
from tests import strategies
from tests.bricks import plate, stirred


def series(b: int, n: int, f: int, seed: int = 0, gaps: float = 0.5) -> Tensor:
    """Column 0 is the time."""
    generator = strategies.generator(seed)
    values = torch.randn(b, n, f, generator=generator)
    values[torch.rand(b, n, f, generator=generator) < gaps] = math.nan
    return torch.cat([torch.rand(b, n, 1, generator=generator).cumsum(1), values], dim=-1)


def step_by_step(encoder: GRUD, sample: Tensor) -> Tensor:
    """Equations 2 to 8 of Che et al. 2018 for one sample, one step after the other, on torch's own cell."""
    f, e = sample.shape[1] - 1, encoder.out_features
    cell = nn.GRUCell(2 * f, e).to(sample.dtype)
    cell.weight_ih.data, cell.bias_ih.data = encoder.to_gates.weight.data, encoder.to_gates.bias.data
    cell.weight_hh.data, cell.bias_hh.data = encoder.recurrent.weight.data, encoder.recurrent.bias.data
    state, last, since, states = torch.zeros(e).to(sample), torch.zeros(f).to(sample), torch.zeros(f).to(sample), []
    measured = torch.ones(f, dtype=torch.bool)
    for t, row in enumerate(sample):
        if t > 0:
            step = (row[0] - sample[t - 1, 0]) / encoder.unit
            since = torch.where(measured, step, step + since)
        measured = ~row[1:].isnan()
        decay = torch.exp(-torch.clamp(encoder.value_decay * since + encoder.value_offset, min=0.0))
        last = torch.where(measured, row[1:].nan_to_num(0.0), last)
        filled = torch.where(measured, last, decay * last)  # the mean is 0
        state = torch.exp(-torch.clamp(encoder.state_decay(since), min=0.0)) * state
        state = cell(torch.cat([filled, measured.to(filled)])[None], state[None])[0]
        states.append(state)
    return torch.stack(states)


@given(st.integers(1, 3), st.integers(1, 8), st.integers(1, 4), strategies.seeds)
def test_gru_d_is_the_papers(b: int, n: int, f: int, seed: int) -> None:
    encoder = stirred(GRUD(f + 1, 5, unit=2.0), seed=seed).eval().double()
    x = series(b, n, f, seed).double()
    expected = torch.stack([step_by_step(encoder, sample) for sample in x])  # type: ignore[arg-type]
    torch.testing.assert_close(encoder(x), expected)


def test_without_gaps_and_decay_it_is_a_gru() -> None:
    encoder, x = GRUD(4, 5).eval(), series(2, 6, 3, gaps=0.0)
    nn.init.zeros_(encoder.state_decay.weight)
    nn.init.zeros_(encoder.state_decay.bias)
    gru = nn.GRU(6, 5, batch_first=True)
    for name, part in (("ih", encoder.to_gates), ("hh", encoder.recurrent)):
        getattr(gru, f"weight_{name}_l0").data, getattr(gru, f"bias_{name}_l0").data = part.weight.data, part.bias.data
    torch.testing.assert_close(encoder(x), gru(torch.cat([x[..., 1:], torch.ones(2, 6, 3)], -1))[0])


def test_what_was_measured_long_ago_counts_less() -> None:
    """At the same second measurement, the first one matters less the longer ago it was made."""
    encoder = stirred(GRUD(2, 5)).eval()
    with torch.no_grad():
        encoder.state_decay.weight.fill_(1.0)  # type: ignore[union-attr, operator]
        encoder.state_decay.bias.zero_()  # type: ignore[union-attr, operator]

    def difference(hours: float) -> float:
        pair = torch.tensor([[[0.0, value], [hours, 0.3]] for value in (-1.0, 1.0)])
        tokens = encoder(pair)[:, 1].detach()
        return float((tokens[0] - tokens[1]).abs().max())

    assert difference(1.0) > 2 * difference(24.0) > 4 * difference(72.0)


ENCODERS = {"gru_d": lambda f: GRUD(f, 6), "time_transformer": lambda f: TimeTransformer(f, 6, layers=1, heads=2)}


@pytest.mark.parametrize("kind", ENCODERS)
@given(data=st.data())
def test_masked_steps_change_nothing(kind: str, data: st.DataObject) -> None:
    b, n = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 6))
    mask, x = data.draw(strategies.masks(b, n)), series(b, n, 2, data.draw(strategies.seeds))
    block = LegoBlock(stirred(ENCODERS[kind](3)), plate(), "vitals").eval()
    junk = torch.where(mask[:, :, None], x, torch.tensor(math.inf))
    bags = [row[keep] for row, keep in zip(x, mask, strict=True)]
    alone = torch.cat([block(bag[None]).logits for bag in bags])
    torch.testing.assert_close(block(junk, mask).logits, alone, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(block(Ragged.from_list(bags)).logits, alone, rtol=1e-5, atol=1e-5)


def test_masked_steps_of_an_encoder_alone_may_hold_anything() -> None:
    encoder, x = stirred(GRUD(3, 6)).eval(), series(1, 4, 2)
    mask = torch.tensor([[True, False, True, False]])
    junk = torch.where(mask[:, :, None], x, torch.tensor(math.nan))
    tokens, kept = encoder(junk, mask)
    torch.testing.assert_close(tokens[kept], encoder(x[:, mask[0]])[0])


@pytest.mark.parametrize("kind", ENCODERS)
def test_missing_is_not_the_same_as_zero(kind: str) -> None:
    encoder, x = stirred(ENCODERS[kind](3)).eval(), series(2, 5, 2)
    tokens = encoder(x)
    assert torch.isfinite(tokens).all()
    assert (tokens - encoder(x.nan_to_num(0.0))).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ENCODERS)
def test_time_matters(kind: str) -> None:
    encoder, x = stirred(ENCODERS[kind](3)).eval(), series(2, 5, 2)
    slow = x.clone()
    slow[..., 0] *= 3.0
    assert (encoder(x) - encoder(slow)).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ENCODERS)
def test_no_gradient_is_nan_where_nothing_was_measured_at_all(kind: str) -> None:
    encoder = ENCODERS[kind](3)
    tokens = encoder(series(2, 5, 2, gaps=2.0))
    (tokens * torch.randn(tokens.shape)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


def test_gru_d_does_not_look_ahead() -> None:
    encoder, x = GRUD(3, 5, dropout=0.5).eval(), series(2, 6, 2)
    torch.testing.assert_close(encoder(x[:, :4]), encoder(x)[:, :4])


def test_gru_d_takes_one_loop_over_time() -> None:
    """The number of operations does not grow with the number of variables, and slowly with that of steps."""

    def operations(n: int, f: int) -> int:
        with torch.profiler.profile() as profile:
            GRUD(f + 1, 8)(series(2, n, f))
        return sum(event.count for event in profile.key_averages())

    few = operations(6, 3)
    assert operations(6, 60) == few
    assert operations(12, 3) - few < 6 * 60


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize(
    ("times", "got"),
    [([0.0, 2.0, 1.0], "got 1 at step 2 of sample 1"), ([0.0, math.nan, 1.0], "got nan at step 1 of sample 1")],
)
def test_a_first_column_that_is_no_time_is_refused(kind: str, times: list[float], got: str) -> None:
    x = torch.zeros(2, 3, 3)
    x[1, :, 0] = torch.tensor(times)
    with pytest.raises(InputError, match=f"column 0 of a series is not its time.*{got}.*sort each patient's rows"):
        ENCODERS[kind](3)(x)


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_series_of_time_alone_is_refused(kind: str) -> None:
    with pytest.raises(InputError, match=r"without variables.*the time included, got 1"):
        ENCODERS[kind](1)


@pytest.mark.parametrize("encoder", ["gru", "gru_d", "time_transformer"])
def test_variables_left_out_count_as_not_measured(encoder: str) -> None:
    """Each output is that of a sample without some of its columns, and all of these occur."""
    torch.manual_seed(0)
    x = torch.randn(1, 3, 3)
    x[..., 0] = torch.arange(3.0)
    made = build_encoder(encoder, {"in_features": 3, "out_features": 4, "dropout": 0.0, "input_dropout": 0.5})
    gone = [[], [1], [2], [1, 2]] if encoder != "gru" else [[], [0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]]
    expected = []
    for columns in gone:
        without = x.clone()
        without[..., columns] = torch.nan
        expected.append(made.eval()(without))
    made.train()
    drawn = [made(x) for _ in range(40)]
    found = {next(i for i, e in enumerate(expected) if torch.allclose(e, out, atol=1e-6)) for out in drawn}
    assert found == set(range(len(gone)))
