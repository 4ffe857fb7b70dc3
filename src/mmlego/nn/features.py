"""What a frozen encoder made of a batch, kept so that it need not be run again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from mmlego.nn.ragged import Ragged


class Features(Ragged):
    """Tokens of samples that an encoder has seen already: a block takes them as they are, and runs no encoder.

    Parameters
    ----------
    values
        The tokens of all samples, one sample after the other, shape ``(Σn, e)``.
    lengths
        How many tokens each sample has, shape ``(b,)``.

    Examples
    --------
    >>> kept = Features.from_list([torch.zeros(3, 5), torch.ones(3, 5)])
    >>> kept[[1]], tuple(kept.tokens().shape)
    (Features(1 bags of 3…3 tokens), (2, 3, 5))
    """

    def __getitem__(self, rows: Tensor | Sequence[int]) -> Self:
        """Return the tokens of the given rows (integers or a boolean mask)."""
        return self._of(super().__getitem__(rows))

    def with_values(self, values: Tensor) -> Self:
        """Return the same lengths over other values."""
        return self._of(super().with_values(values))

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Self:
        """Return a copy on another device."""
        return self._of(super().to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Return a copy in pinned memory, as data loaders ask for."""
        return self._of(super().pin_memory())

    def tokens(self) -> Tensor | Ragged:
        """Return the tokens as an encoder gives them: ``(b, n, e)`` where all samples have as many, else a Ragged."""
        first = self.sizes[0] if self.sizes else 0
        if first and all(size == first for size in self.sizes):
            return self.values.reshape(len(self), first, *self.values.shape[1:])
        return Ragged(self.values, self.sizes)

    @classmethod
    def _of(cls, bags: Ragged) -> Self:
        return cls(bags.values, bags.sizes)

    def __repr__(self) -> str:
        return super().__repr__().replace("Ragged", "Features")
