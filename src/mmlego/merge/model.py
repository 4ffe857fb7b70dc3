"""LegoMerge: blocks that were trained apart, one model, no training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from mmlego.block import LegoBlock
from mmlego.errors import InputError, MismatchError
from mmlego.merge.heads import HeadTensors, check_head_rule, merge_heads
from mmlego.merge.rules import Phase, combine, get_rule
from mmlego.merge.weights import Weights, present_weights, resolve_weights
from mmlego.multimodal import Gaps, Inputs, Multimodal, Presence
from mmlego.nn.spectral import Spectrum


class Merging(Multimodal):
    """Blocks, their weights and the rule that merges their spectra."""

    weights: Tensor
    start: Tensor

    def __init__(
        self,
        blocks: Sequence[LegoBlock],
        *,
        rule: str,
        phase: Phase,
        heads: str,
        weights: Weights,
        strength: float,
        allow_mismatch: bool,
    ) -> None:
        super().__init__(blocks, allow_mismatch=allow_mismatch)
        get_rule(rule)
        check_head_rule(heads)
        if phase not in ("mean", "circular"):
            raise InputError("phase", expected="'mean' or 'circular'", got=repr(phase))
        number = isinstance(strength, (int, float)) and not isinstance(strength, bool)
        if not number or not math.isfinite(float(torch.tensor(float(strength), dtype=torch.float32))):
            raise InputError("strength", expected="a finite number", got=repr(strength))
        self.rule, self.phase, self.heads, self.strength = rule, phase, heads, strength
        chosen = resolve_weights(weights, {name: self.block(name) for name in self.modalities})
        if rule == "residual":
            self._check_one_start()
        like = self.block(self.modalities[0]).latent
        self.register_buffer("weights", torch.tensor(chosen, device=like.device))
        # The start depends on the plate alone, not on how far a block's latent has moved.
        # As a pair of reals: a complex buffer would lose its imaginary part in .to(dtype).
        start = torch.view_as_real(self.plate.start().rows()).to(like.device)
        self.register_buffer("start", start, persistent=False)

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
        spectra: list[Tensor | None] = []
        for name in self.modalities:
            part = batch.parts.get(name)
            if part is None:
                spectra.append(None)
                continue
            block = self.block(name)
            spectrum = block.run(block.tokens(part.x, part.mask))
            rows = spectrum.rows()
            if part.rows is not None:
                rows = rows.new_zeros(batch.size, *rows.shape[1:]).index_copy(0, part.rows, rows)
            spectra.append(rows)
        shape = next(rows for rows in spectra if rows is not None)
        stacked = torch.stack([torch.zeros_like(shape) if rows is None else rows for rows in spectra])
        if batch.present is None:
            present = torch.ones(len(spectra), 1, dtype=torch.bool, device=shape.device)
            shares = self.weights[:, None]
        else:
            present, shares = batch.present, present_weights(self.weights, batch.present)
        merged = combine(
            self.rule,
            stacked,
            shares,
            present,
            phase=self.phase,
            start=torch.view_as_complex(self.start.to(stacked.real.dtype)),
            strength=self.strength,
        )
        return Spectrum(
            merged.real,
            merged.imag,
            torch.ones_like(merged.real[:, :1]),
            self.plate.channels,
            mirrored=self.plate.domain == "frequency",
        )

    def merge_heads(self, present: Sequence[bool]) -> HeadTensors:
        """Return the merged head of one pattern of presence, differentiable in the blocks' heads."""
        flags = torch.tensor(list(present), device=self.weights.device)[:, None]
        shares = present_weights(self.weights, flags)[:, 0]
        heads = [dict(self.block(name).head.named_parameters()) for name in self.modalities]
        used = shares > 0
        kept = [head for head, keep in zip(heads, used.tolist(), strict=True) if keep]
        return merge_heads(kept, shares[used], self.heads)


