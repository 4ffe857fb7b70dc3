"""What merged and fused models have in common: blocks, their weights, the rule that merges their spectra."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from mmlego.block import LegoBlock
from mmlego.brick import Brick
from mmlego.errors import InputError, LegoWarning, MismatchError
from mmlego.merge.contradiction import doubt_blocks
from mmlego.merge.heads import HeadTensors, check_head_rule, merge_heads
from mmlego.merge.rules import Phase, combine, get_rule
from mmlego.merge.sharing import pooled, shares_of, sites_of, summed_by
from mmlego.merge.weights import Weights, present_weights, resolve_weights, summed
from mmlego.multimodal import Gaps, Multimodal
from mmlego.nn.spectral import Spectrum
from mmlego.readout import COMMON, read_out
from mmlego.scalars import as_number

Strength = float | Literal["auto"]
MOST = 1e6  # of strength


class Merging(Multimodal):
    """Blocks, their weights and the rule that merges their spectra."""

    weights: Tensor
    start: Tensor
    priors: Tensor
    readout: Tensor

    def __init__(
        self,
        blocks: Sequence[Brick],
        *,
        rule: str,
        phase: Phase,
        heads: str,
        weights: Weights,
        strength: Strength,
        allow_mismatch: bool,
    ) -> None:
        super().__init__(blocks, allow_mismatch=allow_mismatch)
        self._built: dict[tuple[bool, ...], HeadTensors] = {}
        self._built_for: Tensor | None = None
        get_rule(rule)
        check_head_rule(heads, COMMON)
        if heads == COMMON and self.task.outputs > self.plate.width:
            warnings.warn(
                f"A latent of width {self.plate.width} has no room for a common read-out of {self.task.outputs} "
                "outputs: heads are merged by slerp. Make a wider Baseplate.",
                LegoWarning,
                stacklevel=3,
            )
            heads = "slerp"
        if not isinstance(phase, str) or phase not in ("mean", "circular"):
            raise InputError("phase", expected="'mean' or 'circular'", got=repr(phase))
        if not isinstance(strength, str) or strength != "auto":
            strength = _checked_strength(strength)
        self.rule, self.phase, self.heads, self.strength = rule, phase, heads, strength
        self.sites = sites_of(self.modalities)  # of each modality the places of its blocks
        chosen = resolve_weights(weights, {name: self.block(name) for name in self.modalities})
        doubt_blocks([self.block(name) for name, w in zip(self.modalities, chosen, strict=True) if w > 0])
        self.spreads = self._spreads(chosen)
        if rule == "residual" and not self.in_common:
            self._check_one_start()
        self._check_bricks()
        like = self._like()
        self.register_buffer("weights", torch.tensor(chosen, device=like.device))
        # Merged heads have no use for it.
        self.register_buffer("priors", self._priors().to(like.device), persistent=self.in_common)
        if self.in_common:
            self.register_buffer("readout", read_out(self.plate).to(like.device, like.dtype), persistent=False)
        # The start depends on the plate alone, not on how far a block's latent has moved.
        # As a pair of reals: a complex buffer would lose its imaginary part in .to(dtype).
        start = torch.view_as_real(self.plate.start().rows()).to(like.device)
        self.register_buffer("start", start, persistent=False)

    @property
    def in_common(self) -> bool:
        """Whether spectra are merged in the coordinates of one read-out for all blocks."""
        return self.heads == COMMON

    def _priors(self) -> Tensor:
        """Return what each block answers to who knows nothing, ``(m, k)``."""
        return torch.stack([self.block(name).prior() for name in self.modalities])

    def kept_head(self, pattern: tuple[bool, ...]) -> HeadTensors:
        """Return the merged head of a pattern of presence: built once, and again when heads or weights have changed."""
        # By content: heads are small, and neither address nor version tells of writes through ``.data``.
        heads = [p.detach().flatten() for name in self.modalities for p in self.neural(name).head.parameters()]
        content = torch.cat([*heads, self.weights.to(heads[0].dtype)])
        # Kept tensors may take part in training later, so they must not be inference tensors.
        with torch.inference_mode(False), torch.no_grad():
            if self._built_for is None or not torch.equal(content, self._built_for):
                self._built, self._built_for = {}, content.clone()
                self.rebuild_head()
            if pattern not in self._built:
                self._built[pattern] = {name: value.clone() for name, value in self.merge_heads(pattern).items()}
        return self._built[pattern]

    def rebuild_head(self) -> None:
        """Merge again what is kept beside the blocks; nothing is, unless a model says so."""

    def by_pattern(self, mean: Tensor, present: Tensor, answer: Callable[[Tensor, tuple[bool, ...]], Tensor]) -> Tensor:
        """Return logits ``(b, k)`` of means ``(b, d)``, samples of one pattern of presence answered together."""
        patterns, which = present.T.unique(dim=0, return_inverse=True)
        if len(patterns) == 1:
            return answer(mean, tuple(patterns[0].tolist()))
        logits = mean.new_empty(len(mean), self.task.outputs)
        for i, pattern in enumerate(patterns.tolist()):
            rows = (which == i).nonzero().squeeze(1)
            part = answer(mean[rows], tuple(pattern))
            logits = logits.to(part.dtype).index_copy(0, rows, part)
        return logits

    def neural(self, name: str) -> LegoBlock:
        """Return the block of one modality, which has a head and steps of its own."""
        block = self.block(name)
        if not isinstance(block, LegoBlock):
            raise MismatchError(f"the brick of {name!r} has no head", expected="LegoBlock", got=type(block).__name__)
        return block

    def _check_bricks(self) -> None:
        fitted = [name for name in self.modalities if not isinstance(self.block(name), LegoBlock)]
        if fitted and not self.in_common:
            raise InputError(
                f"the brick of {fitted[0]!r} is a fitted model, which has no head to be merged",
                expected="heads='common', and a Baseplate at least as wide as the task has outputs",
                got=f"heads={self.heads!r}, width {self.plate.width}, {self.task.outputs} outputs",
                remedy="Leave heads= and preset= out, or train neural blocks (encoder.name: neural).",
            )

    def _spreads(self, weights: Sequence[float]) -> Tensor | None:
        """Return how far the evidence of each modality spreads, ``(g,)``; None unless all is calibrated, and may add.

        Of several blocks of one the mean, as if they all said the same: what is known without patients is no less.
        """
        blocks = [self.block(name) for name in self.modalities]
        found = [as_number(block.card.recipe.get("spread")) for block in blocks]
        known = all(block.calibrated and 0 <= b < MOST for block, b in zip(blocks, found, strict=True))
        if not known or not self.task.calibrated_adds:
            return None
        _, within = shares_of(torch.tensor(weights), torch.ones(len(blocks), 1, dtype=torch.bool), self.sites)
        return summed_by(within[:, 0] * torch.tensor(found), self.sites)

    def _like(self) -> Tensor:
        """Return a tensor of the device and dtype that the bricks answer in, by those that learn where there are."""
        bricks = [self.block(name) for name in self.modalities]
        return next((brick for brick in bricks if brick.learns), bricks[0]).like

    def _check_one_start(self) -> None:
        plates = [self.block(name).plate for name in self.modalities]
        starts = [plate.start().rows() for plate in plates]
        if any(not torch.equal(start, starts[0]) for start in starts[1:]):
            raise MismatchError(
                "the rule residual needs one start for all blocks",
                expected="blocks of one Baseplate",
                got="blocks that start from different latents",
                remedy="Choose another rule.",
            )

    def merged(self, batch: Gaps) -> Spectrum:
        """Return the merged spectrum of a batch that was read."""
        spectra = [self.spectrum_of(name, batch) for name in self.modalities]
        shape = next(rows for rows in spectra if rows is not None)
        stacked = torch.stack([torch.zeros_like(shape) if rows is None else rows for rows in spectra])
        present, shares = self.shares(batch)
        strength = self.strength_of(shares)
        if self._has_sites:
            _, within = shares_of(self.weights, present, self.sites)
            stacked = pooled(stacked, within.to(stacked.real.dtype), self.sites)
            present, shares = summed_by(present.to(shares), self.sites) > 0, summed_by(shares, self.sites)
        start = torch.view_as_complex(self.start.to(stacked.real.dtype))
        merged = combine(
            self.rule,
            stacked,
            shares,
            present,
            phase=self.phase,
            start=torch.zeros_like(start) if self.in_common else start,
            strength=strength,
        )
        return Spectrum(
            merged.real,
            merged.imag,
            torch.ones_like(merged.real[:, :1]),
            self.plate.channels,
            mirrored=self.plate.domain == "frequency",
        )

    def spectrum_of(self, name: str, batch: Gaps) -> Tensor | None:
        """Return the rows of one block's spectrum, ``(b, r, d)``; zeros for samples that lack the modality."""
        part = batch.parts.get(name)
        if part is None:
            return None
        if part.told is not None:
            rows = part.told
        elif self.in_common:
            prior = self.priors[self.modalities.index(name)]
            rows = self.block(name).evidence(part.x, part.mask, self.readout, prior, part.known)
        else:
            block = self.neural(name)
            rows = block.run(block.tokens(part.x, part.mask)).rows()
        if part.rows is None:
            return rows
        return rows.new_zeros(batch.size, *rows.shape[1:]).index_copy(0, part.rows, rows)

    @property
    def _has_sites(self) -> bool:
        """Whether several blocks read one modality."""
        return len(self.sites) < len(self.blocks)

    def shares(self, batch: Gaps) -> tuple[Tensor, Tensor]:
        """Return who has what and how much each block counts, ``(m, b)``; ``(m, 1)`` if all samples have all."""
        if batch.present is None:
            return torch.ones_like(self.weights, dtype=torch.bool)[:, None], self.weights[:, None]
        return batch.present, self.shares_among(batch.present)

    def shares_among(self, present: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return how much each block counts, ``(m, b)``, where ``present`` ``(m, b)`` are there.

        Parameters
        ----------
        present
            Boolean.
        weights
            In place of the model's own, ``(m,)``.
        """
        weights = self.weights if weights is None else weights
        return shares_of(weights, present, self.sites)[0] if self._has_sites else present_weights(weights, present)

    def strength_of(self, shares: Tensor) -> float | Tensor:
        """Return λ, a number or ``(b, 1, 1)``, by the shares ``(m, b)`` of the blocks that are present.

        If it is to be found, √M for ``M = 1 / Σ w²`` modalities where evidence adds up, else 1. Blocks of one modality
        count together.
        """
        if self.strength != "auto":
            return self.strength
        shares = summed_by(shares, self.sites) if self._has_sites else shares
        if self.spreads is not None:
            return summed(shares, self.spreads)[:, None, None]
        return shares.square().sum(0).rsqrt()[:, None, None] if self.task.evidence_adds else 1.0

    def prior_of(self, shares: Tensor) -> Tensor:
        """Return the logits ``(b, k)`` of who knows nothing, by the shares ``(m, b)`` of what is present."""
        return shares.mT @ self.priors

    def merge_heads(self, present: Sequence[bool]) -> HeadTensors:
        """Return the merged head of one pattern of presence, differentiable in the blocks' heads.

        Where blocks have one read-out in common, nothing is to be merged; a model in sequence starts from ``slerp``.
        """
        flags = torch.tensor(list(present), device=self.weights.device)[:, None]
        shares = self.shares_among(flags)[:, 0]
        heads = [dict(self.neural(name).head.named_parameters()) for name in self.modalities]
        used = shares > 0
        kept = [head for head, keep in zip(heads, used.tolist(), strict=True) if keep]
        return merge_heads(kept, shares[used], "slerp" if self.in_common else self.heads)


def _checked_strength(strength: object) -> float:
    number = as_number(strength)
    if not 0 <= number <= MOST:  # what is far beyond the number of modalities is a slip, and would overflow in the end
        raise InputError("strength", expected=f"a number between 0 and {MOST:g}, or 'auto'", got=repr(strength))
    return number
