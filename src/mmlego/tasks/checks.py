"""What users hand to a task, checked once at the boundary: numbers, names, logits, weights."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mmlego.errors import InputError, ShapeError
from mmlego.wording import brief

MOST_NAMES = 100_000  # classes, labels or causes


def as_numbers(value: object, what: str) -> Tensor:
    """Make a tensor of real numbers from a tensor, an array, a column of a table or a list.

    Parameters
    ----------
    value
        Anything that numpy can read as numbers. A tensor is handed back as it is, on its device and in its
        graph; everything else is copied, so that the caller's memory is never shared.
    what
        What the value is, for the message of the error.

    Returns
    -------
    Tensor
        The same numbers in the same shape. ``None`` among numbers becomes NaN.

    Raises
    ------
    InputError
        If the value is not made of real numbers.

    Examples
    --------
    >>> as_numbers([1, 0, 1], "event")
    tensor([1, 0, 1])
    """
    if isinstance(value, Tensor):
        if value.is_complex():
            raise _not_numbers(what, value.dtype)
        return value
    try:
        array = np.array(value)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise _not_numbers(what, type(value).__name__) from error
    if array.dtype.kind not in "biuf":
        raise _not_numbers(what, array.dtype)
    # long double has no counterpart in torch, the wide unsigned integers have no arithmetic
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if array.dtype.kind == "u":
        array = array.astype(np.int64)
    return torch.tensor(array)


def _not_numbers(what: str, got: object) -> InputError:
    return InputError(
        f"{what} is not numeric",
        expected="a tensor or an array of real numbers",
        got=got,
        remedy="Map text and categories to numbers first, and give rows of equal length.",
    )


def as_names(value: int | Sequence[str], what: str, stem: str, least: int) -> tuple[str, ...]:
    """Make the names of the outputs from a number or from the names themselves.

    Parameters
    ----------
    value
        How many there are, or their names in the order of the logits.
    what
        What is being named, for the message of the error.
    stem
        Put before the number where only a number is given.
    least
        The smallest allowed number of names.

    Returns
    -------
    tuple of str
        The names, unique and in order.

    Raises
    ------
    InputError
        If there are too few names, if a name is empty or is not text, or if two names are equal.

    Examples
    --------
    >>> as_names(2, "labels", "label_", 1)
    ('label_0', 'label_1')
    """
    expected = f"an int ≥ {least} or at least {least} different names"
    if isinstance(value, str | bytes | bool):
        raise InputError(
            f"{what} is neither a number nor a list of names",
            expected=expected,
            got=repr(value),
            remedy=f"Pass {what}=[...] with one name for each.",
        )
    if isinstance(value, Sequence):
        names = tuple(value)
        if not all(isinstance(name, str) and name for name in names):
            raise InputError(f"{what} holds something that is not a name", expected=expected, got=names)
        if len(set(names)) != len(names):
            raise InputError(f"{what} holds the same name twice", expected=expected, got=names)
    else:
        try:
            count = operator.index(value)
        except TypeError as error:
            raise InputError(
                f"{what} is neither a number nor a list of names", expected=expected, got=repr(value)
            ) from error
        if count > MOST_NAMES:
            raise InputError(f"{what} is too long", expected=f"at most {MOST_NAMES}", got=brief(count))
        names = tuple(f"{stem}{i}" for i in range(count))
    if len(names) < least:
        raise InputError(f"{what} is too short", expected=expected, got=repr(value))
    return names


def as_floats(value: float | Sequence[float] | Tensor, what: str) -> tuple[float, ...]:
    """Make a tuple of finite Python floats from one number or from several.

    Parameters
    ----------
    value
        A number or a sequence, an array or a tensor of numbers.
    what
        What the value is, for the message of the error.

    Returns
    -------
    tuple of float
        At least none, each finite.

    Raises
    ------
    InputError
        If something is not a finite number.

    Examples
    --------
    >>> as_floats([1, 2.5], "cuts")
    (1.0, 2.5)
    """
    numbers = tuple(float(x) for x in as_numbers(value, what).reshape(-1).tolist())
    if not all(map(math.isfinite, numbers)):
        raise InputError(f"{what} is not finite", expected="finite numbers", got=numbers)
    return numbers


def check_logits(logits: Tensor, outputs: int, *, finite: bool = False) -> Tensor:
    """Check the shape of logits and lift half precision to float32.

    Parameters
    ----------
    logits : (b, k)
        What a head puts out.
    outputs
        The width k that the task needs.
    finite
        Whether to look at the values too. The training loss does not: that would wait for the accelerator.

    Returns
    -------
    Tensor : (b, k)
        The logits in float32, or in float64 if they were.

    Raises
    ------
    ShapeError
        If the shape is not (b, k) with at least one row.
    InputError
        If ``finite`` and a value is NaN or infinite.

    Examples
    --------
    >>> check_logits(torch.zeros(2, 3, dtype=torch.bfloat16), 3).dtype
    torch.float32
    """
    logits = as_numbers(logits, "logits")
    if logits.ndim != 2 or logits.shape[1] != outputs:
        raise ShapeError(
            "logits have the wrong shape",
            expected=f"(b, {outputs})",
            got=tuple(logits.shape),
            remedy="Build the head for this task, with task.outputs columns.",
        )
    if len(logits) == 0:
        raise ShapeError("logits are empty", expected="at least one sample", got=tuple(logits.shape))
    if finite and not bool(logits.isfinite().all()):
        raise InputError(
            "logits are not finite",
            expected="finite numbers",
            got=f"{int((~logits.isfinite()).sum())} NaN or infinite of {logits.numel()}",
            remedy="The model diverged or saw bad input: lower the learning rate, clip gradients, check features.",
        )
    return logits if logits.dtype == torch.float64 else logits.float()


def check_rows(target: Tensor, rows: int) -> None:
    """Check that a target has as many rows as the logits.

    Parameters
    ----------
    target : (n, ...)
        A target.
    rows
        The number of rows of the logits.

    Raises
    ------
    ShapeError
        If the numbers differ.

    Examples
    --------
    >>> check_rows(torch.zeros(3), 3)
    """
    if len(target) != rows:
        raise ShapeError("logits and target differ in length", expected=f"{rows} rows", got=len(target))


def refuse(
    bad: Tensor,
    values: Tensor,
    what: str,
    *,
    expected: str,
    remedy: str | None = None,
    columns: Sequence[str] = (),
) -> None:
    """Raise an error that names the first bad value and its place, if there is one.

    Parameters
    ----------
    bad : (n,) or (n, k) bool
        Where a value is bad.
    values : (n,) or (n, k)
        The values.
    what, expected, remedy
        The parts of the message.
    columns : k names
        The names of the columns, where there are columns.

    Raises
    ------
    InputError
        If any value is bad.

    Examples
    --------
    >>> values = torch.tensor([0.0, 7.0])
    >>> refuse(values > 1, values, "too large", expected="at most 1")
    Traceback (most recent call last):
    mmlego.errors.InputError: too large: expected at most 1, got 7 at row 1
    """
    if not bool(bad.any()):
        return
    row, *column = bad.nonzero()[0].tolist()
    got = f"{values[row, *column].item():g} at row {row}"
    got += "".join(f" of {columns[j]!r}" for j in column)
    raise InputError(what, expected=expected, got=got, remedy=remedy)


def weighted_mean(losses: Tensor, weight: Tensor | None) -> Tensor:
    """Take the mean over the batch of weighted losses: Σ wᵢ ℓᵢ / b.

    The divisor is b and not Σ w, so that the mean over a batch is the mean over its shards, each counted by
    its number of samples.

    Parameters
    ----------
    losses : (b,)
        The loss of each sample.
    weight : (b,), optional
        The weight of each sample, not negative; mean 1 keeps the scale of the loss.

    Returns
    -------
    Tensor : ()
        The mean.

    Raises
    ------
    InputError
        If the weights are negative, not finite or not (b,). On an accelerator only the shape is looked at.

    Examples
    --------
    >>> weighted_mean(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 0.0]))
    tensor(1.)
    """
    if weight is None:
        return losses.mean()
    weight = as_numbers(weight, "sample_weight").to(losses)
    if weight.shape != losses.shape:
        raise ShapeError("sample_weight has the wrong shape", expected=tuple(losses.shape), got=tuple(weight.shape))
    if weight.device.type == "cpu" and not bool((weight.isfinite() & (weight >= 0)).all()):
        raise InputError("sample_weight is not usable", expected="finite numbers ≥ 0", got=weight.tolist()[:8])
    return (losses * weight).mean()