class LegoMerge(Merging):
    """Merge blocks that were trained apart into one model, without any training.

    The spectra of all blocks are merged by a rule, and read by one merged head. Modalities may be missing for a whole
    batch or for single samples: spectra, weights and head are then merged over what is present.

    Parameters
    ----------
    blocks
        Blocks of different modalities on one Baseplate. They are copied and not changed.
    rule
        A name from ``merge_rules()``: ``"harmonic"`` (the paper's), ``"mean"``, ``"sum"``, ``"product"``,
        ``"residual"``.
    phase
        For ``"harmonic"``: ``"circular"``, or ``"mean"`` (the paper's).
    heads
        ``"slerp"``, ``"linear"`` or ``"ot"``.
    weights
        ``"uniform"``, ``"evidence"``, or one number a block.
    strength
        λ of ``"residual"``.
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
        blocks: Sequence[LegoBlock],
        rule: str = "harmonic",
        phase: Phase = "circular",
        heads: str = "slerp",
        weights: Weights = "uniform",
        *,
        strength: float = 1.0,
        allow_mismatch: bool = False,
    ) -> None:
        super().__init__(
            blocks,
            rule=rule,
            phase=phase,
            heads=heads,
            weights=weights,
            strength=strength,
            allow_mismatch=allow_mismatch,
        )
        self._built: dict[tuple[bool, ...], HeadTensors] = {}
        self._built_for: Tensor | None = None
        self._complete = (True,) * len(self.blocks)
        with torch.no_grad():
            for name, value in self.merge_heads(self._complete).items():
                self.register_buffer(f"head_{name.replace('.', '_')}", value.detach().clone(), persistent=False)
        self.register_load_state_dict_post_hook(_rebuild)  # type: ignore[no-untyped-call]

    def forward(self, inputs: Inputs, present: Presence | None = None) -> Tensor:
        """Return logits ``(b, k)``.

        Parameters
        ----------
        inputs
            By modality: a tensor, a pair of tensor and mask ``(b, n)``, a ``Ragged``, or None if no sample has it.
        present
            By modality: which samples have it, boolean ``(b,)``. What stands in the rows of absent ones is not read.

        Raises
        ------
        UnknownNameError, ShapeError, InputError
            If a modality is unknown, the numbers of samples disagree, or a sample has no modality.
        """
        batch = self.read(inputs, present)
        mean = self.merged(batch).mean()  # (b, d)
        if batch.present is None:
            return self._apply_head(mean, self._complete)
        patterns, which = batch.present.T.unique(dim=0, return_inverse=True)
        if len(patterns) == 1:
            return self._apply_head(mean, tuple(patterns[0].tolist()))
        logits = mean.new_empty(len(mean), self.task.outputs)
        for i, pattern in enumerate(patterns.tolist()):
            rows = (which == i).nonzero().squeeze(1)
            answer = self._apply_head(mean[rows], tuple(pattern))
            logits = logits.to(answer.dtype).index_copy(0, rows, answer)
        return logits

    def spectrum(self, inputs: Inputs, present: Presence | None = None) -> Tensor:
        """Return the merged spectrum ``(b, c, d)``, complex."""
        return self.merged(self.read(inputs, present)).full()

    def _apply_head(self, mean: Tensor, pattern: tuple[bool, ...]) -> Tensor:
        head = self._head(pattern)
        mean = F.layer_norm(mean, mean.shape[-1:], head["norm.weight"], head["norm.bias"])
        return F.linear(mean, head["linear.weight"], head["linear.bias"])

    def _head(self, pattern: tuple[bool, ...]) -> HeadTensors:
        """Return the head of a pattern: built once and kept until a block's head changes."""
        if _exporting() and pattern == self._complete:
            return self._complete_head()
        parameters = [p for name in self.modalities for p in self.block(name).head.parameters()]
        if torch.is_grad_enabled() and any(p.requires_grad for p in parameters):
            return self.merge_heads(pattern)
        # By content: heads are small, and neither address nor version tells of writes through ``.data``.
        content = torch.cat([p.detach().flatten() for p in parameters])
        if self._built_for is None or not torch.equal(content, self._built_for):
            self._built, self._built_for = {}, content
            self.rebuild_head()
        if pattern == self._complete:
            return self._complete_head()
        if pattern not in self._built:
            # Kept tensors may take part in training later, so they must not be inference tensors.
            with torch.inference_mode(False), torch.no_grad():
                self._built[pattern] = {name: value.clone() for name, value in self.merge_heads(pattern).items()}
        return self._built[pattern]

    def train(self, mode: bool = True) -> Self:
        """Set training mode; in eval mode the head that an exported model holds is up to date."""
        super().train(mode)
        if not mode:
            self.rebuild_head()
        return self

    @torch.no_grad()
    def rebuild_head(self) -> None:
        """Merge the head for complete samples again, which an exported model holds as a constant."""
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
