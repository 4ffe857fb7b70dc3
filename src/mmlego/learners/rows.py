"""One row of numbers a patient, out of whatever a modality is: what classical models take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor

from mmlego.errors import InputError, ShapeError
from mmlego.learners.subtrees import Subtrees
from mmlego.learners.terms import Runs
from mmlego.nn.graphs import Graphs
from mmlego.nn.ragged import Ragged

Form = Literal["flat", "pooled", "counts", "runs", "subtrees"]
FORMS = get_args(Form)
MOST_CODES = 100_000  # codes of a vocabulary, of which each gets a column


class Rows:
    """How a modality becomes rows ``(b, p)``.

    ``"flat"``: as it is. ``"pooled"``: of a bag, a sequence of vectors or an image mean, standard deviation, smallest
    and largest value of each feature over the tokens, of ordered ones the first and last, too; with gaps over what was
    measured, and log(1 + how often it was), zeros for what never was; and log(1 + n). ``"runs"``: of a sequence of
    codes log(1 + how often) for each run of up to four codes that enough patients have; ``"counts"``, of models saved
    before: for each code. ``"subtrees"``: of graphs whose nodes are of kinds, as atoms are, what is pooled, and log(1 +
    how often) for each surrounding of a node that enough patients have.

    Parameters
    ----------
    form
        One of these.
    width
        ``p`` of flat ones, the number of features of pooled ones and of nodes, of codes for counts and runs.
    ordered
        Whether tokens have an order.
    gaps
        Whether NaN in a token means that the feature was not measured.
    terms
        Of runs and subtrees what is counted, as :meth:`config` of :class:`~mmlego.learners.terms.Runs` and of
        :class:`~mmlego.learners.subtrees.Subtrees` has it.

    Raises
    ------
    InputError
        If these do not fit each other.

    Examples
    --------
    >>> Rows("pooled", 2)(Ragged.from_list([torch.ones(3, 2), torch.zeros(1, 2)])).shape
    torch.Size([2, 9])
    >>> Rows.of(torch.tensor([[0, 1, 1]]))(torch.tensor([[1, 1, 2]])).exp().sub(1).round().tolist()  # 0, 1, 0 1, 1 1, …
    [[0.0, 2.0, 0.0, 1.0, 0.0]]
    """

    def __init__(
        self,
        form: Form,
        width: int,
        ordered: bool = False,
        gaps: bool = False,
        terms: Mapping[str, Any] | None = None,
    ) -> None:
        if form not in FORMS:
            raise InputError("how a modality becomes rows", expected=f"one of {', '.join(FORMS)}", got=repr(form))
        if isinstance(width, bool) or not isinstance(width, int) or width < 1:
            raise InputError("width of what becomes rows", expected="an int ≥ 1", got=repr(width))
        if not isinstance(ordered, bool) or not isinstance(gaps, bool):
            got = f"{ordered!r} and {gaps!r}"
            raise InputError("ordered and gaps of what becomes rows", expected="True or False each", got=got)
        self.form, self.width, self.ordered, self.gaps = form, width, ordered, gaps
        kind = {"runs": Runs, "subtrees": Subtrees}.get(form)
        if (kind is None) != (terms is None):
            wanted = "none" if kind is None else "a vocabulary of them"
            raise InputError(
                f"terms of rows that are {form!r}", expected=wanted, got="none" if terms is None else "some"
            )
        self.terms: Runs | Subtrees | None = None if kind is None else kind(**(terms or {}))

    @classmethod
    def of(
        cls,
        x: Tensor | Ragged,
        mask: Tensor | None = None,
        *,
        ordered: bool = False,
        gaps: bool | None = None,
        least: int = 1,
    ) -> Self:
        """Return how features like these become rows.

        Parameters
        ----------
        x, mask
            Those of all patients to be fitted on: runs of codes and surroundings of nodes that three of them have
            count, or ``least``, if that is more; of each the most common 1024, of single codes 4096.
        ordered
            Whether tokens have an order.
        gaps
            Whether NaN means that a feature was not measured; None: it does where there is one.
        least
            What is counted is kept where so many patients have it.
        """
        return cls.of_parts([(x, mask)], ordered=ordered, gaps=gaps, least=least)

    @classmethod
    def of_parts(
        cls,
        parts: Sequence[tuple[Tensor | Ragged, Tensor | None]],
        *,
        ordered: bool = False,
        gaps: bool | None = None,
        least: int = 1,
    ) -> Self:
        """Return how features like these become rows; as :meth:`of`, of patients in parts.

        Parameters
        ----------
        parts
            Pairs of features and mask.
        ordered, gaps, least
            As :meth:`of` takes them.
        """
        x = parts[0][0]
        values = [part.values if isinstance(part, Ragged) else part for part, _ in parts]
        if not values[0].is_floating_point():
            _check_codes(values)
            runs = Runs.of(parts, least)
            return cls("runs", runs.codes, terms=runs.config())
        image = not isinstance(x, Ragged) and x.ndim > 3
        width = values[0].shape[1 if image else -1]
        if not isinstance(x, Ragged) and x.ndim <= 2:
            return cls("flat", width)
        found = any(bool(part.isnan().any()) for part in values) if gaps is None else gaps
        graphs = [part for part, _ in parts if isinstance(part, Graphs)]
        subtrees = Subtrees.of(graphs, least) if graphs else None
        if subtrees is not None:
            return cls("subtrees", width, ordered, found, subtrees.config())
        return cls("pooled", width, ordered and not image, found)

    @staticmethod
    def needs_all(x: Tensor | Ragged) -> bool:
        """Return whether features like these are to be seen of all patients to say how they become rows."""
        return isinstance(x, Graphs) or not (x.values if isinstance(x, Ragged) else x).is_floating_point()

    @property
    def columns(self) -> int:
        """``p``, the numbers a row has."""
        counted = 0 if self.terms is None else len(self.terms.terms)
        if self.form in ("pooled", "subtrees"):
            return self.width * (4 + 2 * self.ordered + self.gaps) + 1 + counted
        return counted or self.width

    def config(self) -> dict[str, Any]:
        """Return the arguments."""
        told = {} if self.terms is None else {"terms": self.terms.config()}
        return {"form": self.form, "width": self.width, "ordered": self.ordered, "gaps": self.gaps, **told}

    def __repr__(self) -> str:
        return f"Rows({self.form!r}, {self.width}, ordered={self.ordered}, gaps={self.gaps}; {self.columns} columns)"

    def __call__(self, x: Tensor | Ragged, mask: Tensor | None = None) -> Tensor:
        """Return rows, float64 ``(b, p)``.

        Raises
        ------
        ShapeError
            If the features are of another width, or graphs are asked for.
        """
        if isinstance(self.terms, Runs):
            return self.terms(x, mask)
        if isinstance(self.terms, Subtrees) and not isinstance(x, Graphs):
            raise ShapeError("features of the wrong shape", expected="Graphs", got=type(x).__name__)
        if isinstance(self.terms, Subtrees) and isinstance(x, Graphs):
            pooled = torch.stack([self._pooled(nodes) for nodes in x.unbind()])
            return torch.cat([pooled, self.terms(x)], 1)
        if self.form == "counts":
            return torch.stack([self._counts(codes) for codes in _bags(x, mask)])
        if self.form == "flat":
            if isinstance(x, Ragged) or x.ndim != 2 or x.shape[1] != self.width:
                got = "bags" if isinstance(x, Ragged) else tuple(x.shape)
                raise ShapeError("features of the wrong shape", expected=f"(b, {self.width})", got=got)
            return x.double()
        if isinstance(x, Tensor) and x.ndim > 3:
            x = x.flatten(2).mT  # pixels are tokens, channels features
        return torch.stack([self._pooled(tokens) for tokens in _bags(x, mask)])

    def _counts(self, codes: Tensor) -> Tensor:
        known = codes[(codes >= 0) & (codes < self.width)]
        return torch.bincount(known.flatten(), minlength=self.width).double().log1p()

    def _pooled(self, tokens: Tensor) -> Tensor:
        if tokens.ndim != 2 or tokens.shape[1] != self.width:
            got = tuple(tokens.shape)
            raise ShapeError("tokens of the wrong shape", expected=f"(n, {self.width})", got=got)
        if len(tokens) == 0:
            raise InputError(
                "an empty bag",
                expected="at least one token a sample",
                got="none",
                remedy="Leave such patients out, or mark them as absent with present=.",
            )
        tokens = tokens.double()
        length = tokens.new_tensor([float(len(tokens))]).log1p()
        if not self.gaps:
            parts = [tokens.mean(0), tokens.std(0, correction=0), tokens.amin(0), tokens.amax(0)]
            parts += [tokens[0], tokens[-1]] if self.ordered else []
            return torch.cat([*parts, length])
        there = ~tokens.isnan()
        count = there.sum(0)
        filled = tokens.nan_to_num(0.0)
        mean = filled.sum(0) / count.clamp_min(1)
        spread = (torch.where(there, filled - mean, 0.0).square().sum(0) / count.clamp_min(1)).sqrt()
        low = torch.where(there, filled, torch.inf).amin(0)
        high = torch.where(there, filled, -torch.inf).amax(0)
        parts = [mean, spread, low, high]
        if self.ordered:
            place = torch.arange(len(tokens), device=tokens.device)[:, None]
            first = torch.where(there, place, len(tokens) - 1).amin(0)
            last = torch.where(there, place, 0).amax(0)
            parts += [filled.gather(0, first[None])[0], filled.gather(0, last[None])[0]]
        measured = [torch.where(count > 0, part, 0.0) for part in parts]
        return torch.cat([*measured, count.double().log1p(), length])


def _bags(x: Tensor | Ragged, mask: Tensor | None) -> list[Tensor]:
    if isinstance(x, Ragged):
        return list(x.values.split(x.sizes))
    return list(x) if mask is None else [row[there] for row, there in zip(x, mask, strict=True)]


def _check_codes(values: Sequence[Tensor]) -> None:
    filled = [part for part in values if part.numel()]
    low, high = (min(int(part.min()) for part in filled), max(int(part.max()) for part in filled)) if filled else (0, 0)
    if low < 0:
        raise InputError(
            "whole numbers are codes of a vocabulary",
            expected="none below 0",
            got=low,
            remedy="Pass a table of numbers with .float().",
        )
    if high >= MOST_CODES:
        raise InputError("a vocabulary too large to be counted", expected=f"at most {MOST_CODES}", got=high + 1)
