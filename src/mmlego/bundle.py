"""Bundle: several bricks of one modality that answer as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from mmlego.brick import BlockOutput, Brick
from mmlego.errors import InputError, MismatchError, UnknownNameError
from mmlego.nn.ragged import Ragged
from mmlego.readout import read_out
from mmlego.scalars import as_numbers


class Bundle(Brick):
    r"""Several bricks of one modality as one: a pool of their evidence, ``z = z₀ + Σ_i v_i (z_i − z₀_i)``.

    Members read the same features: a neural block beside a Cox net, or several seeds of one block. The spectrum is the
    weighted sum of theirs in the coordinates of the common read-out.

    Parameters
    ----------
    members
        By label, bricks of one modality on one baseplate. They belong to the bundle from now on.
    weights
        ``v_i ≥ 0``, one a member in their order; they need not sum to 1. None: the mean.

    Raises
    ------
    InputError
        If there is no member, or weights are not one number ≥ 0 each.
    MismatchError
        If members are of several modalities or baseplates.
    """

    weights: Tensor

    def __init__(self, members: Mapping[str, Brick], weights: Sequence[float] | None = None) -> None:
        if not isinstance(members, Mapping) or not members or not all(isinstance(m, Brick) for m in members.values()):
            raise InputError("members of a Bundle", expected="bricks by label", got=repr(members))
        odd = [label for label in members if not isinstance(label, str) or not label or "." in label]
        odd += [label for label in members if label not in odd and hasattr(nn.ModuleDict(), label)]
        if odd:
            raise InputError("a label of a Bundle", expected="a name without a dot, as 'neural'", got=repr(odd[0]))
        nested = [label for label, member in members.items() if isinstance(member, Bundle)]
        if nested:
            raise InputError(f"member {nested[0]!r} of a Bundle", expected="a brick that is no Bundle", got="a Bundle")
        first = next(iter(members.values()))
        for label, member in members.items():
            if member.modality != first.modality or member.plate.fingerprint != first.plate.fingerprint:
                raise MismatchError(
                    f"member {label!r} of a Bundle",
                    expected=f"a brick of modality {first.modality!r} on the same Baseplate",
                    got=f"modality {member.modality!r}, baseplate {member.plate.fingerprint[:12]}",
                )
        super().__init__(first.plate, first.modality)
        values = as_numbers([1 / len(members)] * len(members) if weights is None else weights)
        if values is None or len(values) != len(members) or not all(0 <= v < float("inf") for v in values):
            raise InputError("weights of a Bundle", expected=f"{len(members)} numbers ≥ 0", got=repr(weights))
        self.members = nn.ModuleDict(dict(members))
        self.register_buffer("weights", torch.tensor(values, dtype=torch.float64))

    def member(self, label: str) -> Brick:
        """Return one member."""
        if label not in self.members:
            known = f"one of {', '.join(self.members)}"
            raise UnknownNameError("unknown member of a Bundle", expected=known, got=repr(label))
        found = self.members[label]
        if not isinstance(found, Brick):
            raise MismatchError(f"member {label!r} is no brick", expected="a brick", got=type(found).__name__)
        return found

    def each(self) -> Iterator[tuple[float, Brick]]:
        """Yield each member with its weight."""
        yield from zip(self.weights.tolist(), (self.member(label) for label in self.members), strict=True)

    @property
    def encoder(self) -> nn.Module:  # type: ignore[override]
        """The encoder of the first member; what one accepts, all do, for they read the same features."""
        return next(member for _, member in self.each()).encoder

    @property
    def learns(self) -> bool:  # type: ignore[override]
        """Whether a member learns by gradients."""
        return any(member.learns for _, member in self.each())

    def below_chance(self) -> str | None:
        """Return what the card tells of a score worse than chance, where no member was scored out of fold."""
        return super().below_chance() if all(member.learns for _, member in self.each()) else None

    @property
    def like(self) -> Tensor:
        """That of the first member that learns, or else of the first."""
        members = [member for _, member in self.each()]
        return next((member for member in members if member.learns), members[0]).like

    def known(
        self, patients: Sequence[str], x: Tensor | Ragged | None = None, mask: Tensor | None = None
    ) -> Tensor | None:
        """Return the answers out of fold of all members side by side, ``(b, Σk)``; None if there are none."""
        told = [member.known(patients, x, mask) for _, member in self.each()]
        if all(answers is None for answers in told):
            return None
        blank = torch.full((len(patients), self.task.outputs), torch.nan)
        return torch.cat([blank if answers is None else answers.to(blank.dtype) for answers in told], dim=1)

    def forward(self, x: Tensor | Ragged, mask: Tensor | None = None) -> BlockOutput:
        """Return the spectrum ``(b, c, d)`` in the coordinates of the common read-out, and the logits."""
        logits = self.logits(x, mask)
        read = read_out(self.plate).to(logits.device, logits.dtype)
        total: Any = 0
        for weight, member in self.each():
            rows = member.evidence(x, mask, read, member.prior().to(logits.device))
            total = total + weight * rows
        place = torch.arange(self.plate.channels, device=logits.device)
        if self.plate.domain == "spatial":
            return BlockOutput(total, logits)
        source = torch.minimum(place, self.plate.channels - place)
        kept = total.index_select(1, source)
        mirrored = (place >= total.shape[1])[:, None]
        return BlockOutput(torch.where(mirrored, kept.conj(), kept), logits)

    def logits(self, x: Tensor | Ragged, mask: Tensor | None = None, known: Tensor | None = None) -> Tensor:
        """Return logits ``(b, k)``."""
        total: Any = self.prior().to(self.like.device, self.like.dtype)
        for (weight, member), told in zip(self.each(), self._split(known), strict=True):
            if weight:
                z = member.logits(x, mask, told)
                total = total + weight * (z - member.prior().to(z.device, z.dtype)).to(total.dtype)
        if total.ndim == 1:  # all weights are zero
            total = total.expand(len(x), -1)
        made: Tensor = total
        return made

    def evidence(
        self, x: Tensor | Ragged, mask: Tensor | None, read: Tensor, prior: Tensor, known: Tensor | None = None
    ) -> Tensor:
        """Return the rows of the spectrum in the coordinates of the common read-out, complex ``(b, r, d)``."""
        own = self.prior().to(read.device, read.dtype)
        total: Any = ((own - prior.to(own)) @ read).to(self.like.dtype)
        for (weight, member), told in zip(self.each(), self._split(known), strict=True):
            total = total + weight * member.evidence(x, mask, read, member.prior().to(read.device), told)
        made: Tensor = total
        return made

    def pooled(self, told: Tensor) -> Tensor:
        """Return the logits ``(b, k)`` that answers of all members make together.

        Parameters
        ----------
        told
            Side by side in the order of the members, ``(b, Σk)``, as :meth:`known` gives them.
        """
        total: Any = self.prior().to(told)
        for (weight, member), z in zip(self.each(), told.split(self.task.outputs, dim=1), strict=True):
            total = total + weight * (z - member.prior().to(z))
        made: Tensor = total
        return made

    def _split(self, known: Tensor | None) -> list[Tensor | None]:
        if known is None:
            return [None] * len(self.members)
        parts = known.split(self.task.outputs, dim=1)
        return [None if bool(part.isnan().all()) else part for part in parts]

    def prior(self) -> Tensor:
        """Return ``z₀``: what the card tells, or the mean of the members' priors, float32 on the CPU."""
        told = self.told_prior()
        if told is not None:
            return told
        return torch.stack([member.prior() for _, member in self.each()]).mean(0)

    @torch.no_grad()
    def rescale(self, prior: Tensor, scale: float) -> None:
        """Replace logits ``z`` by ``a + s (z − a)``, in place."""
        here = prior.detach().float().cpu()
        self.card.prior = (here + scale * (self.prior() - here)).tolist()
        self.weights.mul_(scale)
        self.card.held_out = {}
        if "spread" in self.card.recipe:
            self.card.recipe["spread"] *= scale

    def freeze_encoder(self) -> Self:
        """Freeze the encoders of all members."""
        for _, member in self.each():
            member.freeze_encoder()
        return self
