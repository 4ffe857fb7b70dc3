"""Terms: what a patient has many of, as runs of codes and surroundings of nodes; a vocabulary of them, and counts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from mmlego.errors import InputError
from mmlego.nn.ragged import Ragged

FEWEST = 3  # patients who must have a term
MOST = 1024  # terms that get a column, those that most patients have
MOST_CODES = 4096  # single codes that do: where words are codes, there are many
LONGEST = 4  # codes of a run
_ROOM = 62  # bits of a number


def vocabulary(terms: Tensor, owner: Tensor, *, fewest: int = FEWEST, most: int = MOST) -> Tensor:
    """Return the terms that enough patients have, ascending.

    Parameters
    ----------
    terms
        Numbers of terms ``(t,)``.
    owner
        Whose each is, ``(t,)``.
    fewest
        How many patients must have one.
    most
        How many are kept: those that most patients have, of equal ones those of small numbers.

    Examples
    --------
    >>> vocabulary(torch.tensor([7, 5, 7, 7, 9]), torch.tensor([0, 0, 0, 1, 1]), fewest=2).tolist()
    [7]
    """
    pairs = torch.stack([terms, owner], 1).unique(dim=0)
    found, patients = pairs[:, 0].unique(return_counts=True)
    found, patients = found[patients >= fewest], patients[patients >= fewest]
    if len(found) > most:
        found = found[patients.argsort(descending=True, stable=True)[:most]]
    kept: Tensor = found.sort().values
    return kept


def counted(terms: Tensor, owner: Tensor, known: Tensor, rows: int) -> Tensor:
    """Return log(1 + how often) for each known term and patient, float64 ``(rows, p)``; other terms are ignored.

    Parameters
    ----------
    terms, owner
        As :func:`vocabulary` takes them.
    known
        Ascending, ``(p,)``.
    rows
        How many patients.

    Examples
    --------
    >>> terms, owner = torch.tensor([7, 5, 7, 8]), torch.tensor([0, 0, 0, 1])
    >>> counted(terms, owner, torch.tensor([5, 7]), 2).exp().sub(1).round().tolist()
    [[1.0, 2.0], [0.0, 0.0]]
    """
    p = len(known)
    known = known.to(terms.device)
    place = torch.searchsorted(known, terms).clamp(max=p - 1)
    here = known[place] == terms
    cells = owner[here] * p + place[here]
    return torch.bincount(cells, minlength=rows * p).view(rows, p).double().log1p()


def checked_terms(terms: Sequence[int]) -> Tensor:
    """Return a vocabulary as a tensor.

    Raises
    ------
    InputError
        Unless it is of whole numbers that ascend.
    """
    whole = all(isinstance(term, int) and not isinstance(term, bool) and 0 <= term < 2**63 for term in terms)
    if not terms or not whole or any(a >= b for a, b in itertools.pairwise(terms)):
        raise InputError("a vocabulary of terms", expected="whole numbers ≥ 0 that ascend", got=str(terms)[:80])
    return torch.tensor(list(terms), dtype=torch.int64)


def checked_patients(patients: int) -> int:
    """Return how many patients have a term at least.

    Raises
    ------
    InputError
        Unless it is a whole number ≥ 0.
    """
    if isinstance(patients, bool) or not isinstance(patients, int) or patients < 0:
        raise InputError("patients who have a term", expected="a whole number ≥ 0", got=repr(patients))
    return patients


class Runs:
    """Runs of 1 to ``longest`` codes that follow each other (n-grams), counted where enough patients have them.

    The 4096 single codes that most patients have are kept, and as many longer runs as make 1024 with them.

    A run is one number: its codes, each plus 1, as digits of base ``codes + 1``.

    Parameters
    ----------
    codes
        How many codes there are; runs with others are ignored.
    longest
        Codes of the longest run.
    terms
        The numbers of those that are counted, ascending.
    patients
        How many patients have each at least; 0: not counted.

    Examples
    --------
    >>> runs = Runs.of([(torch.tensor([[0, 1], [0, 1]]), None)])
    >>> runs.terms.tolist(), runs(torch.tensor([[0, 1, 1]])).exp().sub(1).round().tolist()
    ([1, 2, 5], [[1.0, 2.0, 1.0]])
    """

    def __init__(self, codes: int, longest: int, terms: Sequence[int], patients: int = 0) -> None:
        if not 1 <= longest <= longest_of(codes):
            raise InputError("codes of a run", expected=f"1 to {longest_of(codes)}", got=longest)
        self.codes, self.longest, self.terms = codes, longest, checked_terms(terms)
        self.patients = checked_patients(patients)

    @classmethod
    def of(cls, parts: Sequence[tuple[Tensor | Ragged, Tensor | None]], least: int = 1) -> Self:
        """Return those of all patients to be fitted on.

        Parameters
        ----------
        parts
            Pairs of codes and mask.
        least
            Runs that fewer patients have are not kept; a single run that nobody has, where there is no other.
        """
        codes = max(_largest(x) for x, _ in parts) + 1
        longest = longest_of(codes)
        found = [runs_of(x, mask, codes, longest) for x, mask in parts]
        first = [0]
        for x, _ in parts:
            first.append(first[-1] + len(x))
        owner = torch.cat([who + start for (_, who), start in zip(found, first, strict=False)])
        terms = torch.cat([term for term, _ in found])
        fewest = max(FEWEST, least)
        if not (kept := _kept(terms, owner, codes, fewest)):
            kept, fewest = _kept(terms, owner, codes, least), least  # of few patients all that there is
        return cls(codes, longest, kept or [1], fewest)

    def __call__(self, x: Tensor | Ragged, mask: Tensor | None = None) -> Tensor:
        """Return log(1 + how often), float64 ``(b, p)``."""
        terms, owner = runs_of(x, mask, self.codes, self.longest)
        return counted(terms, owner, self.terms, len(x))

    def config(self) -> dict[str, Any]:
        """Return the arguments."""
        known = {"codes": self.codes, "longest": self.longest, "terms": self.terms.tolist()}
        return known | ({"patients": self.patients} if self.patients else {})


def _kept(terms: Tensor, owner: Tensor, codes: int, fewest: int) -> list[int]:
    """Return the vocabulary: single codes first, longer runs in the room that they leave."""
    single = terms <= codes
    first = vocabulary(terms[single], owner[single], fewest=fewest, most=MOST_CODES)
    room = max(MOST - len(first), 0)
    longer = vocabulary(terms[~single], owner[~single], fewest=fewest, most=room)
    return [*first.tolist(), *longer.tolist()]  # longer ones have larger numbers


def longest_of(codes: int) -> int:
    """Return how many of so many codes make the longest run whose number has room.

    Examples
    --------
    >>> longest_of(60), longest_of(100_000)
    (4, 3)
    """
    return max(1, min(LONGEST, math.floor(_ROOM / math.log2(codes + 1))))


def runs_of(x: Tensor | Ragged, mask: Tensor | None, codes: int, longest: int) -> tuple[Tensor, Tensor]:
    """Return the numbers of all runs ``(t,)``, and whose each is.

    Parameters
    ----------
    x, mask
        Codes of ``b`` patients.
    codes, longest
        As :class:`Runs` takes them.

    Examples
    --------
    >>> terms, owner = runs_of(torch.tensor([[0, 1, 9]]), None, 2, 2)  # 0, 1 and 0 1; 9 is no code
    >>> terms.tolist(), owner.tolist()
    ([1, 2, 5], [0, 0, 0])
    """
    if isinstance(x, Ragged):
        sizes = x.lengths
        line = x.values
    else:
        there = torch.ones_like(x, dtype=torch.bool) if mask is None else mask
        sizes, line = there.flatten(1).sum(1), x[there]
    owner = torch.arange(len(sizes), device=line.device).repeat_interleave(sizes, output_size=len(line))
    line = line.long().flatten()
    digit = torch.where((line >= 0) & (line < codes), line + 1, 0)
    number, fine = torch.zeros_like(digit), torch.ones_like(digit, dtype=torch.bool)
    terms, whose = [], []
    for length in range(1, longest + 1):
        start = max(len(digit) - length + 1, 0)
        last = digit[length - 1 :]
        fine = fine[:start] & (last > 0) & (owner[:start] == owner[length - 1 :])
        number = number[:start] * (codes + 1) + last
        terms.append(number[fine])
        whose.append(owner[:start][fine])
    return torch.cat(terms), torch.cat(whose)


def _largest(x: Tensor | Ragged) -> int:
    values = x.values if isinstance(x, Ragged) else x
    return int(values.max()) if values.numel() else 0
