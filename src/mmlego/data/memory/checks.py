"""What users hand to PatientData beside the features, checked once at the boundary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmlego.errors import InputError, ShapeError, UnknownNameError
from mmlego.tasks.base import Task
from mmlego.wording import counted, label, listed, meant

Array: TypeAlias = Tensor | NDArray[np.generic]
Rows: TypeAlias = Sequence[int] | NDArray[np.integer] | NDArray[np.bool_] | Tensor
Choice: TypeAlias = Literal["error", "allow"]


def as_tensor(value: object, dtype: torch.dtype | None = None) -> Tensor:
    """Return a value as a tensor in CPU memory, sharing memory where that is safe.

    Parameters
    ----------
    value
        A tensor, an array or a list of numbers.
    dtype
        The dtype wanted.

    Returns
    -------
    Tensor
        The same numbers.

    Raises
    ------
    InputError
        If it is not made of numbers.

    Examples
    --------
    >>> as_tensor([1, 2]).tolist()
    [1, 2]
    """
    if isinstance(value, np.ndarray) and not value.flags.writeable:
        value = value.copy()  # torch warns of memory that must not be written to, as that of a table
    try:
        return torch.as_tensor(value, dtype=dtype).cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"not numbers ({error})", expected="a tensor, an array or a list of numbers") from error


def check_present(present: Mapping[str, Array], known: tuple[str, ...]) -> dict[str, Tensor]:
    """Check who is said to have what.

    Parameters
    ----------
    present
        For some modalities, a boolean tensor ``(n,)``.
    known
        The names of the modalities.

    Returns
    -------
    dict of str to Tensor
        The masks.

    Raises
    ------
    UnknownNameError
        For a modality that is not known.
    ShapeError
        For a mask that is not a boolean vector.

    Examples
    --------
    >>> check_present({"rna": torch.tensor([True])}, ("rna",))
    {'rna': tensor([True])}
    """
    checked = {}
    for name, mask in present.items():
        if name not in known:
            raise UnknownNameError(f"unknown modality {name!r} in present", remedy=meant(name, known))
        flags = as_tensor(mask)
        if flags.dtype != torch.bool or flags.ndim != 1:
            raise ShapeError(
                f"present of modality {name!r} is not a mask",
                expected="booleans (n,)",
                got=f"{str(flags.dtype).removeprefix('torch.')} of shape {tuple(flags.shape)}",
            )
        checked[name] = flags
    return checked


def check_target(target: object, task: Task | None) -> Tensor:
    """Bring a target into the canonical form of its task.

    Parameters
    ----------
    target
        The outcome of each patient.
    task
        What it means.

    Raises
    ------
    InputError
        If there is no task, or the task refuses the target.

    Examples
    --------
    >>> from mmlego.tasks import Classification
    >>> check_target([0, 1], Classification(2))
    tensor([0, 1])
    """
    if task is None:
        raise InputError("a target without a task", remedy="Say what it means: task=mmlego.tasks.Survival(...).")
    return task.check_target(target).detach().cpu()


def check_weights(weights: Array) -> Tensor:
    """Check the weights of patients in the loss.

    Parameters
    ----------
    weights
        One per row, ``(n,)``.

    Raises
    ------
    InputError
        If they are negative, not finite or not a vector.

    Examples
    --------
    >>> check_weights(torch.tensor([1.0, 0.5]))
    tensor([1.0000, 0.5000])
    """
    checked = as_tensor(weights, torch.float32)
    if checked.ndim != 1 or not bool((torch.isfinite(checked) & (checked >= 0)).all()):
        raise InputError(
            "weights cannot be used",
            expected="finite numbers ≥ 0 of shape (n,)",
            got=listed(checked.flatten().tolist()) if checked.ndim == 1 else f"shape {tuple(checked.shape)}",
        )
    return checked


def check_ids(patients: Sequence[str] | Sequence[int], repeats: Choice) -> tuple[str, ...]:
    """Check patient ids and bring them into the form of text.

    Parameters
    ----------
    patients
        One id per row.
    repeats
        ``"error"`` refuses a patient with several rows.

    Raises
    ------
    InputError
        For a row without an id, or a patient with several rows.

    Examples
    --------
    >>> check_ids([7, 8], "error")
    ('7', '8')
    """
    ids = tuple(label(patient) for patient in patients)
    blank = [row for row, name in enumerate(ids) if name in ("", "nan", "None", "<NA>", "NaT")]
    if blank:
        raise InputError(f"rows without a patient id ({listed(blank)})", remedy="Name or drop these rows.")
    if repeats == "error" and len(set(ids)) < len(ids):
        counts: dict[str, int] = {}
        for name in ids:
            counts[name] = counts.get(name, 0) + 1
        again = [name for name, count in counts.items() if count > 1]
        raise InputError(
            f"{counted(len(again), 'patient')} with several rows ({listed(again)})",
            expected="one row per patient",
            remedy="Give repeats='allow' if they are meant, and split by patient.",
        )
    return ids


def check_names(names: Sequence[str], known: Sequence[str], where: str = "") -> None:
    """Refuse names of modalities that are not known.

    Parameters
    ----------
    names
        What was given.
    known
        The modalities.
    where
        Where they were given, for the message.

    Raises
    ------
    UnknownNameError
        If one is not known; the message names the nearest.

    Examples
    --------
    >>> check_names(["rnaa"], ["rna"])
    Traceback (most recent call last):
    ...
    mmlego.errors.UnknownNameError: unknown modality 'rnaa'. Did you mean 'rna'?
    """
    for name in names:
        if name not in known:
            what = f"{where} names unknown modality {name!r}" if where else f"unknown modality {name!r}"
            raise UnknownNameError(what, remedy=meant(name, known))


def check_any(present: Mapping[str, Tensor], patients: Sequence[str], remedy: str) -> None:
    """Refuse patients who have no modality at all.

    Parameters
    ----------
    present
        For each modality a boolean tensor ``(n,)``: who has it.
    patients
        The ``n`` patient ids, for the message.
    remedy
        What can be done about it.

    Raises
    ------
    InputError
        If there are any; the message names them.

    Examples
    --------
    >>> check_any({"rna": torch.tensor([True, False])}, ["a", "b"], "Drop them.")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: 1 patient without any modality (b). Drop them.
    """
    bare = ~torch.stack(list(present.values())).any(0)
    if bool(bare.any()):
        names = [patients[row] for row in bare.nonzero().flatten().tolist()]
        raise InputError(f"{counted(len(names), 'patient')} without any modality ({listed(names)})", remedy=remedy)


def check_lengths(rows: Mapping[str, int]) -> int:
    """Return how many rows everything has.

    Parameters
    ----------
    rows
        By name, how many rows it has.

    Raises
    ------
    ShapeError
        If the numbers differ.
    InputError
        If there are none.

    Examples
    --------
    >>> check_lengths({"rna": 3, "target": 3})
    3
    """
    n = next(iter(rows.values()))
    if len(set(rows.values())) > 1:
        got = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise ShapeError("lengths disagree", expected="one row per patient everywhere", got=got)
    if n == 0:
        raise InputError("no patients", expected="at least one row", got=0)
    return n


def check_rows(rows: Rows, n: int) -> Tensor:
    """Return row numbers from row numbers or a boolean mask.

    Parameters
    ----------
    rows
        Numbers ``(b,)`` from 0 to ``n − 1``, or a mask ``(n,)``.
    n
        How many rows there are.

    Returns
    -------
    Tensor
        The row numbers ``(b,)``, int64.

    Raises
    ------
    InputError
        If a row does not exist.

    Examples
    --------
    >>> check_rows(torch.tensor([False, True]), 2), check_rows([1, 0], 2)
    (tensor([1]), tensor([1, 0]))
    """
    index = as_tensor(rows)
    if index.dtype == torch.bool and index.shape == (n,):
        return index.nonzero().flatten()
    if index.numel() == 0:
        return torch.zeros(0, dtype=torch.int64)
    whole = index.ndim == 1 and not index.is_floating_point() and index.dtype != torch.bool
    if not whole or int(index.min()) < 0 or int(index.max()) >= n:
        shape = f"{str(index.dtype).removeprefix('torch.')} of shape {tuple(index.shape)}"
        raise InputError(
            "rows that do not exist",
            expected=f"numbers from 0 to {n - 1}, or a mask ({n},)",
            got=f"{int(index.min())} to {int(index.max())}" if whole else shape,
        )
    return index.long()
