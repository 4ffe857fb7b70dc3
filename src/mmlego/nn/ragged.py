"""Bags of unequal length without padding: concatenated tokens and the length of each bag."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmlego.errors import InputError, ShapeError


class Ragged:
    """A batch of bags of unequal length, stored end to end.

    Cost follows the true number of tokens; nothing is padded.

    Parameters
    ----------
    values
        The tokens of all bags, one bag after the other, shape ``(Σn, f)`` (or ``(Σn, …)``).
    lengths
        How many tokens each bag has, shape ``(b,)``, integers ≥ 0 that sum to ``Σn``.

    Raises
    ------
    ShapeError
        If the lengths do not sum to the number of tokens.

    Examples
    --------
    >>> bags = Ragged.from_list([torch.zeros(3, 5), torch.ones(2, 5)])
    >>> len(bags), tuple(bags.values.shape), bags.lengths.tolist()
    (2, (5, 5), [3, 2])
    >>> bags[torch.tensor([1])].values.sum().item()
    10.0
    """

    def __init__(self, values: Tensor, lengths: Tensor | Sequence[int]) -> None:
        self.sizes: list[int] = [int(n) for n in (lengths.tolist() if isinstance(lengths, Tensor) else lengths)]
        if values.ndim < 1 or sum(self.sizes) != values.shape[0] or min(self.sizes, default=0) < 0:
            raise ShapeError(
                "the lengths of a Ragged do not fit its values",
                expected=f"lengths ≥ 0 that sum to {values.shape[0] if values.ndim else 'the number of tokens'}",
                got=f"{len(self.sizes)} lengths that sum to {sum(self.sizes)}",
            )
        self.values = values
        self.lengths = torch.tensor(self.sizes, dtype=torch.int64, device=values.device)

    @classmethod
    def from_list(cls, bags: Sequence[Tensor]) -> Ragged:
        """Concatenate bags ``(n_i, f)`` into one Ragged.

        Raises
        ------
        InputError
            If the list is empty.
        ShapeError
            If the bags differ in width.
        """
        if len(bags) == 0:
            raise InputError("a Ragged of no bags", expected="a list of tensors (n, f)", got="an empty list")
        odd = [type(bag).__name__ for bag in bags if not isinstance(bag, Tensor) or bag.ndim == 0]
        if odd:
            raise InputError("a bag of a Ragged", expected="a tensor (n, f)", got=odd[0])
        shapes = {tuple(bag.shape[1:]) for bag in bags}
        if len(shapes) > 1:
            raise ShapeError("bags of different widths in one batch", expected="one width", got=sorted(shapes))
        return cls(torch.cat(list(bags)), [bag.shape[0] for bag in bags])

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, rows: Tensor | Sequence[int]) -> Ragged:
        """Return the bags of the given rows (integers or a boolean mask) as a new Ragged."""
        bags = self.unbind()
        picked = [bags[i] for i in self.row_numbers(rows)]
        return Ragged.from_list(picked) if picked else Ragged(self.values[:0], [])

    def row_numbers(self, rows: Tensor | Sequence[int]) -> list[int]:
        """Return rows, given as integers or a boolean mask, as a list of integers.

        Raises
        ------
        ShapeError
            If they are no list, or a mask of another length.
        InputError
            If there is no such row.
        """
        index = torch.as_tensor(rows)
        if index.ndim != 1 or (index.dtype == torch.bool and len(index) != len(self)):
            raise ShapeError(
                "rows of a Ragged", expected=f"a list of integers, or {len(self)} booleans", got=tuple(index.shape)
            )
        if index.dtype == torch.bool:
            index = index.nonzero().squeeze(1)
        numbers: list[int] = index.tolist()
        outside = [i for i in numbers if not -len(self) <= i < len(self)]
        if outside:
            raise InputError("rows of a Ragged", expected=f"numbers below {len(self)}", got=outside[:5])
        return numbers

    def unbind(self) -> list[Tensor]:
        """Return the bags as a list of views ``(n_i, f)``."""
        return list(self.values.split(self.sizes))

    def with_values(self, values: Tensor) -> Ragged:
        """Return the same lengths over other values, say after an encoder."""
        return Ragged(values, self.sizes)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Ragged:
        """Return a copy on another device."""
        return Ragged(self.values.to(device, non_blocking=non_blocking), self.sizes)

    def pin_memory(self) -> Ragged:
        """Return a copy in pinned memory, as data loaders ask for."""
        return Ragged(self.values.pin_memory(), self.sizes)

    @property
    def device(self) -> torch.device:
        """The device of the tokens."""
        return self.values.device

    def __repr__(self) -> str:
        return f"Ragged({len(self)} bags of {min(self.sizes, default=0)}…{max(self.sizes, default=0)} tokens)"
