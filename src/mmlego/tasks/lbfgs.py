"""L-BFGS of torch for a few numbers, without torch's compiler, which any optimizer of torch imports when it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer


def _plain(method: Any) -> Any:
    """Return a method as it was before torch wrapped it for its compiler: importing that takes a second of CPU."""
    return getattr(method, "__wrapped__", method)


class Lbfgs(torch.optim.LBFGS):
    """``torch.optim.LBFGS`` with a strong Wolfe line search, step by step the same.

    Parameters
    ----------
    numbers
        What is searched for, a leaf in double precision.
    tolerance_grad, tolerance_change
        As torch has them.

    Examples
    --------
    >>> x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    >>> search = Lbfgs(x)
    >>> def loss():
    ...     search.zero_grad()
    ...     value = (x - torch.tensor([1.0, -2.0])).square().sum()
    ...     value.backward()
    ...     return value
    >>> _ = search.step(loss)
    >>> x.detach().round(decimals=6).tolist()
    [1.0, -2.0]
    """

    add_param_group = _plain(Optimizer.add_param_group)
    zero_grad = _plain(Optimizer.zero_grad)

    def __init__(self, numbers: Tensor, *, tolerance_grad: float = 1e-9, tolerance_change: float = 1e-9) -> None:
        super().__init__(
            [numbers],
            max_iter=200,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            line_search_fn="strong_wolfe",
        )

    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """Search.

        Parameters
        ----------
        closure
            Returns the loss, with its gradient in the numbers.
        """
        found: Tensor = super().step(closure)  # type: ignore[no-untyped-call]
        return found
