"""Masks of tokens: padding in its place."""

from __future__ import annotations

import torch
from torch import Tensor


def real_first(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Move masked tokens behind the real ones, which keep their order.

    What reads from left to right, or looks at neighbours, then sees each sample as if it were alone.

    Parameters
    ----------
    x
        Tokens, shape ``(b, n, …)``.
    mask
        True where a token is real, shape ``(b, n)``.

    Returns
    -------
    tuple of Tensor
        The tokens ``(b, n, …)`` and their mask ``(b, n)``.

    Examples
    --------
    >>> real_first(torch.tensor([[7, 8, 9]]), torch.tensor([[False, True, True]]))
    (tensor([[8, 9, 7]]), tensor([[ True,  True, False]]))
    """
    order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)  # (b, n)
    index = order.reshape(*order.shape, *[1] * (x.ndim - 2)).expand_as(x)
    return x.gather(1, index), mask.gather(1, order)
