"""From the columns of a row back to what it was made of: patches, cells of a series, pixels, characters, nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from mmlego.explaining.patches import patch_shares
from mmlego.learners.rows import Rows
from mmlego.learners.subtrees import Subtrees, subtrees_of
from mmlego.learners.terms import Runs
from mmlego.nn.graphs import Graphs
from mmlego.nn.ragged import Ragged

LENGTH, NOT_THERE, NEVER = "(how many)", "(what is not there)", "(not measured)"
LEVEL = 0.02  # a mean is shared out by deviations unless these cancel to less of their size


@dataclass
class Cells:
    """Shares of what a patient's modality is made of.

    Attributes
    ----------
    values
        Like the features without the first axis: ``(f,)``, ``(n, f)``, ``(ch, …)``; of patches and nodes ``(n, 1)``, of
        codes ``(n,)``.
    rest
        Shares that no part has, by name; a column that was never measured by its number.
    beside
        Of columns, the shares beside each of some other patients, ``(r, f)``; None where these are not known.
    """

    values: Tensor
    rest: dict[str | int, float] = field(default_factory=dict)
    beside: Tensor | None = None

    def add(self, other: Cells) -> None:
        """Add the shares of others; of tokens without those of their features where these have none."""
        mine, more = self.values, other.values
        if mine.ndim == 2 and mine.shape[1] != more.shape[1]:
            mine, more = mine.sum(1, keepdim=True), more.sum(1, keepdim=True)
        self.values = mine + more
        for name, share in other.rest.items():
            self.rest[name] = self.rest.get(name, 0.0) + share


def spread(rows: Rows, x: Tensor | Ragged, mask: Tensor | None, shares: Tensor, base: Tensor) -> Cells:
    """Return the shares of what a row was made of, whose sum is that of the shares of its columns.

    Parameters
    ----------
    rows
        How the modality became the row.
    x, mask
        The features of one patient.
    shares
        Of the columns, ``(p,)``.
    base
        The row beside which they stand, ``(p,)``.
    """
    shares, base = shares.double(), base.double()
    if rows.form == "flat":
        return Cells(shares)
    if isinstance(rows.terms, Runs):
        return _of_runs(rows.terms, x, mask, shares)
    if rows.form == "counts":
        codes = _one(x, mask).long().flatten()
        values, rest = _of_terms(codes, torch.arange(len(codes)), torch.arange(rows.width), shares, len(codes))
        return Cells(values, {NOT_THERE: rest})
    if isinstance(x, Tensor) and x.ndim > 3:
        cells = _of_pooled(rows, x[0].flatten(1).mT.double(), shares, base)
        return Cells(cells.values.mT.reshape(x.shape[1:]), cells.rest)
    pooled = rows.width * (4 + 2 * rows.ordered + rows.gaps) + 1
    cells = _of_pooled(rows, _one(x, mask).double(), shares[:pooled], base[:pooled])
    if isinstance(rows.terms, Subtrees) and isinstance(x, Graphs):
        cells.add(_of_subtrees(rows.terms, x, shares[pooled:]))
    if mask is not None and isinstance(x, Tensor):
        whole = cells.values.new_zeros(x.shape[1], cells.values.shape[1])
        whole[mask[0]] = cells.values
        cells.values = whole
    return cells


def spread_of_bag(rows: Rows, x: Tensor | Ragged, mask: Tensor | None, shares: Tensor, bases: Tensor) -> Cells:
    """Return the shares of patches or nodes that have no order, ``(n, 1)``; their sum is the mean of those of the rows.

    Parameters
    ----------
    rows
        How the bag became the row.
    x, mask
        The features of one patient.
    shares
        Of the columns beside each of several rows, ``(r, p)``.
    bases
        These rows, ``(r, p)``.
    """
    tokens, f = _one(x, mask), rows.width
    values = patch_shares(tokens, shares[:, : 4 * f], bases[:, : 4 * f])[:, None]
    cells = Cells(values, {LENGTH: float(shares[:, 4 * f].mean())})
    if isinstance(rows.terms, Subtrees) and isinstance(x, Graphs):
        cells.add(_of_subtrees(rows.terms, x, shares[:, 4 * f + 1 :].double().mean(0)))
    if mask is not None and isinstance(x, Tensor):
        whole = values.new_zeros(x.shape[1], 1)
        whole[mask[0]] = cells.values
        cells.values = whole
    return cells


def _of_subtrees(known: Subtrees, x: Graphs, shares: Tensor) -> Cells:
    terms, _ = subtrees_of(x, known.nodes, known.edges, known.radius)
    n = len(x.values)
    values, rest = _of_terms(terms, torch.arange(len(terms)) % n, known.terms, shares, n)
    return Cells(values[:, None], {NOT_THERE: rest})


def _one(x: Tensor | Ragged, mask: Tensor | None) -> Tensor:
    if isinstance(x, Ragged):
        return x.values
    return x[0] if mask is None else x[0][mask[0]]


def _of_terms(terms: Tensor, place: Tensor, known: Tensor, shares: Tensor, n: int) -> tuple[Tensor, float]:
    """Return the share of each of ``n`` places, of the terms that lie there, and that of terms that lie nowhere."""
    at = torch.searchsorted(known, terms).clamp(max=len(known) - 1)
    here = known[at] == terms
    often = torch.bincount(at[here], minlength=len(known))
    each = shares / often.clamp_min(1)
    values = torch.zeros(n, dtype=torch.float64).index_add_(0, place[here], each[at[here]])
    return values, float(shares[often == 0].sum())


def _of_runs(runs: Runs, x: Tensor | Ragged, mask: Tensor | None, shares: Tensor) -> Cells:
    """Share a run out evenly over the places where it is, and there over its codes."""
    codes = _one(x, mask).flatten()
    n = len(codes)
    values, often = torch.zeros(n, dtype=torch.float64), torch.zeros(len(shares), dtype=torch.int64)
    spans: list[tuple[Tensor, Tensor, int]] = []
    for length in range(1, runs.longest + 1):
        starts = torch.arange(max(n - length + 1, 0))
        if not len(starts):
            break
        windows = codes.long().unfold(0, length, 1)  # (s, length)
        fine = ((windows >= 0) & (windows < runs.codes)).all(1)
        number = torch.zeros(len(starts), dtype=torch.int64)
        for i in range(length):
            number = number * (runs.codes + 1) + windows[:, i] + 1
        at = torch.searchsorted(runs.terms, number).clamp(max=len(runs.terms) - 1)
        here = fine & (runs.terms[at] == number)
        often += torch.bincount(at[here], minlength=len(shares))
        spans.append((starts[here], at[here], length))
    for starts, at, length in spans:
        each = shares[at] / often[at] / length
        for i in range(length):
            values.index_add_(0, starts + i, each)
    return Cells(values, {NOT_THERE: float(shares[often == 0].sum())})


def _of_pooled(rows: Rows, tokens: Tensor, shares: Tensor, base: Tensor) -> Cells:
    """Share out statistics of tokens ``(n, f)`` exactly: each token as much as it makes the statistic what it is."""
    n, f = tokens.shape
    there = ~tokens.isnan() if rows.gaps else torch.ones_like(tokens, dtype=torch.bool)
    count = there.sum(0)  # (f,)
    filled = torch.where(there, tokens, 0.0)
    names = [
        "mean",
        "spread",
        "low",
        "high",
        *(["first", "last"] if rows.ordered else []),
        *(["n"] if rows.gaps else []),
    ]
    part = {name: shares[i * f : (i + 1) * f] for i, name in enumerate(names)}
    own = {name: base[i * f : (i + 1) * f] for i, name in enumerate(names)}
    even = there / count.clamp_min(1)
    mean = filled.sum(0) / count.clamp_min(1)
    off = torch.where(there, filled - mean, 0.0)
    values = part["mean"] * _by(torch.where(there, filled - own["mean"], 0.0), even)
    width = (off.square().sum(0) / count.clamp_min(1)).sqrt()
    wide = off.square() / (width * count.clamp_min(1)).clamp_min(1e-300) - own["spread"] * even
    values += part["spread"] * _by(torch.where(there, wide, 0.0), even)
    for name, extreme in (
        ("low", torch.where(there, filled, torch.inf).amin(0)),
        ("high", torch.where(there, filled, -torch.inf).amax(0)),
    ):
        reached = there & (filled == extreme)
        values += part[name] * reached / reached.sum(0).clamp_min(1)
    if rows.ordered:
        place = torch.arange(n)[:, None]
        first = torch.where(there, place, n).amin(0) if rows.gaps else torch.zeros(f, dtype=torch.int64)
        last = torch.where(there, place, -1).amax(0) if rows.gaps else torch.full((f,), n - 1)
        values += part["first"] * (place == first) + part["last"] * (place == last)
    if rows.gaps:
        values += part["n"] * even
    rest: dict[str | int, float] = {LENGTH: float(shares[len(names) * f])}
    for column in (count == 0).nonzero().squeeze(1).tolist():
        rest[column] = sum(float(one[column]) for one in part.values())
    return Cells(values, rest)


def _by(deviations: Tensor, even: Tensor) -> Tensor:
    """Return weights ``(n, f)`` that sum to 1 a column, in proportion to deviations; evenly where these cancel."""
    total, size = deviations.sum(0), deviations.abs().sum(0)
    fine = total.abs() > LEVEL * size
    return torch.where(fine, deviations / torch.where(fine, total, 1.0), even)
