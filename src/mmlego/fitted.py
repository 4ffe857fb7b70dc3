"""FittedBlock: a fitted model of any library as a brick, which answers exactly as it does."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmlego.baseplate import Baseplate
from mmlego.brick import BlockOutput, Brick
from mmlego.encoding import check_kind
from mmlego.errors import InputError, LegoWarning, ShapeError
from mmlego.learners.out_of_fold import marks_of
from mmlego.learners.rows import Rows
from mmlego.nn.ragged import Ragged
from mmlego.nn.spectral import distinct
from mmlego.readout import read_out


class FittedBlock(Brick):
    r"""A fitted model as a brick: learner → raw scores ``(b, m)`` → logits ``z = a + A r`` → spectrum.

    In the coordinates of the common read-out ``R (k, d)`` a brick needs no training: each row of its spectrum is
    ``Rᵀ (z − z₀)``, with ``z₀`` the logits of who knows nothing, so that ``R`` reads from it what the model has to
    say, exactly. Merged with others it is a member of a logarithmic opinion pool (Genest and Zidek 1986).

    Parameters
    ----------
    learner
        What answers: rows ``(b, p)`` to raw scores ``(b, m)``. All that it has learnt lies in its buffers.
    plate
        The Baseplate that it shares with the blocks it shall merge with.
    modality
        The name under which merged and fused models take this input.
    rows
        How the modality becomes rows.
    slope, offset
        ``A (k, m)`` and ``a (k,)``.
    base
        ``z₀ (k,)``.

    Raises
    ------
    ShapeError
        If slope, offset or base do not fit the task.

    See Also
    --------
    mmlego.LegoBlock.of : Makes one of an estimator.
    """

    learns: ClassVar[bool] = False
    slope: Tensor
    offset: Tensor
    base: Tensor
    _like: Tensor

    def __init__(
        self,
        learner: nn.Module,
        plate: Baseplate,
        modality: str,
        *,
        rows: Rows,
        slope: Tensor,
        offset: Tensor,
        base: Tensor,
    ) -> None:
        super().__init__(plate, modality)
        k = self.task.outputs
        shapes = {"slope": (k, slope.shape[-1]), "offset": (k,), "base": (k,)}
        for name, value in (("slope", slope), ("offset", offset), ("base", base)):
            if tuple(value.shape) != shapes[name]:
                raise ShapeError(f"{name} of a brick", expected=shapes[name], got=tuple(value.shape))
            self.register_buffer(name, value.detach().clone().double())
        # Of the dtype of its answers, which goes with those of the blocks around it.
        self.register_buffer("_like", torch.zeros(()), persistent=False)
        self.encoder, self.rows = learner.eval(), rows

    @property
    def like(self) -> Tensor:
        """A number of the dtype and device in which it answers."""
        return self._like

    def forward(self, x: Tensor | Ragged, mask: Tensor | None = None) -> BlockOutput:
        """Return the spectrum ``(b, c, d)`` in the coordinates of the common read-out, and the logits.

        Raises
        ------
        ShapeError
            If the features are of another width.
        InputError
            If values are not finite, or the plate has no room for a common read-out.
        """
        self.check_room()
        logits = self.logits(x, mask)
        read = read_out(self.plate).to(logits.device, logits.dtype)
        row = (logits - self.base.to(logits.dtype)) @ read  # (b, d)
        spectrum = row[:, None, :].expand(-1, self.plate.channels, -1)
        return BlockOutput(torch.complex(spectrum, torch.zeros_like(spectrum)), logits)

    def logits(self, x: Tensor | Ragged, mask: Tensor | None = None, known: Tensor | None = None) -> Tensor:
        """Return logits ``(b, k)``: the answers out of fold where there are some, else the learner's."""
        check_kind(x, mask, self.modality)
        if known is None:
            return self._answer(x, mask)
        asked = known.isnan().any(1).nonzero().squeeze(1)
        logits = known.to(self.like.device, self.like.dtype, copy=True)
        if len(asked):
            logits[asked] = self._answer(x[asked], None if mask is None else mask[asked])
        return logits

    def known(
        self, patients: Sequence[str], x: Tensor | Ragged | None = None, mask: Tensor | None = None
    ) -> Tensor | None:
        """Return what it answered out of fold, ``(b, k)``; NaN for patients of other ids, or other features."""
        told = self.out_of_fold
        mine = [] if told is None else told.among(patients)
        if told is None or not mine:
            return None
        if x is None or told.marks is None:
            return told.of(patients)
        here = torch.tensor(mine, device=x.device)
        marks = torch.full((len(patients), told.marks.shape[1]), torch.nan, dtype=torch.float64)
        marks[mine] = marks_of(self.rows(x[here], None if mask is None else mask[here]))
        found = told.of(patients, marks)
        if found is None or bool(found[mine].isnan().any()):
            warnings.warn(
                f"Patients are called as some that the model of {self.modality!r} was fitted on, and have other "
                "features: they are taken for others. If they are the same, score them with the features it knew.",
                LegoWarning,
                stacklevel=2,
            )
        return found

    @torch.no_grad()
    def _answer(self, x: Tensor | Ragged, mask: Tensor | None) -> Tensor:
        rows = self.rows(x, mask)
        missing_allowed = getattr(self.encoder, "accepts_missing", False)
        fine = ~rows.isinf() if missing_allowed else rows.isfinite()
        if not bool(fine.all()):
            raise InputError(
                f"modality {self.modality!r} holds values that are not finite",
                expected="finite numbers",
                got=f"{int((~fine).sum())} NaN or infinite",
                remedy="Impute missing values, or mark the patient as absent with present=.",
            )
        raw = self.encoder(rows).to(self.slope.dtype)
        logits: Tensor = raw @ self.slope.mT + self.offset
        return logits.to(self.like.dtype)

    def evidence(
        self, x: Tensor | Ragged, mask: Tensor | None, read: Tensor, prior: Tensor, known: Tensor | None = None
    ) -> Tensor:
        """Return the rows of the spectrum in the coordinates of the common read-out, complex ``(b, r, d)``."""
        logits = self.logits(x, mask, known)
        row = (logits - prior.to(logits.dtype)) @ read.to(logits.dtype)  # (b, d)
        kept = distinct(self.plate.channels) if self.plate.domain == "frequency" else self.plate.channels
        rows = row[:, None, :].expand(-1, kept, -1)
        return torch.complex(rows, torch.zeros_like(rows))

    def prior(self) -> Tensor:
        """Return ``z₀``, float32 on the CPU."""
        told = self.told_prior()
        return self.base.float().cpu() if told is None else told

    @torch.no_grad()
    def rescale(self, prior: Tensor, scale: float) -> None:
        """Replace logits ``z`` by ``a + s (z − a)``, in place, those out of fold as well."""
        here = prior.to(self.offset.device, self.offset.dtype)
        self.slope.mul_(scale)
        self.card.held_out = {}
        if "spread" in self.card.recipe:
            self.card.recipe["spread"] *= scale
        self.offset.copy_(here + scale * (self.offset - here))
        if self.out_of_fold is not None:
            old = self.out_of_fold.logits
            centre = prior.to(old.device, old.dtype)
            self.out_of_fold = replace(self.out_of_fold, logits=centre + scale * (old - centre))

    def check_room(self) -> None:
        """Raise an InputError if the latent is too narrow for a common read-out."""
        if self.task.outputs > self.plate.width:
            raise InputError(
                "the latent has no room for a common read-out, by which a fitted model becomes a brick",
                expected=f"a Baseplate of width ≥ {self.task.outputs}",
                got=self.plate.width,
                remedy=f"Make the Baseplate with width={self.task.outputs} or more.",
            )

    def extra_repr(self) -> str:
        """Say which modality this is, and on which plate."""
        return f"modality={self.modality!r}, rows={self.rows}, plate={self.plate.fingerprint[:12]}"
