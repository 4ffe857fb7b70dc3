"""One patient's prediction as a function of one modality alone: of its features, and of what fitted parts answer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from mmlego.across import parts_of
from mmlego.block import LegoBlock
from mmlego.brick import Brick
from mmlego.bundle import Bundle
from mmlego.data import Batch
from mmlego.explaining.outputs import Explained, scalars
from mmlego.explaining.pools import Call, calls_of
from mmlego.fitted import FittedBlock
from mmlego.fuse import LegoFuse
from mmlego.learners.rows import Rows
from mmlego.multimodal import Gaps
from mmlego.nn.ragged import Ragged
from mmlego.training.evaluate import Model


@dataclass(frozen=True)
class Fitted:
    """A fitted part of a model, which answers to rows.

    Attributes
    ----------
    brick
        The part.
    rows
        How the modality becomes its rows.
    before
        How many columns stand before those of the modality.
    """

    brick: FittedBlock
    rows: Rows
    before: int = 0


class Question:
    """What moves a prediction within one modality of one patient, all else being as it is.

    Parameters
    ----------
    model
        Any.
    batch
        One patient, who has the modality.
    modality
        Its name.
    """

    def __init__(self, model: Model, batch: Batch, modality: str) -> None:
        self.model, self.batch, self.modality = model, batch, modality
        self.brick = model if isinstance(model, Brick) else model.block(modality)
        value = batch.inputs[modality]
        x, mask = value if isinstance(value, tuple) else (value, None)
        if x is None:
            raise TypeError("the patient lacks the modality")
        self.x: Tensor | Ragged = x
        self.mask: Tensor | None = mask
        self.members: list[Brick] = (
            [member for _, member in self.brick.each()] if isinstance(self.brick, Bundle) else [self.brick]
        )
        self.fitted = [Fitted(member, member.rows) for member in self.members if isinstance(member, FittedBlock)]
        self.neural = [member for member in self.members if not isinstance(member, FittedBlock)]
        self._gaps: Gaps | None = None
        self._rows: dict[str, Tensor] = {}
        self._calls: list[list[Call]] | None = None
        self.seen: dict[int, tuple[Tensor, Tensor]] = {}  # of the encoders of neural parts, what came in and out
        across = model.across if isinstance(model, LegoFuse) else None
        self.beside: list[Fitted] = []  # of what crosses modalities
        self.crosses = across is not None and all(batch.inputs.get(name) is not None for name in across.rows)
        if across is not None and self.crosses:
            names = list(across.rows)
            before = sum(across.rows[name].columns for name in names[: names.index(modality)])
            self.beside = [Fitted(part, across.rows[modality], before) for part in parts_of(across.brick)]
            self.fitted += self.beside
        if not isinstance(model, Brick):
            self._gaps = self._listened(model, batch)

    def _listened(self, model: Model, batch: Batch) -> Gaps:
        """Return the batch with what all other blocks say of it, where these do not hear each other."""
        if isinstance(model, Brick):
            raise TypeError("a brick has no other blocks")
        gaps = model.read(batch.inputs, batch.present)
        if isinstance(model, LegoFuse) and model.mode != "parallel":
            return gaps
        told = {
            name: part if name == self.modality else replace(part, told=model.spectrum_of(name, gaps))
            for name, part in gaps.parts.items()
        }
        return replace(gaps, parts=told)

    @property
    def accepts_missing(self) -> bool:
        """Whether a neural part reads tokens of which some features were not measured."""
        return any(getattr(member.encoder, "accepts_missing", False) for member in self.neural)

    def own_row(self, part: Fitted) -> Tensor:
        """Return the row that a fitted part sees of the modality, ``(p,)``."""
        return self._row(self.modality, part.rows)

    def _row(self, name: str, rows: Rows) -> Tensor:
        """Return the row of a modality, which parts that read it alike share."""
        key = f"{name}: {sorted(rows.config().items(), key=str)}"
        if key not in self._rows:
            value = self.batch.inputs[name]
            x, mask = value if isinstance(value, tuple) else (value, None)
            self._rows[key] = rows(x, mask)[0]  # type: ignore[arg-type]  # who has it
        return self._rows[key]

    def whole_row(self, part: Fitted) -> Tensor:
        """Return the whole row that a fitted part sees, ``(p,)``."""
        if not any(part is one for one in self.beside):
            return self.own_row(part)
        across = self.model.across if isinstance(self.model, LegoFuse) else None
        return torch.cat([self._row(name, one) for name, one in (across.rows if across is not None else {}).items()])

    @torch.no_grad()
    def told(self, part: Fitted, row: Tensor) -> Tensor:
        """Return the logits ``(1, k)`` of a fitted part to a row, in double precision."""
        raw: Tensor = part.brick.encoder(row[None].double())
        return raw.double() @ part.brick.slope.mT + part.brick.offset

    def answer(self, chosen: Explained, values: Tensor, told: list[Tensor]) -> Tensor:
        """Return the explained number.

        Parameters
        ----------
        chosen
            Which.
        values
            The features, as those of :attr:`x`.
        told
            Of each of :attr:`fitted` its logits, ``(1, k)``.
        """
        return chosen.pick(scalars(self.model.task, self._logits(values, told)))[0]

    def answers(self, chosen: Explained, values: Tensor, told: list[Tensor], count: int) -> Tensor:
        """Return the explained number of several of what :meth:`answer` takes, ``(c,)``.

        Parameters
        ----------
        chosen
            Which.
        values
            The features, ``(c, …)``; where no part is neural nobody reads them.
        told
            Of each of :attr:`fitted` its logits, ``(c, k)``.
        count
            ``c``.
        """
        return chosen.pick(scalars(self.model.task, self.repeated(count)._logits(values, told)))

    @property
    def repeats(self) -> bool:
        """Whether the patient may be asked about several times over: what other blocks say stands."""
        return self._gaps is None or all(
            part.told is not None for name, part in self._gaps.parts.items() if name != self.modality
        )

    def repeated(self, count: int) -> Question:
        """Return the question about the same patient several times over."""
        made = copy.copy(self)
        if self.mask is not None:
            made.mask = self.mask.expand(count, *self.mask.shape[1:])
        gaps = self._gaps
        if gaps is not None:
            parts = {
                name: replace(
                    part,
                    rows=None if part.rows is None else torch.arange(count, device=part.rows.device),
                    told=None if part.told is None else part.told.expand(count, *part.told.shape[1:]),
                )
                for name, part in gaps.parts.items()
            }
            present = None if gaps.present is None else gaps.present.expand(-1, count)
            made._gaps = Gaps(parts, present, count)
        return made

    def _logits(self, values: Tensor, told: list[Tensor]) -> Tensor:
        x = with_values(self.x, values)
        k = self.model.task.outputs
        count = 1 if self._gaps is None else self._gaps.size
        count = len(told[0]) if told else count
        across = torch.cat(told[len(told) - len(self.beside) :], dim=1) if self.crosses else None
        mine = iter(told)
        known = [
            next(mine).float()
            if isinstance(member, FittedBlock)
            else torch.full((count, k), torch.nan, device=values.device)
            for member in self.members
        ]
        answers = torch.cat(known, dim=1) if any(isinstance(m, FittedBlock) for m in self.members) else None
        if isinstance(self.model, Brick):
            return self.model.logits(x, self.mask, answers)
        gaps = self._whole()
        part = replace(gaps.parts[self.modality], x=x, mask=self.mask, known=answers)
        return self.model.answer(replace(gaps, parts={**gaps.parts, self.modality: part}), across)

    def _whole(self) -> Gaps:
        if self._gaps is None:
            raise TypeError("a brick has no other blocks")
        return self._gaps

    def logits(self) -> Tensor:
        """Return the logits of the prediction, ``(1, k)``; and remember what the encoders gave."""
        values = self.x.values if isinstance(self.x, Ragged) else self.x
        told = [self.told(part, self.whole_row(part)) for part in self.fitted]
        with ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            self.seen = stack.enter_context(recorded([block.encoder for block in self.neural]))
            blocks = [block for block in self.neural if isinstance(block, LegoBlock)]
            self._calls = [stack.enter_context(calls_of(block)) for block in blocks]
            return self._logits(values, told)

    def calls(self) -> list[list[Call]]:
        """Return the calls of the attentions of each neural block, when the patient was asked about."""
        if self._calls is None:
            self.logits()
        return self._calls or []

    def of_few(self, few: Tensor) -> Question:
        """Return the same question about a bag of a few patches, ``(1, n, f)``."""
        made = copy.copy(self)
        made.x, made.mask = few, None
        return made


def with_values(x: Tensor | Ragged, values: Tensor) -> Tensor | Ragged:
    """Return features of the same form with other values; graphs keep their edges."""
    if not isinstance(x, Ragged):
        return values
    made = copy.copy(x)
    made.values = values
    return made


class Given(nn.Module):
    """In place of an encoder: what it gave, or what stands in its place.

    Parameters
    ----------
    tokens
        What it gives.
    tokenwise
        Whether each token is of one of the input's.
    """

    def __init__(self, tokens: Tensor, *, tokenwise: bool) -> None:
        super().__init__()
        self.tokens, self.tokenwise = tokens, tokenwise

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens, whatever comes in."""
        return self.tokens


