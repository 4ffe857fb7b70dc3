"""Names and values that users know: of columns, genes, cells of a series, patches, regions, characters and atoms."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from mmlego.data import (
    BagPreprocessor,
    FingerprintPreprocessor,
    GraphPreprocessor,
    ImagePreprocessor,
    OmicsPreprocessor,
    Preprocessing,
    SequencePreprocessor,
    SeriesPreprocessor,
    TablePreprocessor,
    TextPreprocessor,
)
from mmlego.explaining.spreading import LENGTH, NEVER, Cells

Line: TypeAlias = dict[str, Any]
BESIDE = "beside_others"  # the column of :func:`_beside`
REGIONS = 16  # along each side of an image


def lines_of(preprocessing: Preprocessing | None, x: Tensor, cells: Cells, raw: Any = None) -> list[Line]:
    """Return a line a feature: ``feature``, ``value``, ``attribution``, and where it is.

    Parameters
    ----------
    preprocessing
        Of the modality; None: columns and tokens have numbers.
    x
        The features of one patient, as those of a batch without its first axis; of bags ``(n, f)``.
    cells
        The shares.
    raw
        The patient's row of the cohort's frame, a mapping by column.
    """
    namers: tuple[tuple[type, Callable[[Any, Tensor, Cells, Any], list[Line]]], ...] = (
        (TablePreprocessor, _table),
        (OmicsPreprocessor, _omics),
        (FingerprintPreprocessor, _bits),
        (SeriesPreprocessor, _series),
        (BagPreprocessor, _patches),
        (ImagePreprocessor, _regions),
        (SequencePreprocessor, _characters),
        (TextPreprocessor, _words),
        (GraphPreprocessor, _nodes),
    )
    name = next((name for kind, name in namers if isinstance(preprocessing, kind)), _numbered)
    return name(preprocessing, x, cells, raw)


def _line(feature: str, value: Any, attribution: float, where: Mapping[str, Any] | None = None) -> Line:
    return {"feature": feature, "value": value, "attribution": float(attribution), **(where or {})}


def _beside(cells: Cells, columns: int | slice | None = None) -> Any:
    """Return by how much features move the prediction beside other patients, on average, as a column of lines has it.

    Parameters
    ----------
    cells
        The shares.
    columns
        Those of one feature; None: each is one.
    """
    if cells.beside is None:
        return None
    if isinstance(columns, slice):
        return float(cells.beside[:, columns].sum(1).abs().mean())
    return cells.beside.abs().mean(0).tolist()


def _rest(cells: Cells, names: Mapping[str | int, str]) -> list[Line]:
    told = [(names.get(name, str(name)), share) for name, share in cells.rest.items()]
    return [_line(name, None, share) for name, share in told if share]


def _table(table: TablePreprocessor, x: Tensor, cells: Cells, raw: Any) -> list[Line]:
    """Columns of numbers, and of categories: the features of one column are one line."""
    shares, numbers, beside = cells.values.tolist(), x.double().tolist(), _beside(cells)
    lines = []
    for i, name in enumerate(table.numeric):
        value = table.centre[i] + table.scale[i] * numbers[i]
        where = {} if beside is None else {BESIDE: beside[i]}
        told = _given(raw, name, _short(value))
        if name in table.truths and not isinstance(told, str) and told in (0, 1):
            told = "yes" if told else "no"
        lines.append(_line(name, told, shares[i], where))
    start = len(table.numeric)
    for name, known in table.categories.items():
        own = slice(start, start + len(known))
        is_ = [word for word, number in zip(known, numbers[own], strict=True) if number > 0.5]
        where = {} if beside is None else {BESIDE: _beside(cells, own)}
        lines.append(_line(name, _given(raw, name, is_[0] if is_ else None), sum(shares[own]), where))
        start += len(known)
    return lines


def _omics(omics: OmicsPreprocessor, x: Tensor, cells: Cells, raw: Any) -> list[Line]:
    values = np.asarray(omics.centre) + np.asarray(omics.scale) * x.double().numpy()
    values = np.expm1(values) if omics.log1p else values
    beside = _beside(cells)
    where: list[Line] = [{}] * len(values) if beside is None else [{BESIDE: size} for size in beside]
    parts = zip(omics.columns, values.tolist(), cells.values.tolist(), where, strict=True)
    return [_line(name, _given(raw, name, _short(value)), share, more) for name, value, share, more in parts]


def _bits(bits: FingerprintPreprocessor, x: Tensor, cells: Cells, raw: Any) -> list[Line]:
    parts = zip(x[: bits.bits].tolist(), cells.values[: bits.bits].tolist(), strict=True)
    lines = [_line(f"bit {i}", _short(value), share) for i, (value, share) in enumerate(parts) if value or share]
    if bits.descriptors is not None:
        lines += _table(bits.descriptors, x[bits.bits :], Cells(cells.values[bits.bits :]), None)
    return lines


def _series(series: SeriesPreprocessor, x: Tensor, cells: Cells, raw: Any) -> list[Line]:
    """Return a line a cell that was measured: the variable and the hour at which its bin begins."""
    names = series.features
    lines = []
    for t, row in enumerate(x.double().tolist()):
        for j, value in enumerate(row):
            share = float(cells.values[t, j])
            if math.isnan(value) or (j == 0 and share == 0):
                continue
            if j:
                column = series.columns[j - 1]
                value = column.centre + column.scale * value
                value = math.expm1(value) if column.log else value
            lines.append(_line(names[j], _short(value), share, {"hour": row[0]}))
    never: dict[str | int, str] = {j: f"{name} {NEVER}" for j, name in enumerate(names)}
    return lines + _rest(cells, {**never, LENGTH: "(number of steps)"})


def _patches(bags: BagPreprocessor, x: Tensor, cells: Cells, raw: Any) -> list[Line]:
    """Return a line a patch: its number, slide and place, where the files tell."""
    shares = cells.values.sum(1).tolist()
    bag = None if raw is None else next(iter(raw.values()))
    places = None if bag is None else bag.coords()
    slides = [0] * len(shares) if bag is None else bag.slides().tolist()
    files = [""] if bag is None else [file.path.name for file in bag.files]
    lines = []
    for i, share in enumerate(shares):
        where = {} if places is None else {"x": float(places[i, 0]), "y": float(places[i, 1])}
        lines.append(_line(f"patch {i}", None, share, {"slide": files[slides[i]], **where}))
    return lines + _rest(cells, {LENGTH: "(number of patches)"})


def _regions(images: ImagePreprocessor, x: Tensor, cells: Cells, raw: Any) -> list[Line]:
    """Return a line a region of a grid, 16 along each side at most; the shares of all pixels are in the map."""
    whole = cells.values.sum(0)  # (h, w) or (d, h, w)
    for axis, size in enumerate(whole.shape):
        place = torch.arange(size) * min(size, REGIONS) // size
        made = torch.zeros(*whole.shape[:axis], min(size, REGIONS), *whole.shape[axis + 1 :], dtype=whole.dtype)
        whole = made.index_add_(axis, place, whole)
    axes = ("z", "y", "x")[-whole.ndim :]
    lines = []
    for at in np.ndindex(*whole.shape):
        named = " ".join(f"{axis}{i}" for axis, i in zip(axes, at, strict=True))
        where = {axis: i * full // min(full, REGIONS) for axis, i, full in zip(axes, at, x.shape[1:], strict=True)}
        lines.append(_line(f"region {named}", None, float(whole[at]), where))
    return lines + _rest(cells, {})


def _characters(sequences: SequencePreprocessor, x: Tensor, cells: Cells, raw: Any) -> list[Line]:
    known = ("?", *sequences.characters)
    parts = zip(x.tolist(), cells.values.tolist(), strict=True)
    lines = [_line(f"position {i}", known[code], share) for i, (code, share) in enumerate(parts)]
    return lines + _rest(cells, {})


def _words(texts: TextPreprocessor, x: Tensor, cells: Cells, raw: Any) -> list[Line]:
    words = texts.tokenizer.words(x.tolist())
    parts = zip(words, cells.values.tolist(), strict=True)
    return [_line(f"token {i}", word, share) for i, (word, share) in enumerate(parts)] + _rest(cells, {})


def _nodes(graphs: GraphPreprocessor, x: Tensor, cells: Cells, raw: Any) -> list[Line]:
    """Return a line a node, an atom of a molecule by its element."""
    shares = cells.values.sum(1).tolist()
    graph = None if raw is None else next(iter(raw.values()))
    numbers = None if graph is None or graph.molecule is None else graph.nodes.get("atomic_num")
    what = "node" if numbers is None else "atom"
    lines = [
        _line(f"{what} {i}", None if numbers is None else _element(str(numbers[i])), share)
        for i, share in enumerate(shares)
    ]
    return lines + _rest(cells, {LENGTH: f"(number of {what}s)"})


def _numbered(nothing: object, x: Tensor, cells: Cells, raw: Any) -> list[Line]:
    """Where nothing tells names: the number of a column, or of a token."""
    if cells.values.ndim == 1:
        what = "column" if x.is_floating_point() else "position"
        beside = _beside(cells)
        where: list[Line] = [{}] * len(x) if beside is None else [{BESIDE: size} for size in beside]
        parts = enumerate(zip(x.tolist(), cells.values.tolist(), where, strict=True))
        return [_line(f"{what} {i}", value, share, more) for i, (value, share, more) in parts] + _rest(cells, {})
    if cells.values.ndim > 2:
        return [_line(f"channel {i}", None, float(part.sum())) for i, part in enumerate(cells.values)]
    lines = [_line(f"token {i}", None, share) for i, share in enumerate(cells.values.sum(1).tolist())]
    return lines + _rest(cells, {LENGTH: "(number of tokens)"})


def _given(raw: Any, name: str, value: Any) -> Any:
    """Return what the file says, where it is at hand; None where it says nothing."""
    if raw is None or name not in raw:
        return value
    told = raw[name]
    if told is None or (isinstance(told, float) and math.isnan(told)):
        return None
    return told.item() if isinstance(told, np.generic) else told


def _short(value: float) -> float:
    """Return a number without the digits that float32 does not have."""
    return float(f"{value:.6g}")


def _element(number: str) -> str:
    from mmlego.extras import import_extra

    table = import_extra("rdkit.Chem", "the names of atoms", "'mmlego[graphs]'").GetPeriodicTable()
    return str(table.GetElementSymbol(int(number))) if number.isdigit() else number
