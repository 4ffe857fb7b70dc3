"""What all bricks have in common: a modality in, a spectrum of the plate's shape and logits out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from mmlego.baseplate import Baseplate
from mmlego.card import Card
from mmlego.errors import InputError
from mmlego.nn.modes import modes_kept
from mmlego.nn.ragged import Ragged
from mmlego.scalars import as_number
from mmlego.sites import is_name, modality_of
from mmlego.tasks import Task

if TYPE_CHECKING:
    from mmlego.learners.out_of_fold import OutOfFold


Z = 1.96  # standard errors on either side of an interval of 95 %
FEWEST = 20  # held-out patients of whom a score tells whether it is worse than chance
CALIBRATED = ("out of fold", "held out")  # what recipes of cards say of scores, up to a semicolon


class BlockOutput(NamedTuple):
    """What a block answers.

    Parameters
    ----------
    spectrum
        Complex, shape ``(b, c, d)``.
    logits
        Shape ``(b, k)``.
    """

    spectrum: Tensor
    logits: Tensor


class Brick(nn.Module):
    """One modality's part of a model; LegoBlocks are trained by gradients, FittedBlocks as their estimator is.

    Parameters
    ----------
    plate
        The Baseplate that it shares with those it shall merge with.
    modality
        The name under which merged and fused models take this input; ``clinical@a`` is site ``a``'s block of
        ``clinical``.

    Raises
    ------
    InputError
        If there is no plate, or the name cannot be one.
    """

    encoder: nn.Module
    learns: ClassVar[bool]  # whether gradients move it
    out_of_fold: OutOfFold | None = None  # where it was fitted on patients on whom more is to be learnt

    def __init__(self, plate: Baseplate, modality: str) -> None:
        super().__init__()
        check_place(plate, modality)
        self.plate, self.modality = plate, modality
        self.card = Card()
        self.preprocessing: Any = None

    @property
    def task(self) -> Task:
        """The task of the plate."""
        return self.plate.task

    @property
    def modalities(self) -> tuple[str, ...]:
        """The name of the one modality, as a tuple, as merged and fused models have."""
        return (self.modality,)

    @property
    def reads(self) -> str:
        """The modality that it reads: its name, without the site."""
        return modality_of(self.modality)

    @property
    def like(self) -> Tensor:
        """A tensor of the device and dtype in which the brick answers."""
        raise NotImplementedError

    def forward(self, x: Tensor | Ragged, mask: Tensor | None = None) -> BlockOutput:
        """Return the spectrum and the logits of a batch."""
        raise NotImplementedError

    def logits(self, x: Tensor | Ragged, mask: Tensor | None = None, known: Tensor | None = None) -> Tensor:
        """Return logits ``(b, k)``.

        Parameters
        ----------
        x, mask
            As ``forward`` takes them.
        known
            Answers out of fold, as :meth:`known` gives them: they stand in place of its own.
        """
        raise NotImplementedError

    def evidence(
        self, x: Tensor | Ragged, mask: Tensor | None, read: Tensor, prior: Tensor, known: Tensor | None = None
    ) -> Tensor:
        """Return the rows of the spectrum in the coordinates of the common read-out.

        Parameters
        ----------
        x, mask, known
            As :meth:`logits` takes them.
        read
            ``R``, ``(k, d)``.
        prior
            ``(k,)``, the logits of who knows nothing.

        Returns
        -------
        Tensor
            Complex ``(b, r, d)``; its mean over the channels, read by ``R``, is the logits less the prior.
        """
        raise NotImplementedError

    def prior(self) -> Tensor:
        """Return what the brick answers to who knows nothing, ``(k,)``, float32 on the CPU."""
        raise NotImplementedError

    def rescale(self, prior: Tensor, scale: float) -> None:
        """Replace logits ``z`` by ``a + s (z − a)``, in place.

        Parameters
        ----------
        prior
            ``a``, ``(k,)``.
        scale
            ``s``.
        """
        raise NotImplementedError

    def known(
        self, patients: Sequence[str], x: Tensor | Ragged | None = None, mask: Tensor | None = None
    ) -> Tensor | None:
        """Return what it answered out of fold, NaN where it was not fitted on a patient; None if it was on none.

        Parameters
        ----------
        patients
            ``b`` ids.
        x, mask
            Their features, which tell patients of one id apart; None: the id alone counts.

        Warns
        -----
        LegoWarning
            If a patient is called as one it was fitted on, and has other features: it is taken for another.

        Returns
        -------
        Tensor or None
            ``(b, q)``, as :meth:`logits` and :meth:`evidence` take it; ``q = k`` for all but a Bundle.
        """
        return None if self.out_of_fold is None else self.out_of_fold.of(patients)  # x is told apart by FittedBlock

    def freeze_encoder(self) -> Self:
        """Freeze the encoder for good, where there is something to freeze."""
        return self

    def predict(self, x: Tensor | Ragged, mask: Tensor | None = None) -> Any:
        """Return the prediction in the task's units, without gradients and in eval mode."""
        with modes_kept(self), torch.no_grad():
            self.eval()
            return self.task.predict(self.logits(x, mask))

    @property
    def calibrated(self) -> bool:
        """Whether the size of its evidence was measured on patients whom it had not seen, as its card tells."""
        return str(self.card.recipe.get("scores")).partition(";")[0] in CALIBRATED

    def below_chance(self) -> str | None:
        """Return what its card tells of a score that is worse than chance by more than its error; None else.

        The interval of 95 % ends at ``x + 1.96 s`` for a score ``x`` with standard error ``s``. Of scores that chance
        gives one half, as a c-index or AUROC: below it, what the block says means the opposite. Of fewer than twenty
        held-out patients no score tells that, and none out of fold: its error takes folds, and rows of one patient, for
        independent, and is too small.
        """
        metric, chance = self.task.primary_metric, self.task.chance
        score, error = (as_number(told.get(metric)) for told in (self.card.validation, self.card.errors))
        most = score + Z * error
        if chance <= 0 or self.card.patients.get("validation", 0) < FEWEST or not most < chance:  # NaN: not known
            return None
        return f"{metric} {score:.3f}, at most {most:.3f}"

    def told_prior(self) -> Tensor | None:
        """Return the prior that the card tells; None if it tells none of this task."""
        try:
            found = torch.tensor(self.card.prior, dtype=torch.float32)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            return None
        told = found.ndim == 1 and len(found) == self.task.outputs and bool(torch.isfinite(found).all())
        return found if told else None


def check_place(plate: Baseplate, modality: str) -> None:
    """Raise an InputError unless there is a plate, and the name may be one of a modality."""
    if not isinstance(plate, Baseplate):
        raise InputError(
            "a LegoBlock needs a Baseplate",
            expected="Baseplate(task, ...)",
            got=type(plate).__name__,
            remedy="Make one Baseplate and pass it to every block that shall merge.",
        )
    if not isinstance(modality, str) or not modality or "." in modality:
        raise InputError("the name of a modality", expected="a non-empty string without a dot", got=repr(modality))
    if not is_name(modality):
        raise InputError("the name of a block", expected="a modality, or modality@site", got=repr(modality))
    if hasattr(nn.ModuleDict(), modality):
        raise InputError(
            "the name of a modality is taken by torch.nn.ModuleDict",
            expected="a name that is not one of its methods",
            got=repr(modality),
            remedy=f"Call it e.g. {modality + '_data'!r}.",
        )
