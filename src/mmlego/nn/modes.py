"""The modes, training or eval, of the modules of a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Leave every module of a model in the mode, training or eval, that it was in.

    ``model.train(model.training)`` would not: it puts all modules in one mode, those too that a user had put in eval
    mode by hand.

    Parameters
    ----------
    model
        Any module; within the ``with`` it and its parts may be put in any mode.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2).eval())
    >>> with modes_kept(model):
    ...     model = model.eval()
    >>> [module.training for module in model]
    [True, False]
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
