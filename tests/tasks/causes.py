"""Patients with two competing causes, for tests."""

from __future__ import annotations

import numpy as np
import torch


def competing_cohort(
    seed: int, n: int, *, ties: bool = False, censored: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw events (n,) of two causes, 0 where censored, and times (n,)."""
    rng = np.random.default_rng(seed)
    leave = rng.exponential(6.0, n) if censored else np.full(n, np.inf)
    each = np.stack([leave, rng.exponential(2.5, n), rng.exponential(4.0, n)])
    event, time = each.argmin(0), each.min(0)
    if ties:
        time = np.ceil(time * 3) / 3
    return torch.tensor(event), torch.tensor(time)
