"""One modality of many patients in memory: a tensor, a tensor with a mask, or bags of unequal length."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from mmlego.data.memory.batch import Input
from mmlego.data.memory.chance import Chance
from mmlego.errors import MismatchError, ShapeError, within
from mmlego.nn.features import Features
from mmlego.nn.ragged import Ragged


class Column(ABC):
    """One modality of ``n`` patients, checked; patients without it hold zeros or an empty bag.

    Attributes
    ----------
    present
        Which patients have the modality, a boolean tensor ``(n,)``.

    Examples
    --------
    >>> column = DenseColumn(torch.ones(2, 1), None, torch.tensor([True, False]))
    >>> isinstance(column, Column), len(column)
    (True, 2)
    """

    form: str  # what its input is, for messages
    present: Tensor
    varies: bool = False  # whether chance decides, while training, what is seen of a row

    def __len__(self) -> int:
        return int(self.present.shape[0])

    @abstractmethod
    def take(self, rows: Tensor) -> Column:
        """Return the given rows ``(b,)`` as a column of their own."""

    @abstractmethod
    def input(self, chance: Chance | None = None) -> Input:
        """Return all rows as a model takes them, None where no row is present.

        Parameters
        ----------
        chance
            While training, the random numbers of each row, for what is sampled or augmented; None: nothing is.
        """

    @abstractmethod
    def sizes(self) -> Tensor:
        """Return how many numbers each row brings into a batch, int64 ``(n,)``."""

    @abstractmethod
    def contents(self) -> Iterator[Tensor | bytes]:
        """Yield all that tells this column from another, for a hash."""

    @abstractmethod
    def blank(self, rows: int) -> Column:
        """Return a column of the same kind and width in which ``rows`` patients are all absent."""

    @abstractmethod
    def join(self, other: Column) -> Column:
        """Return a column with the rows of another one after these.

        Raises
        ------
        MismatchError
            If the other one is of another kind.
        ShapeError
            If the widths differ.
        """

    def spread(self, present: Tensor) -> Column:
        """Return a column in which these rows stand, in order, where ``present`` ``(n,)``; the others are absent."""
        if bool(present.all()):
            return self
        rows = torch.full(present.shape, len(self))
        rows[present] = torch.arange(len(self))
        return self.join(self.blank(1)).take(rows)

    def _unlike(self, other: Column) -> MismatchError:
        return MismatchError(
            "two kinds of one modality",
            expected=self.form,
            got=other.form,
            remedy="Give every part the modality in the same form.",
        )


class DenseColumn(Column):
    """A tensor ``(n, ...)``, with a token mask ``(n, t)`` where its tokens are padded.

    Parameters
    ----------
    values
        The features, ``(n, f...)`` or ``(n, t, f...)``.
    mask
        True where a token is real, ``(n, t)``, or None.
    present
        Which patients have the modality, ``(n,)``.

    Examples
    --------
    >>> column = DenseColumn(torch.ones(2, 3), None, torch.tensor([True, True]))
    >>> column.take(torch.tensor([1])).input()
    tensor([[1., 1., 1.]])
    """

    def __init__(self, values: Tensor, mask: Tensor | None, present: Tensor) -> None:
        self.values = values
        self.mask = mask
        self.present = present
        self.form = "a tensor" if mask is None else "a tensor with a mask"

    def take(self, rows: Tensor) -> DenseColumn:
        """Return the given rows ``(b,)`` as a column of their own."""
        mask = None if self.mask is None else self.mask[rows]
        return DenseColumn(self.values[rows], mask, self.present[rows])

    def input(self, chance: Chance | None = None) -> Input:
        """Return the tensor, or the tensor and its mask; None where no row is present."""
        if not bool(self.present.any()):
            return None
        return self.values if self.mask is None else (self.values, self.mask)

    def sizes(self) -> Tensor:
        """Return how many numbers each row brings into a batch, int64 ``(n,)``."""
        return torch.full((len(self),), self.values.shape[1:].numel())

    def contents(self) -> Iterator[Tensor | bytes]:
        """Yield values, mask and who is present."""
        yield from (self.values, self.present) if self.mask is None else (self.values, self.mask, self.present)

    def blank(self, rows: int) -> DenseColumn:
        """Return zeros for ``rows`` absent patients."""
        values = self.values.new_zeros((rows, *self.values.shape[1:]))
        mask = None if self.mask is None else self.mask.new_zeros((rows, *self.mask.shape[1:]))
        return DenseColumn(values, mask, self.present.new_zeros(rows))

    def join(self, other: Column) -> DenseColumn:
        """Return a column with the rows of another one after these; padded tokens go to the longer length."""
        if not isinstance(other, DenseColumn) or (self.mask is None) != (other.mask is None):
            raise self._unlike(other)
        first, second = self, other
        if first.mask is not None and second.mask is not None:
            tokens = max(first.mask.shape[1], second.mask.shape[1])
            first, second = first._padded(tokens), second._padded(tokens)
        if first.values.shape[1:] != second.values.shape[1:]:
            raise ShapeError(
                "one modality of two widths",
                expected=f"rows of shape {tuple(first.values.shape[1:])}",
                got=tuple(second.values.shape[1:]),
                remedy="Preprocess both parts with the same fitted preprocessing.",
            )
        mask = None if first.mask is None or second.mask is None else torch.cat([first.mask, second.mask])
        present = torch.cat([first.present, second.present])
        return DenseColumn(torch.cat([first.values, second.values]), mask, present)

    def _padded(self, tokens: int) -> DenseColumn:
        extra = tokens - self.values.shape[1]
        if self.mask is None or extra == 0:
            return self
        padding = self.values.new_zeros((len(self), extra, *self.values.shape[2:]))
        mask = torch.cat([self.mask, self.mask.new_zeros((len(self), extra))], dim=1)
        return DenseColumn(torch.cat([self.values, padding], dim=1), mask, self.present)


class BagColumn(Column):
    """A bag or sequence ``(n_i, f...)`` per patient, of unequal length; an absent patient's is empty.

    Parameters
    ----------
    bags
        One tensor per patient, ``(n_i, f...)``.
    present
        Which patients have the modality, ``(n,)``.

    Examples
    --------
    >>> column = BagColumn([torch.ones(2, 3), torch.ones(5, 3)], torch.tensor([True, True]))
    >>> column.input()
    Ragged(2 bags of 2…5 tokens)
    """

    form = "bags"

    def __init__(self, bags: list[Tensor], present: Tensor) -> None:
        self.bags = bags
        self.present = present

    def take(self, rows: Tensor) -> BagColumn:
        """Return the given rows ``(b,)`` as a column of their own, without copying the bags."""
        return BagColumn([self.bags[row] for row in rows.tolist()], self.present[rows])

    def input(self, chance: Chance | None = None) -> Input:
        """Return the bags end to end as a Ragged; None where no row is present."""
        return Ragged.from_list(self.bags) if bool(self.present.any()) else None

    def sizes(self) -> Tensor:
        """Return how many numbers each row brings into a batch, int64 ``(n,)``."""
        return torch.tensor([bag.numel() for bag in self.bags], dtype=torch.int64)

    def contents(self) -> Iterator[Tensor | bytes]:
        """Yield the bags and who is present."""
        yield from (*self.bags, self.present)

    def blank(self, rows: int) -> BagColumn:
        """Return empty bags for ``rows`` absent patients."""
        return BagColumn([self.bags[0][:0]] * rows, self.present.new_zeros(rows))

    def join(self, other: Column) -> BagColumn:
        """Return a column with the rows of another one after these."""
        if not isinstance(other, BagColumn):
            raise self._unlike(other)
        if self.bags[0].shape[1:] != other.bags[0].shape[1:]:
            raise ShapeError(
                "one modality of two widths",
                expected=f"tokens of shape {tuple(self.bags[0].shape[1:])}",
                got=tuple(other.bags[0].shape[1:]),
            )
        return BagColumn(self.bags + other.bags, torch.cat([self.present, other.present]))


class FeatureColumn(BagColumn):
    """What a frozen encoder made of each patient, ``(n_i, e)``; nothing of a patient who does not have the modality."""

    form = "features of a frozen encoder"

    def take(self, rows: Tensor) -> FeatureColumn:
        """Return the given rows ``(b,)`` as a column of their own, without copying."""
        return FeatureColumn([self.bags[row] for row in rows.tolist()], self.present[rows])

    def input(self, chance: Chance | None = None) -> Input:
        """Return the tokens end to end as Features; None where no row is present."""
        return Features.from_list(self.bags) if bool(self.present.any()) else None


def load_inputs(columns: Mapping[str, Column], chances: Mapping[str, Chance | None]) -> dict[str, Input]:
    """Return the rows of columns as encoders take them; what cannot be loaded is named with its modality.

    Parameters
    ----------
    columns
        The column of each modality.
    chances
        While training, what chance decides of each; None: all there is.

    Raises
    ------
    InputError
        If a file cannot be used.

    Examples
    --------
    >>> rna = DenseColumn(torch.ones(2, 3), None, torch.tensor([True, True]))
    >>> load_inputs({"rna": rna}, {"rna": None})["rna"].shape
    torch.Size([2, 3])
    """
    inputs = {}
    for name, column in columns.items():
        with within(f"modality {name!r}"):
            inputs[name] = column.input(chances[name])
    return inputs
