"""A modality that stays in its files until a batch needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from mmlego.data.memory.batch import Input
from mmlego.data.memory.chance import Chance
from mmlego.data.memory.columns import Column
from mmlego.errors import InputError, ShapeError
from mmlego.nn.ragged import Ragged


class Item(Protocol):
    """What one patient has of a modality, in files.

    An item that gives the same with random numbers as without says so: ``varies = False``. One that can be had some
    rows at a time has ``parts(rows)``, which yields them in order.
    """

    def load(self, rng: np.random.Generator | None = None) -> Tensor:
        """Return it as features.

        Parameters
        ----------
        rng
            While training, random numbers to sample or augment by; None: all of it, as it is.
        """

    def size(self) -> int:
        """Return how many numbers ``load`` gives at most."""

    def fingerprint(self) -> bytes:
        """Return what tells its content from another, read quickly."""


@dataclass(frozen=True)
class OwnedItem:
    """An item of a patient who is named where it cannot be loaded.

    Parameters
    ----------
    item
        The item.
    patient
        Whose it is.
    """

    item: Item
    patient: str

    def load(self, rng: np.random.Generator | None = None) -> Tensor:
        """Return it as features, or say whose file it is that cannot be used."""
        try:
            return self.item.load(rng)
        except InputError as error:
            raise self._whose(error) from error

    @property
    def parts(self) -> Callable[[int], Iterator[Tensor]] | None:
        """What gives it some rows at a time; None: it comes as a whole."""
        parts: Callable[[int], Iterator[Tensor]] | None = getattr(self.item, "parts", None)
        return None if parts is None else lambda rows: self._named(parts(rows))

    def _named(self, parts: Iterator[Tensor]) -> Iterator[Tensor]:
        try:
            yield from parts
        except InputError as error:
            raise self._whose(error) from error

    def _whose(self, error: InputError) -> InputError:
        remedy = "Mend the file, or declare on_error: skip, by which such files are found before training."
        return type(error)(f"patient {self.patient}: {error}", remedy=remedy)

    def size(self) -> int:
        """Return how many numbers ``load`` gives at most."""
        return self.item.size()

    def fingerprint(self) -> bytes:
        """Return what tells its content from another."""
        return self.item.fingerprint()

    @property
    def varies(self) -> bool:
        """Whether ``load`` gives with random numbers something else than without."""
        return item_varies(self.item)


def item_varies(item: Item) -> bool:
    """Return whether an item gives with random numbers something else than without; one that does not say may."""
    return bool(getattr(item, "varies", True))


class LazyColumn(Column):
    """An item a patient, loaded when a batch needs it and kept by nobody.

    Parameters
    ----------
    items
        One per patient, or None where the patient does not have the modality; by patient, so that errors name them.
    blank
        Features of nobody: ``(0, f)`` for bags, which come as a Ragged; ``(0, ...)`` of the shape of each item for
        others, which come as a tensor with zeros where the patient does not have the modality.
    ragged
        Whether the items are bags.

    Examples
    --------
    >>> class Ones:
    ...     def load(self, rng=None):
    ...         return torch.ones(2 if rng is not None else 5, 3)
    ...
    ...     def size(self):
    ...         return 15
    ...
    ...     def fingerprint(self):
    ...         return b"ones"
    ...
    ...     varies = True
    >>> column = LazyColumn([Ones(), None], torch.zeros(0, 3), ragged=True)
    >>> column.input(), column.input(np.random.default_rng)
    (Ragged(2 bags of 0…5 tokens), Ragged(2 bags of 0…2 tokens))
    """

    def __init__(self, items: Sequence[Item | None] | Mapping[str, Item], blank: Tensor, *, ragged: bool) -> None:
        owned = [OwnedItem(item, who) for who, item in items.items()] if isinstance(items, Mapping) else items
        self.items: list[Item | None] = list(owned)
        self.nobody = blank
        self.ragged = ragged
        self.present = torch.tensor([item is not None for item in self.items], dtype=torch.bool)
        self.form = "bags in files" if ragged else "tensors in files"
        self.varies = any(item is not None and item_varies(item) for item in self.items)

    def take(self, rows: Tensor) -> LazyColumn:
        """Return the given rows ``(b,)`` as a column of their own; nothing is loaded."""
        return LazyColumn([self.items[row] for row in rows.tolist()], self.nobody, ragged=self.ragged)

    def input(self, chance: Chance | None = None) -> Input:
        """Load all rows; None where no row is present."""
        if not bool(self.present.any()):
            return None
        absent = self.nobody if self.ragged else self.nobody.new_zeros(self.nobody.shape[1:])
        loaded = [
            absent if item is None else item.load(None if chance is None else chance(row))
            for row, item in enumerate(self.items)
        ]
        return Ragged.from_list(loaded) if self.ragged else torch.stack(loaded)

    def sizes(self) -> Tensor:
        """Return how many numbers each row brings into a batch at most, int64 ``(n,)``."""
        return torch.tensor([0 if item is None else item.size() for item in self.items], dtype=torch.int64)

    def contents(self) -> Iterator[Tensor | bytes]:
        """Yield the fingerprint of each item; the files are not read through."""
        for item in self.items:
            yield b"none" if item is None else item.fingerprint()

    def blank(self, rows: int) -> LazyColumn:
        """Return a column in which ``rows`` patients are absent."""
        return LazyColumn([None] * rows, self.nobody, ragged=self.ragged)

    def join(self, other: Column) -> LazyColumn:
        """Return a column with the rows of another one after these."""
        if not isinstance(other, LazyColumn) or other.ragged != self.ragged:
            raise self._unlike(other)
        shapes = [tuple(column.nobody.shape[1:]) for column in (self, other)]
        if shapes[0] != shapes[1]:
            raise ShapeError("one modality of two widths", expected=f"features of shape {shapes[0]}", got=shapes[1])
        return LazyColumn(self.items + other.items, self.nobody, ragged=self.ragged)
