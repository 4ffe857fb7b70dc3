"""Modules that are built for the shapes of their tensors alone: nothing is allocated, and nothing drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# To draw numbers of tensors that hold none, torch would import its compiler and sympy: two seconds of CPU.
_DRAWN = ("normal_", "uniform_", "random_", "bernoulli_", "exponential_", "log_normal_", "cauchy_", "geometric_")
_STARTS = ("normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_")
_UNDRAWN = frozenset(
    [*(getattr(Tensor, name) for name in _DRAWN), *(getattr(nn.init, name) for name in (*_STARTS, "trunc_normal_"))]
)
_EMPTY = {torch.rand: torch.empty, torch.randn: torch.empty}


class _Undrawn(TorchFunctionMode):
    """Leaves tensors as they are where a module would draw its first values."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch, unless it draws."""
        kwargs = kwargs or {}
        if func in _UNDRAWN:
            return args[0] if args else kwargs["tensor"]
        if func in _EMPTY:
            return _EMPTY[func](*args, **{name: value for name, value in kwargs.items() if name != "generator"})
        return func(*args, **kwargs)


@contextmanager
def shapes_alone() -> Iterator[None]:
    """Let modules that are built meanwhile have tensors of the right shapes that hold nothing; chance stays as it is.

    Examples
    --------
    >>> with shapes_alone():
    ...     made = nn.Linear(10**6, 10**6)
    >>> tuple(made.weight.shape), made.weight.device.type
    ((1000000, 1000000), 'meta')
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"), _Undrawn():
        yield
