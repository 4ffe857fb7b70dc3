"""LegoMerge: blocks that were trained apart, one model, no training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from mmlego.brick import Brick
from mmlego.errors import InputError
from mmlego.merge.heads import HeadTensors
from mmlego.merge.merging import Merging, Strength
from mmlego.merge.rules import Phase
from mmlego.merge.weights import Weights, why
from mmlego.multimodal import Gaps, Inputs, Presence
from mmlego.readout import COMMON


class LegoMerge(Merging):
    """Merge blocks that were trained apart into one model, without any training.

    The spectra of all blocks are merged by a rule, and read by one merged head. Modalities may be missing for a whole
    batch or for single samples: spectra, weights and head are then merged over what is present.

    Parameters
    ----------
    blocks
        Blocks of different modalities on one Baseplate; or of sites that have trained one of the same, called e.g.
        ``labs@a`` and ``labs@b`` (:func:`mmlego.rename`), which count as one modality. They are copied and not changed.
    rule
        A name from ``merge_rules()``: ``"residual"``, ``"mean"``, ``"harmonic"`` (the paper's), ``"sum"`` or
        ``"product"``.
    phase
        For ``"harmonic"``: ``"circular"``, or ``"mean"`` (the paper's).
    heads
        ``"common"``: each block's head moves to its side of the joint, and one read-out serves all, so that nothing is
        lost by merging. Or the heads are merged by ``"slerp"`` (the paper's), ``"linear"`` or ``"ot"``, one head a
        pattern of presence, and the spectra as they are.
    weights
        ``"evidence"``: by the blocks' own validation scores, drawn together by their standard errors (a score whose
        error the card does not tell counts as not measured);
        ``"uniform"``; one number a block, or by name one a modality; ``"auto"``: uniform if all blocks are calibrated
        (what is worth nothing says nothing), else evidence if every card tells a score, else uniform; the card says
        which. Learnt from patients who have several modalities: :func:`mmlego.stack`.
    strength
        λ of ``"residual"``, or ``"auto"``: √M for M modalities present (weighted: ``M = 1 / Σ w²``) where log-odds are
        merged, as sources that know different things add up; 1 for survival and regression. If all blocks are
        calibrated, with evidence of spreads ``b``: ``M / √M'``, ``M' = (Σ b)² / Σ b²``, so that what says nothing does
        not count; 1 for regression.
    preset
        ``"paper"``: harmonic, phase ``"mean"``, slerp and uniform weights, whatever the arguments above say.
    allow_mismatch
        Accept blocks of different baseplates, with a warning.

    Raises
    ------
    MismatchError
        If blocks of different baseplates or tasks are given; the message names what differs.
    UnknownNameError
        If a rule is unknown.

    Examples
    --------
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Classification
    >>> plate = Baseplate(Classification(2), channels=8, width=16)
    >>> merge = LegoMerge([LegoBlock(SNN(5), plate, "rna"), LegoBlock(SNN(3), plate, "clinical")])
    >>> merge({"rna": torch.randn(4, 5), "clinical": torch.randn(4, 3)}).shape
    torch.Size([4, 2])
    >>> merge({"rna": torch.randn(4, 5)}).shape
    torch.Size([4, 2])
    """

    def __init__(
        self,
        blocks: Sequence[Brick],
        rule: str = "residual",
        phase: Phase = "circular",
        heads: str = COMMON,
        weights: Weights = "auto",
        *,
        strength: Strength = "auto",
        preset: Literal["paper"] | None = None,
        allow_mismatch: bool = False,
    ) -> None:
        if preset not in (None, "paper"):
            raise InputError("preset of a LegoMerge", expected="'paper' or None", got=repr(preset))
        if preset == "paper":
            rule, phase, heads, weights, strength = "harmonic", "mean", "slerp", "uniform", 1.0
        super().__init__(
            blocks,
            rule=rule,
            phase=phase,
            heads=heads,
            weights=weights,
            strength=strength,
            allow_mismatch=allow_mismatch,
        )
        self.card.recipe["weights"] = why(weights, {name: self.block(name) for name in self.modalities})
        self._complete = (True,) * len(self.blocks)
        if self.in_common:
            return
        with torch.no_grad():
            for name, value in self.merge_heads(self._complete).items():
                self.register_buffer(f"head_{name.replace('.', '_')}", value.detach().clone(), persistent=False)
        self.register_load_state_dict_post_hook(_rebuild)  # type: ignore[no-untyped-call]

    def forward(
        self, inputs: Inputs, present: Presence | None = None, known: Mapping[str, Tensor | None] | None = None
    ) -> Tensor:
        """Return logits ``(b, k)``.

        Parameters
        ----------
        inputs
            By modality: a tensor, a pair of tensor and mask ``(b, n)``, a ``Ragged``, or None if no sample has it.
            Blocks of several sites take what is given for their modality, or each what is given under its own name.
        present
            By modality: which samples have it, boolean ``(b,)``. What stands in the rows of absent ones is not read.
        known
            By modality: answers of a fitted brick out of fold, ``(b, k)``, NaN where there is none.

        Raises
        ------
        UnknownNameError, ShapeError, InputError
            If a modality is unknown, the numbers of samples disagree, or a sample has no modality.
        """
        return self.answer(self.read(inputs, present, known))

    def answer(self, batch: Gaps, across: Tensor | None = None) -> Tensor:
        """Return the logits ``(b, k)`` of a batch that was read; nothing crosses modalities here."""
        mean = self.merged(batch).mean()  # (b, d)
        if self.in_common:
            prior = self.prior_of(self.shares(batch)[1])
            return F.linear(mean, self.readout.to(mean.dtype)) + prior.to(mean.dtype)
        if batch.present is None:
            return self._apply_head(mean, self._complete)
        return self.by_pattern(mean, batch.present, self._apply_head)

    def spectrum(self, inputs: Inputs, present: Presence | None = None) -> Tensor:
        """Return the merged spectrum ``(b, c, d)``, complex; in common coordinates unless heads are merged."""
        return self.merged(self.read(inputs, present)).full()

    def _apply_head(self, mean: Tensor, pattern: tuple[bool, ...]) -> Tensor:
        head = self._head(pattern)
        mean = F.layer_norm(mean, mean.shape[-1:], head["norm.weight"], head["norm.bias"])
        return F.linear(mean, head["linear.weight"], head["linear.bias"])

    def _head(self, pattern: tuple[bool, ...]) -> HeadTensors:
        """Return the head of a pattern: built once and kept until a block's head changes."""
        if _exporting() and pattern == self._complete:
            return self._complete_head()
        parameters = [p for name in self.modalities for p in self.neural(name).head.parameters()]
        if torch.is_grad_enabled() and any(p.requires_grad for p in parameters):
            return self.merge_heads(pattern)
        return self.kept_head(pattern)

    def train(self, mode: bool = True) -> Self:
        """Set training mode; in eval mode the head that an exported model holds is up to date."""
        super().train(mode)
        if not mode:
            self.rebuild_head()
        return self

    @torch.no_grad()
    def rebuild_head(self) -> None:
        """Merge the head for complete samples again, which an exported model holds as a constant."""
        if self.in_common:
            return
        for name, value in self.merge_heads(self._complete).items():
            getattr(self, f"head_{name.replace('.', '_')}").copy_(value)

    def _complete_head(self) -> HeadTensors:
        names = ("norm.weight", "norm.bias", "linear.weight", "linear.bias")
        return {name: getattr(self, f"head_{name.replace('.', '_')}") for name in names}


def _exporting() -> bool:
    """Return whether the model is being exported, where the head must be a constant; not if merely compiled."""
    told = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)  # since torch 2.7
    return bool(told())


def _rebuild(model: LegoMerge, _: object) -> None:
    model.rebuild_head()
