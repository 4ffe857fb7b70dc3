"""L-BFGS without torch's compiler is L-BFGS, digit by digit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mmlego.tasks.lbfgs import Lbfgs


def searched(make: Callable[[Tensor], torch.optim.Optimizer]) -> Tensor:
    """Return where a search of the minimum of Rosenbrock's function ends."""
    x = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    search = make(x)

    def loss() -> Tensor:
        search.zero_grad()
        value = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
        value.backward()
        return value

    search.step(loss)  # type: ignore[arg-type]
    return x.detach()


def test_it_is_that_of_torch() -> None:
    options = {"max_iter": 200, "tolerance_grad": 1e-9, "tolerance_change": 1e-14, "line_search_fn": "strong_wolfe"}
    found = searched(lambda x: Lbfgs(x, tolerance_change=1e-14))
    assert torch.equal(found, searched(lambda x: torch.optim.LBFGS([x], **options)))
    torch.testing.assert_close(found, torch.ones(2, dtype=torch.float64))
