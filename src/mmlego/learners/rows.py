"""One row of numbers a patient, out of whatever a modality is: what classical models take."""

from __future__ import annotations

from typing import Any, Literal, Self

import torch
from torch import Tensor

from mmlego.errors import InputError, ShapeError
from mmlego.nn.ragged import Ragged

Form = Literal["flat", "pooled", "counts"]
MOST_CODES = 100_000  # codes of a vocabulary, of which each gets a column


class Rows:
    """How a modality becomes rows ``(b, p)``.

    ``"flat"``: as it is. ``"pooled"``: of a bag, a sequence of vectors or an image mean, standard deviation, smallest
    and largest value of each feature over the tokens, of ordered ones the first and last, too; with gaps over what was
    measured, and log(1 + how often it was), zeros for what never was; and log(1 + n). ``"counts"``: of a sequence of
    codes log(1 + how often) for each.

    Parameters
    ----------
    form
        One of these.
    width
        ``p`` of flat ones, the number of features of pooled ones, of codes for counts.
    ordered
        Whether tokens have an order.
    gaps
        Whether NaN in a token means that the feature was not measured.

    Examples
    --------
    >>> Rows("pooled", 2)(Ragged.from_list([torch.ones(3, 2), torch.zeros(1, 2)])).shape
    torch.Size([2, 9])
    >>> Rows("counts", 4)(torch.tensor([[1, 1, 3]])).exp().sub(1).round().tolist()
    [[0.0, 2.0, 0.0, 1.0]]
    """

    def __init__(self, form: Form, width: int, ordered: bool = False, gaps: bool = False) -> None:
        self.form, self.width, self.ordered, self.gaps = form, width, ordered, gaps

    @classmethod
    def of(cls, x: Tensor | Ragged, *, ordered: bool = False, gaps: bool | None = None) -> Self:
        """Return how features like these become rows.

        Parameters
        ----------
        x
            Those of all patients to be fitted on: of codes the largest one counts.
        ordered
            Whether tokens have an order.
        gaps
            Whether NaN means that a feature was not measured; None: it does where there is one.
        """
        values = x.values if isinstance(x, Ragged) else x
        if not values.is_floating_point():
            if values.numel() and int(values.min()) < 0:
                raise InputError(
                    "whole numbers are codes of a vocabulary",
                    expected="none below 0",
                    got=int(values.min()),
                    remedy="Pass a table of numbers with .float().",
                )
            codes = int(values.max()) + 1 if values.numel() else 1
            if codes > MOST_CODES:
                raise InputError("a vocabulary too large to be counted", expected=f"at most {MOST_CODES}", got=codes)
            return cls("counts", codes)
        if isinstance(x, Ragged) or x.ndim > 2:
            image = not isinstance(x, Ragged) and x.ndim > 3
            found = bool(values.isnan().any()) if gaps is None else gaps
            return cls("pooled", values.shape[1 if image else -1], ordered and not image, found)
        return cls("flat", values.shape[-1])

    @property
    def columns(self) -> int:
        """``p``, the numbers a row has."""
        if self.form != "pooled":
            return self.width
        return self.width * (4 + 2 * self.ordered + self.gaps) + 1

    def config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {"form": self.form, "width": self.width, "ordered": self.ordered, "gaps": self.gaps}

    def __call__(self, x: Tensor | Ragged, mask: Tensor | None = None) -> Tensor:
        """Return rows, float64 ``(b, p)``.

        Raises
        ------
        ShapeError
            If the features are of another width.
        """
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
