"""Data of several sources, one below the other: columns, targets and weights joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmlego.data.memory.columns import Column
from mmlego.errors import InputError, MismatchError
from mmlego.tasks.base import Task


def check_parts(tasks: Sequence[Task | None]) -> None:
    """Refuse data that cannot be put together.

    Parameters
    ----------
    tasks
        The task of each of them; None where nothing is predicted.

    Raises
    ------
    InputError
        If there are none.
    MismatchError
        If tasks differ.

    Examples
    --------
    >>> check_parts([None, None])
    """
    if len(tasks) == 0:
        raise InputError("nothing to put together", expected="at least one PatientData", got="none")
    first = tasks[0]
    for task in tasks[1:]:
        if first is not None and task is not None and task != first:
            raise MismatchError("data of two tasks", got="; ".join(first.differences(task)))


def join_columns(parts: Sequence[Mapping[str, Column]], sizes: Sequence[int]) -> dict[str, Column]:
    """Put the rows of several sets of columns one after the other; a column that a part lacks is absent there.

    Parameters
    ----------
    parts
        The columns of each part, by modality.
    sizes
        How many rows each part has.

    Examples
    --------
    >>> from mmlego.data.memory.columns import DenseColumn
    >>> rna = DenseColumn(torch.ones(2, 3), None, torch.tensor([True, True]))
    >>> join_columns([{"rna": rna}, {}], [2, 1])["rna"].present.tolist()
    [True, True, False]
    """
    kinds = {name: column for part in reversed(parts) for name, column in part.items()}
    joined = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        pieces = [part.get(name) or kinds[name].blank(size) for part, size in zip(parts, sizes, strict=True)]
        joined[name] = pieces[0]
        for piece in pieces[1:]:
            joined[name] = joined[name].join(piece)
    return joined


def join_optional(parts: Sequence[Tensor | None], what: str) -> Tensor | None:
    """Put tensors one after the other that all parts have, or none.

    Parameters
    ----------
    parts
        The tensors, or None where a part has none.
    what
        What they are, for the message.

    Raises
    ------
    MismatchError
        If only some parts have one.

    Examples
    --------
    >>> join_optional([torch.ones(1), torch.zeros(1)], "target")
    tensor([1., 0.])
    """
    given = [part for part in parts if part is not None]
    if given and len(given) < len(parts):
        got = f"{len(given)} of {len(parts)}"
        raise MismatchError(f"only some parts have a {what}", expected=f"a {what} in all or in none", got=got)
    return torch.cat(given) if given else None
