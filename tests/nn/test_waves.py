"""Waves: sines and cosines of a position."""

from __future__ import annotations

import torch

from mmlego.nn.waves import geometric_periods, waves


def test_waves_have_their_periods() -> None:
    periods = geometric_periods(0.5, 32.0, 4)
    torch.testing.assert_close(periods, torch.tensor([0.5, 2.0, 8.0, 32.0]))
    time = torch.linspace(-3.0, 40.0, 20, dtype=torch.float64)
    shape = waves(time, periods.double())
    assert shape.shape == (20, 8)
    for k, period in enumerate(periods.double()):
        torch.testing.assert_close(waves(time + period, periods.double())[:, [k, k + 4]], shape[:, [k, k + 4]])
        torch.testing.assert_close(shape[:, k] ** 2 + shape[:, k + 4] ** 2, torch.ones(20, dtype=torch.float64))


def test_waves_are_made_in_float32_or_wider() -> None:
    periods = geometric_periods(1.0, 10.0, 2)
    assert waves(torch.arange(3), periods).dtype == torch.float32
    assert waves(torch.zeros(3, dtype=torch.bfloat16), periods).dtype == torch.float32