@contextmanager
def in_place_of_encoders(blocks: list[Brick], given: list[Given]) -> Iterator[None]:
    """Let blocks take their tokens from others than their encoders, for as long as this lasts."""
    own = [block.encoder for block in blocks]
    try:
        for block, other in zip(blocks, given, strict=True):
            block.encoder = other
        yield
    finally:
        for block, encoder in zip(blocks, own, strict=True):
            block.encoder = encoder


@contextmanager
def recorded(modules: list[nn.Module]) -> Iterator[dict[int, tuple[Tensor, Tensor]]]:
    """Yield what first went into modules and came out of each, by their numbers, once they have been asked."""
    seen: dict[int, tuple[Tensor, Tensor]] = {}

    def keep(number: int) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(_: nn.Module, inputs: tuple[Any, ...], made: Any) -> None:
            if number not in seen and inputs and isinstance(inputs[0], Tensor) and isinstance(made, Tensor):
                seen[number] = (inputs[0].detach(), made.detach())

        return hook

    handles = [module.register_forward_hook(keep(number)) for number, module in enumerate(modules)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def given_outputs(modules: list[nn.Module], held: list[Tensor]) -> Iterator[None]:
    """Let modules give what stands in a list, which may change, for as long as this lasts."""

    def put(number: int) -> Callable[[nn.Module, tuple[Any, ...], Any], Tensor]:
        return lambda _module, _inputs, made: held[number].reshape(made.shape)

    handles = [module.register_forward_hook(put(number)) for number, module in enumerate(modules)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
