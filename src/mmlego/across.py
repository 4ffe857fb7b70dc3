"""What crosses modalities: fitted models that read all of them side by side, beside what is merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmlego.bundle import Bundle
from mmlego.errors import InputError
from mmlego.fitted import FittedBlock
from mmlego.learners.rows import Rows
from mmlego.multimodal import Gaps

ACROSS = "*"  # no modality is called so: under this its answers out of fold are given


def parts_of(brick: FittedBlock | Bundle) -> list[FittedBlock]:
    """Return the fitted models of which a brick is made.

    Raises
    ------
    InputError
        If one of them is no fitted model.
    """
    parts = [member for _, member in brick.each()] if isinstance(brick, Bundle) else [brick]
    fitted = [part for part in parts if isinstance(part, FittedBlock)]
    if len(fitted) < len(parts):
        raise InputError("what reads all modalities", expected="fitted models", got=type(brick).__name__)
    return fitted


class Across(nn.Module):
    r"""A fitted model on the rows of all modalities, which answers for patients who have all of them.

    A model that reads everything finds what no pool of opinions can, as a gene that matters in the old alone; a pool
    loses less to chance. Both are calibrated, and together they are ``(z + s z') / (1 + s)``: ``z`` from what is
    merged, ``z'`` from this, ``s`` as many patients as this was fitted on for each whom the blocks have seen, less
    where it has less to say.

    Parameters
    ----------
    brick
        The model, or several as a bundle; its input are rows ``(b, p)``, those of all modalities one after the other.
    rows
        By modality, in the order of the model's modalities, how it becomes rows.
    share
        ``s ≥ 0``.

    Raises
    ------
    InputError
        If the rows are not as wide as the model asks, or the share is not a number ≥ 0.
    """

    def __init__(self, brick: FittedBlock | Bundle, rows: Mapping[str, Rows], share: float) -> None:
        super().__init__()
        wide = sum(one.columns for one in rows.values())
        for part in parts_of(brick):
            if part.rows.form != "flat" or part.rows.columns != wide:
                raise InputError("rows of all modalities", expected=f"{part.rows.columns} columns", got=wide)
        if not 0 <= share < float("inf"):
            raise InputError("share of what crosses modalities", expected="a number ≥ 0", got=share)
        self.brick, self.rows, self.share = brick, dict(rows), float(share)

    def forward(self, logits: Tensor, batch: Gaps, known: Tensor | None = None) -> Tensor:
        """Return logits ``(b, k)``, those given for patients who lack a modality.

        Parameters
        ----------
        logits
            Of what is merged, ``(b, k)``.
        batch
            The patients.
        known
            Answers out of fold, ``(b, k)`` or of several models side by side, NaN where there is none.
        """
        whole = torch.ones(batch.size, dtype=torch.bool, device=logits.device)
        for name in self.rows:
            part = batch.parts.get(name)
            if part is None:
                return logits
            if part.rows is not None:
                here = torch.zeros_like(whole)
                here[part.rows] = True
                whole &= here
        if not bool(whole.any()):
            return logits
        told = None if known is None else known.to(logits.device)[whole]
        if told is not None and not bool(told.isnan().any()):
            own = (self.brick.pooled(told) if isinstance(self.brick, Bundle) else told).to(logits.dtype)
        else:
            rows = torch.cat([self._rows(name, batch, whole) for name in self.rows], dim=1)
            own = self.brick.logits(rows, None, told).to(logits.dtype)
        both = (logits[whole] + self.share * own) / (1 + self.share)
        place = whole.nonzero().squeeze(1)
        return logits.index_copy(0, place, both)

    def known(self, patients: Sequence[str], inputs: Mapping[str, Any], present: Mapping[str, Tensor]) -> Tensor | None:
        """Return what it answered out of fold to patients who have all modalities, as :meth:`Brick.known` does.

        Parameters
        ----------
        patients
            ``b`` ids.
        inputs, present
            As a batch has them.
        """
        if any(inputs.get(name) is None for name in self.rows):
            return None
        here = torch.stack([present[name] for name in self.rows]).all(0).tolist()
        told = [part.out_of_fold for part in parts_of(self.brick)]
        names = [patient if whole else "" for patient, whole in zip(patients, here, strict=True)]
        mine = sorted({row for one in told if one is not None for row in one.among(names)})
        if not mine:
            return None
        parts = []
        for name, rows in self.rows.items():
            value = inputs[name]
            x, mask = value if isinstance(value, tuple) else (value, None)
            chosen = torch.tensor(mine, device=x.device)
            parts.append(rows(x[chosen], None if mask is None else mask[chosen]))
        found = self.brick.known([names[row] for row in mine], torch.cat(parts, dim=1))
        if found is None:
            return None
        return found.new_full((len(names), found.shape[1]), torch.nan).index_copy(0, torch.tensor(mine), found)

    def _rows(self, name: str, batch: Gaps, whole: Tensor) -> Tensor:
        """Return the rows ``(b', p)`` of those patients who have all."""
        part = batch.parts[name]
        rows = self.rows[name](part.x, part.mask)
        if part.rows is None:
            return rows[whole]
        return rows[whole[part.rows]]

    def config(self) -> dict[str, Any]:
        """Return the arguments but for the model."""
        return {"rows": {name: one.config() for name, one in self.rows.items()}, "share": self.share}
