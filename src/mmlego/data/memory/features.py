"""What users hand to PatientData as features, checked once and brought into the form in which it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from mmlego.data.memory.checks import Array, as_tensor
from mmlego.data.memory.columns import BagColumn, Column, DenseColumn
from mmlego.data.memory.graphs import GraphColumn, empty_graph, graph_widths
from mmlego.errors import InputError, ShapeError
from mmlego.nn.graphs import Graph, Graphs
from mmlego.nn.ragged import Ragged
from mmlego.wording import listed

Bags: TypeAlias = Sequence[Array | None] | Sequence[Graph | None] | Ragged
ModalityData: TypeAlias = Array | tuple[Array, Array] | Bags | Column


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
    if isinstance(value, tuple) and not isinstance(value, Graph):
        if len(value) != 2 or not all(isinstance(part, Tensor | np.ndarray) for part in value):
            raise InputError(
                f"modality {name!r} is a tuple that is not (tensor, mask)",
                expected="(values (n, t, f), mask (n, t))",
                got=f"a tuple of {len(value)}",
                remedy="Give bags of unequal length as a list, one tensor per patient.",
            )
    table = value[0] if isinstance(value, tuple) else value
    if isinstance(table, Tensor | np.ndarray) and not isinstance(value, Graph):
        return int(table.shape[0]) if table.ndim else 0
    if isinstance(value, Ragged | Column | Sequence) and not isinstance(value, str | bytes | Graph):
        return len(value)
    raise InputError(
        f"modality {name!r} is of a kind that is not understood",
        expected="a tensor, (tensor, mask), or a list with one tensor or graph per patient",
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
    bags = _unbound(value)
    if any(isinstance(bag, Graph) for bag in bags):
        return _read_graphs(name, bags, present, patients)
    return _read_bags(name, bags, present, patients, missing)


def _unbound(value: Bags) -> Sequence[Any]:
    if isinstance(value, Graphs):
        return value.graphs()
    return value.unbind() if isinstance(value, Ragged) else value


def _usable(values: Tensor, missing: bool) -> Tensor:
    """Return which values may be there: finite ones, and NaN where it means "not measured"."""
    return ~torch.isinf(values) if missing else torch.isfinite(values)


def _read_dense(
    name: str, value: Array, mask: Array | None, present: Tensor | None, patients: Sequence[str], missing: bool
) -> DenseColumn:
    values = _features(name, value)
    least = 2 if mask is None or not values.is_floating_point() else 3  # ids of tokens have no features
    if values.ndim < least or values.shape[1:].numel() == 0:
        shape = "(n, f), f ≥ 1" if mask is None else "(n, t, f), or ids (n, t), beside a mask (n, t)"
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
    thin = _rows([row for row, bag in bags.items() if bag.ndim < 1 + bag.is_floating_point()], has)
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


def _read_graphs(name: str, value: Sequence[object], present: Tensor | None, patients: Sequence[str]) -> GraphColumn:
    given = torch.tensor([graph is not None for graph in value])
    has = given if present is None else present
    graphs = {row: value[row] for row in has.nonzero().flatten().tolist()}
    odd = _rows([row for row, graph in graphs.items() if not isinstance(graph, Graph)], has)
    _refuse(odd, f"modality {name!r} is no graph", patients)
    good = {row: graph for row, graph in graphs.items() if isinstance(graph, Graph)}
    if not good:
        raise InputError(f"no patient has modality {name!r}", remedy="Leave the modality out.")
    first = next(iter(good.values()))
    wide = _rows([row for row, graph in good.items() if graph_widths(graph) != graph_widths(first)], has)
    _refuse(wide, f"modality {name!r} has graphs of other widths than {graph_widths(first)}", patients, ShapeError)
    _refuse(_rows([row for row, g in good.items() if len(g.nodes) == 0], has), f"modality {name!r} is empty", patients)
    numbers = {row: [part for part in graph if part is not None] for row, graph in good.items()}
    broken = _rows([row for row, parts in numbers.items() if not all(map(_all_finite, parts))], has)
    _refuse(broken, f"modality {name!r} has NaN or infinite features", patients)
    return GraphColumn([good.get(row, empty_graph(first)) for row in range(len(has))], has)


def _all_finite(values: Tensor) -> bool:
    return bool(torch.isfinite(values).all())


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
