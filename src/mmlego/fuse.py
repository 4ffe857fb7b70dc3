"""LegoFuse: blocks in parallel or in sequence, tuned briefly on patients who have several modalities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal, Self, get_args

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mmlego.across import ACROSS, Across
from mmlego.baseplate import Head
from mmlego.block import LegoBlock
from mmlego.bounds import within
from mmlego.brick import Brick
from mmlego.errors import InputError
from mmlego.merge.heads import HeadTensors
from mmlego.merge.merging import Merging, Strength
from mmlego.merge.rules import Phase
from mmlego.merge.sharing import spread_out, summed_by
from mmlego.merge.weights import Weights
from mmlego.multimodal import Gaps, Inputs, Presence
from mmlego.nn.attention import Tokens
from mmlego.nn.spectral import Spectrum
from mmlego.readout import COMMON
from mmlego.sections import TuningSettings

Mode = Literal["stack", "weave", "parallel"]
Freeze = Literal["encoders", "blocks"]


class LegoFuse(Merging):
    """Blocks as one model, to be tuned briefly with ``fit`` on patients who have several modalities.

    Parameters
    ----------
    blocks
        Blocks of different modalities on one Baseplate, or of several sites, as ``LegoMerge`` takes them. They are
        copied and not changed.
    mode
        ``"parallel"``: the merged model itself, which before tuning answers as ``LegoMerge`` does, whoever is missing;
        where heads are merged, tuning moves the head of every pattern of presence alike. ``"stack"``: the latent leaves
        one block and enters the next. ``"weave"``: one step of each block in turn, ``S`` rounds.
    order
        The names of the blocks in the order in which the latent meets them; default: as given. It is stored.
    freeze
        What stays as it is: ``None``, ``"encoders"``, or ``"blocks"`` (all but the head). An encoder that was frozen
        in its block stays frozen.
    modality_dropout
        While training, the probability with which each present modality of a sample is left out, with all blocks that
        read it; one always stays.
    rule, phase, heads, weights, strength
        As in ``LegoMerge``; ``"parallel"`` merges spectra by the rule. The head starts from the common read-out
        (``"parallel"``), or from the merged head.
    allow_mismatch
        Accept blocks of different baseplates, with a warning.

    Raises
    ------
    InputError
        If the mode, the order, ``freeze`` or ``modality_dropout`` is not one of the above.
    MismatchError
        If blocks of different baseplates or tasks are given.

    Notes
    -----
    A missing modality is skipped: a sample starts from the latent of the first block that it has. ``.across``, where it
    is set, is a fitted model that reads all modalities side by side, and answers together with what is fused.

    Examples
    --------
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Classification
    >>> plate = Baseplate(Classification(2), channels=8, width=16)
    >>> fuse = LegoFuse([LegoBlock(SNN(5), plate, "rna"), LegoBlock(SNN(3), plate, "clinical")], mode="weave")
    >>> fuse({"rna": torch.randn(4, 5), "clinical": torch.randn(4, 3)}).shape
    torch.Size([4, 2])
    """

    keep_untuned: ClassVar[bool] = True  # whether the model before tuning is a candidate for the best epoch

    def __init__(
        self,
        blocks: Sequence[Brick],
        mode: Mode = "parallel",
        order: Sequence[str] | None = None,
        freeze: Freeze | None = None,
        modality_dropout: float = 0.0,
        *,
        rule: str = "residual",
        phase: Phase = "circular",
        heads: str = COMMON,
        weights: Weights = "auto",
        strength: Strength = "auto",
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
        if mode not in get_args(Mode):
            raise InputError("mode of a LegoFuse", expected=f"one of {get_args(Mode)}", got=repr(mode))
        if freeze is not None and freeze not in get_args(Freeze):
            raise InputError("freeze of a LegoFuse", expected=f"None or one of {get_args(Freeze)}", got=repr(freeze))
        dropout = within(TuningSettings, "modality_dropout", modality_dropout, "modality_dropout of a LegoFuse")
        order = self.modalities if order is None else order
        named = isinstance(order, Sequence) and not isinstance(order, str)
        if not named or len(order) != len(self.blocks) or any(name not in order for name in self.modalities):
            raise InputError("order of a LegoFuse", expected=f"each of {self.modalities} once", got=order)
        self._check_mode(mode)
        self.order: tuple[str, ...] = tuple(order)
        self.mode, self.freeze, self.modality_dropout = mode, freeze, float(dropout or 0.0)
        self.head: nn.Module
        if self._tunes_joints:
            self.head = nn.Linear(self.plate.width, self.task.outputs)
            self.head.load_state_dict({"weight": self.readout, "bias": torch.zeros(self.task.outputs)})
        else:
            self.head = Head(self.plate.width, self.task.outputs)
            self.head.load_state_dict(self.merge_heads([True] * len(self.blocks)))
        like = self._like()
        self.head.to(like.device, like.dtype)
        self.across: Across | None = None
        self._freeze()

    def _check_mode(self, mode: Mode) -> None:
        fitted = [name for name in self.modalities if not isinstance(self.block(name), LegoBlock)]
        if fitted and mode != "parallel":
            raise InputError(
                f"the brick of {fitted[0]!r} is a fitted model, which no latent enters",
                expected="mode='parallel'",
                got=repr(mode),
                remedy="Leave mode= out, or train a neural block for this modality (encoder.name: neural).",
            )

    @property
    def _tunes_joints(self) -> bool:
        """Whether the blocks' heads stay, as the joints before the common read-out."""
        return self.mode == "parallel" and self.in_common

    def _freeze(self) -> None:
        for name in self.modalities:
            block = self.block(name)
            if not self._tunes_joints:
                self.neural(name).head.requires_grad_(False)  # the fused model has one head of its own
            if self.freeze == "encoders":
                block.freeze_encoder()
            elif self.freeze == "blocks":
                block.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Set training mode; frozen blocks stay in eval mode."""
        super().train(mode)
        if self.freeze == "blocks":
            self.blocks.eval()
        return self

    def forward(
        self, inputs: Inputs, present: Presence | None = None, known: Mapping[str, Tensor | None] | None = None
    ) -> Tensor:
        """Return logits ``(b, k)``; arguments and errors as in ``LegoMerge``."""
        return self.answer(self.read(inputs, present, known), (known or {}).get(ACROSS))

    def answer(self, batch: Gaps, across: Tensor | None = None) -> Tensor:
        """Return the logits ``(b, k)`` of a batch that was read; ``across``: what crosses modalities out of fold."""
        logits = self._merged_logits(batch)
        return logits if self.across is None else self.across(logits, batch, across)

    def _merged_logits(self, batch: Gaps) -> Tensor:
        mean = self._fused(batch).mean()  # (b, d)
        if self.mode == "parallel" and not self._tunes_joints and batch.present is not None:
            return self.by_pattern(mean, batch.present, self._answer)
        logits: Tensor = self.head(mean)
        if self._tunes_joints:
            logits = logits + self.prior_of(self.shares(batch)[1]).to(logits.dtype)
        return logits

    def _answer(self, mean: Tensor, pattern: tuple[bool, ...]) -> Tensor:
        """Return the logits of means ``(b, d)`` by the head of what the samples have."""
        logits: Tensor = functional_call(self.head, self._tuned_head(pattern), (mean,))
        return logits

    def _tuned_head(self, pattern: tuple[bool, ...]) -> HeadTensors:
        """Return the merged head of a pattern of presence, moved as far as tuning has moved that of complete samples.

        ``θ_pattern + (θ_tuned − θ_complete)``: untuned, each pattern has its own merged head, as in a LegoMerge.
        """
        tuned: HeadTensors = dict(self.head.named_parameters())
        complete = (True,) * len(pattern)
        if pattern == complete:
            return tuned
        part, whole = self.kept_head(pattern), self.kept_head(complete)
        return {name: part[name] + (value - whole[name]) for name, value in tuned.items()}

    def spectrum(self, inputs: Inputs, present: Presence | None = None) -> Tensor:
        """Return the fused spectrum ``(b, c, d)``, complex."""
        return self._fused(self.read(inputs, present)).full()

    def read(
        self, inputs: Inputs, present: Presence | None = None, known: Mapping[str, Tensor | None] | None = None
    ) -> Gaps:
        """Check a batch and take it apart; while training, leave modalities out at random."""
        batch = super().read(inputs, present, known)
        if not self.training or self.modality_dropout == 0:
            return batch
        some = next(iter(batch.parts.values())).x
        shape = (len(self.blocks), batch.size)
        there = torch.ones(shape, dtype=torch.bool, device=some.device) if batch.present is None else batch.present
        has = summed_by(there.int(), self.sites) > 0
        lot = torch.rand(has.shape, device=some.device).masked_fill(~has, -1.0)
        stays = (lot >= self.modality_dropout) | (lot == lot.amax(0))  # the highest lot always stays
        kept = there & spread_out(stays, self.sites)
        return super().read(inputs, {name: kept[i] for i, name in enumerate(self.modalities)}, known)

    def _fused(self, batch: Gaps) -> Spectrum:
        return self.merged(batch) if self.mode == "parallel" else self._in_sequence(batch)

    def _schedule(self) -> Iterator[tuple[str, int]]:
        """Yield which block takes which of its steps, in turn."""
        steps = {name: self.block(name).plate.steps for name in self.order}  # may differ if a mismatch was allowed
        if self.mode == "stack":
            yield from ((name, s) for name in self.order for s in range(steps[name]))
        else:
            yield from ((name, s) for s in range(max(steps.values())) for name in self.order if s < steps[name])

    def _in_sequence(self, batch: Gaps) -> Spectrum:
        tokens: dict[str, Tokens] = {}
        memory: dict[str, dict[str, Tensor]] = {name: {} for name in self.order}
        state: Spectrum | None = None
        begun = None if batch.present is None else torch.zeros_like(batch.present[0])
        for name, s in self._schedule():
            part = batch.parts.get(name)
            if part is None:
                continue
            block = self.neural(name)
            if name not in tokens:
                tokens[name] = block.tokens(part.x, part.mask)
            if begun is None or (part.rows is None and not bool(begun.any())):
                entering = state is not None
                before = block.start() if state is None else state
            else:
                # Only here do samples differ in how far they have come.
                rows = torch.arange(batch.size, device=begun.device) if part.rows is None else part.rows
                before, entering = self._join(state, block, rows, begun, batch.size), False
            after = block.advance(before, tokens[name], s, entering=entering, memory=memory[name])
            if begun is None:
                state = after
            elif part.rows is None:
                state, begun = after.expand(batch.size), torch.ones_like(begun)
            else:
                whole = block.start().expand(batch.size) if state is None else state
                state, begun = whole.put(part.rows, after), begun.index_fill(0, part.rows, True)
        if state is None:
            raise InputError("no modality is present", expected=f"at least one of {self.modalities}", got="none")
        return state

    def _join(self, state: Spectrum | None, block: LegoBlock, rows: Tensor, begun: Tensor, size: int) -> Spectrum:
        """Return the state of some rows before a step; rows that have not begun start from the block's latent."""
        fresh = block.start().expand(len(rows))
        if state is None:
            return fresh
        going = block.between_steps(state).select(rows)
        places = (~begun[rows]).nonzero().squeeze(1)
        return going.expand(len(rows)).put(places, fresh.select(places)) if len(places) else going
