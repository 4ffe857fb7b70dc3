"""One modality of many patients in memory: a tensor, a tensor with a mask, or bags of unequal length."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from mmlego.data.batch import Input
from mmlego.data.checks import Array, as_tensor
from mmlego.data.wording import listed
from mmlego.errors import InputError, MismatchError, ShapeError
from mmlego.nn.ragged import Ragged


class Column(ABC):
    """One modality of ``n`` patients, checked; patients without it hold zeros or an empty bag.

    Attributes
    ----------
    present
        Which patients have the modality, a boolean tensor ``(n,)``.

    Examples
    --------
    >>> column = read_column("rna", torch.tensor([[1.0], [float("nan")]]), None, ["a", "b"])
    >>> isinstance(column, Column), column.present.tolist()
    (True, [True, False])
    """

    present: Tensor

    def __len__(self) -> int:
        return int(self.present.shape[0])

    @abstractmethod
    def take(self, rows: Tensor) -> Column:
        """Return the given rows ``(b,)`` as a column of their own."""

    @abstractmethod
    def input(self) -> Input:
        """Return all rows as a model takes them, None where no row is present."""

    @abstractmethod
    def blank(self, rows: int) -> Column:
        """Return a column of the same kind and width in which ``rows`` patients are all absent."""

    @abstractmethod
    def join(self, other: Column) -> Column:
        """Return a column with the rows of another one after these."""


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

    def take(self, rows: Tensor) -> DenseColumn:
        """Return the given rows ``(b,)`` as a column of their own."""
        mask = None if self.mask is None else self.mask[rows]
        return DenseColumn(self.values[rows], mask, self.present[rows])

    def input(self) -> Input:
        """Return the tensor, or the tensor and its mask; None where no row is present."""
        if not bool(self.present.any()):
            return None
        return self.values if self.mask is None else (self.values, self.mask)

    def blank(self, rows: int) -> DenseColumn:
        """Return zeros for ``rows`` absent patients."""
        values = self.values.new_zeros((rows, *self.values.shape[1:]))
        mask = None if self.mask is None else self.mask.new_zeros((rows, *self.mask.shape[1:]))
        return DenseColumn(values, mask, self.present.new_zeros(rows))

    def join(self, other: Column) -> DenseColumn:
        """Return a column with the rows of another one after these; padded tokens go to the longer length.

        Raises
        ------
        MismatchError
            If the other one is of another kind.
        ShapeError
            If the widths differ.
        """
        if not isinstance(other, DenseColumn) or (self.mask is None) != (other.mask is None):
            raise MismatchError(
                "two kinds of one modality",
                expected=_kind(self),
                got=_kind(other),
                remedy="Give every part the modality in the same form.",
            )
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

    def __init__(self, bags: list[Tensor], present: Tensor) -> None:
        self.bags = bags
        self.present = present

    def take(self, rows: Tensor) -> BagColumn:
        """Return the given rows ``(b,)`` as a column of their own, without copying the bags."""
        return BagColumn([self.bags[row] for row in rows.tolist()], self.present[rows])

    def input(self) -> Input:
        """Return the bags end to end as a Ragged; None where no row is present."""
        return Ragged.from_list(self.bags) if bool(self.present.any()) else None

    def blank(self, rows: int) -> BagColumn:
        """Return empty bags for ``rows`` absent patients."""
        return BagColumn([self.bags[0][:0]] * rows, self.present.new_zeros(rows))

    def join(self, other: Column) -> BagColumn:
        """Return a column with the rows of another one after these.

        Raises
        ------
        MismatchError
            If the other one is of another kind.
        ShapeError
            If the widths differ.
        """
        if not isinstance(other, BagColumn):
            raise MismatchError(
                "two kinds of one modality",
                expected=_kind(self),
                got=_kind(other),
                remedy="Give every part the modality in the same form.",
            )
        if self.bags[0].shape[1:] != other.bags[0].shape[1:]:
            raise ShapeError(
                "one modality of two widths",
                expected=f"tokens of shape {tuple(self.bags[0].shape[1:])}",
                got=tuple(other.bags[0].shape[1:]),
            )
        return BagColumn(self.bags + other.bags, torch.cat([self.present, other.present]))


def _kind(column: Column) -> str:
    if isinstance(column, BagColumn):
        return "bags"
    return "a tensor with a mask" if isinstance(column, DenseColumn) and column.mask is not None else "a tensor"


ModalityData: TypeAlias = Array | tuple[Array, Array] | Sequence[Array | None] | Ragged | Column


def count_rows(name: str, value: ModalityData) -> int:
    """Return how many patients a modality has rows for.

    Parameters
    ----------
    name
        The modality, for messages.
    value
        What the user gave.

    Raises
    ------
    InputError
        If it is none of the forms that a modality can have.

    Examples
    --------
    >>> count_rows("bags", [torch.ones(2, 3), None])
    2
    """
    if isinstance(value, tuple):
        if len(value) != 2 or not all(isinstance(part, Tensor | np.ndarray) for part in value):
            raise InputError(
                f"modality {name!r} is a tuple that is not (tensor, mask)",
                expected="(values (n, t, f), mask (n, t))",
                got=f"a tuple of {len(value)}",
                remedy="Give bags of unequal length as a list, one tensor per patient.",
            )
    table = value[0] if isinstance(value, tuple) else value
    if isinstance(table, Tensor | np.ndarray):
        return int(table.shape[0]) if table.ndim else 0
    if isinstance(value, Ragged | Column | Sequence) and not isinstance(value, str | bytes):
        return len(value)
    raise InputError(
        f"modality {name!r} is of a kind that is not understood",
        expected="a tensor, (tensor, mask), or a list with one tensor per patient",
        got=type(value).__name__,
    )


def read_column(
    name: str, value: ModalityData, present: Tensor | None, patients: Sequence[str], *, missing: bool = False
) -> Column:
    """Check one modality and bring it into its stored form.

    Floating features become float32 (half precisions stay), booleans too; integers stay, as token ids do.

    Parameters
    ----------
    name
        The modality, for messages.
    value
        What the user gave, with ``n`` rows.
    present
        Which patients have it, ``(n,)``; None: those whose row is neither None nor entirely NaN.
    patients
        The ``n`` patient ids, for messages.
    missing
        Whether NaN means "not measured" and may stay.

    Returns
    -------
    Column
        The modality, with zeros or an empty bag where it is absent.

    Raises
    ------
    InputError
        For NaN or infinite features, or an empty bag, of a patient who has the modality.
    ShapeError
        For shapes that do not fit together.

    Examples
    --------
    >>> read_column("wsi", [torch.ones(2, 3), None], None, ["a", "b"]).present.tolist()
    [True, False]
    """
    if isinstance(value, Column):
        if present is None:
            return value
        raise InputError(f"modality {name!r} says itself who has it", remedy="Leave it out of present=.")
    if isinstance(value, tuple):
        return _read_dense(name, value[0], value[1], present, patients, missing)
    if isinstance(value, Tensor | np.ndarray):
        return _read_dense(name, value, None, present, patients, missing)
    return _read_bags(name, value.unbind() if isinstance(value, Ragged) else value, present, patients, missing)


def _usable(values: Tensor, missing: bool) -> Tensor:
    """Return which values may be there: finite ones, and NaN where it means "not measured"."""
    return ~torch.isinf(values) if missing else torch.isfinite(values)


def _read_dense(
    name: str, value: Array, mask: Array | None, present: Tensor | None, patients: Sequence[str], missing: bool
) -> DenseColumn:
    values = _features(name, value)
    least = 2 if mask is None else 3
    if values.ndim < least or values.shape[1:].numel() == 0:
        shape = "(n, f), f ≥ 1" if mask is None else "(n, t, f) beside a mask (n, t)"
        raise ShapeError(f"modality {name!r} has no features", expected=shape, got=tuple(values.shape))
    tokens = None if mask is None else _token_mask(name, mask, values)
    if present is None:
        flat = values.flatten(1)
        present = ~flat.isnan().all(1) if values.is_floating_point() else flat.new_ones(len(flat), dtype=torch.bool)
    if tokens is not None:
        _refuse(present & ~tokens.any(1), f"modality {name!r} has no real token", patients)
        tokens = tokens & present[:, None]
    real = present if tokens is None else tokens
    if not bool(real.all()):  # what is absent or padded may hold anything; from here on it holds zeros
        values = values.masked_fill(~real.reshape(*real.shape, *[1] * (values.ndim - real.ndim)), 0)
    if values.is_floating_point() and not bool(_usable(values, missing).all()):
        bad = ~_usable(values.flatten(1), missing).all(1)
        _refuse(bad, f"modality {name!r} has {'' if missing else 'NaN or '}infinite features", patients)
    return DenseColumn(values, tokens, present)


def _token_mask(name: str, mask: Array, values: Tensor) -> Tensor:
    tokens = as_tensor(mask)
    if tokens.dtype != torch.bool or tokens.shape != values.shape[:2]:
        raise ShapeError(
            f"the mask of modality {name!r} does not fit its tokens",
            expected=f"booleans of shape {tuple(values.shape[:2])}",
            got=f"{str(tokens.dtype).removeprefix('torch.')} of shape {tuple(tokens.shape)}",
            remedy="True marks a real token. Bags of unequal length can also be a list, one tensor per patient.",
        )
    return tokens


def _read_bags(
    name: str, value: Sequence[Array | None], present: Tensor | None, patients: Sequence[str], missing: bool
) -> BagColumn:
    given = torch.tensor([bag is not None for bag in value])
    has = given if present is None else present
    _refuse(has & ~given, f"modality {name!r} is None", patients)
    bags = {row: _features(name, value[row]) for row in has.nonzero().flatten().tolist()}
    if not bags:
        raise InputError(f"no patient has modality {name!r}", remedy="Leave the modality out.")
    thin = _rows([row for row, bag in bags.items() if bag.ndim < 2], has)
    _refuse(thin, f"modality {name!r} has a bag that is not (tokens, features)", patients, ShapeError)
    first = next(iter(bags.values()))
    odd = _rows([row for row, bag in bags.items() if bag.shape[1:] != first.shape[1:]], has)
    _refuse(odd, f"modality {name!r} has bags of another width than {tuple(first.shape[1:])}", patients, ShapeError)
    empty = _rows([row for row, bag in bags.items() if bag.shape[0] == 0], has)
    remedy = "Give None in place of the bag, or present=, where a patient does not have the modality."
    _refuse(empty, f"modality {name!r} is an empty bag", patients, remedy=remedy)
    broken = _rows([r for r, b in bags.items() if b.is_floating_point() and not _usable(b, missing).all()], has)
    _refuse(broken, f"modality {name!r} has {'' if missing else 'NaN or '}infinite features", patients)
    return BagColumn([bags.get(row, first[:0]) for row in range(len(has))], has)


def _features(name: str, value: object) -> Tensor:
    try:
        tensor = as_tensor(value).detach()
    except InputError as error:
        raise InputError(f"modality {name!r} is {error}") from error
    if tensor.is_complex():
        raise InputError(f"modality {name!r} is complex", expected="real numbers", got=str(tensor.dtype))
    return tensor.float() if tensor.dtype in (torch.float64, torch.bool) else tensor


def _rows(rows: list[int], like: Tensor) -> Tensor:
    flags = torch.zeros(len(like), dtype=torch.bool)
    flags[rows] = True
    return flags


def _refuse(
    bad: Tensor,
    what: str,
    patients: Sequence[str],
    error: type[InputError] = InputError,
    remedy: str = "Mend these rows, or mark them absent with present=.",
) -> None:
    if bool(bad.any()):
        names = [patients[row] for row in bad.nonzero().flatten().tolist()]
        raise error(f"{what} for {len(names)} of {len(patients)} patients ({listed(names)})", remedy=remedy)
