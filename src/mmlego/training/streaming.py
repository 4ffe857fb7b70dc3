"""Bags that are too large to lie in memory as features: read and encoded a part at a time where no gradient is wanted.

An encoder that works token by token says of a part what it says of it in the whole, to rounding; of a patch there
remains its token, which is an eighth as wide as the features, or less.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from mmlego.block import LegoBlock
from mmlego.brick import Brick
from mmlego.data import PatientData
from mmlego.data.memory.batch import Input
from mmlego.data.memory.chance import Chance
from mmlego.data.memory.lazy import Item, LazyColumn
from mmlego.encoding import check_features
from mmlego.errors import InputError
from mmlego.fuse import LegoFuse
from mmlego.nn.features import Features
from mmlego.nn.ragged import Ragged

LARGE = 2**26  # numbers of a bag beyond which it is read in parts: a quarter of a gigabyte
PART = 2**25  # numbers of a part


def streamed(model: Any, data: PatientData) -> PatientData:
    """Return data in which large bags come as what the encoders of a model make of them, part by part.

    Modalities whose encoder looks at several tokens at once, or that others than one LegoBlock read, as members of a
    Bundle and what crosses modalities do, stay as they are.

    Parameters
    ----------
    model
        About to be asked, in eval mode.
    data
        The patients.
    """
    bricks = [model] if isinstance(model, Brick) else [model.block(name) for name in model.modalities]
    if isinstance(model, LegoFuse) and model.across is not None:
        return data
    for brick in bricks:
        if not isinstance(brick, LegoBlock) or not getattr(brick.encoder, "tokenwise", False):
            continue
        if brick.modality not in data.modalities:  # nobody has it
            continue
        column = data.column(brick.modality)
        if isinstance(column, LazyColumn) and column.ragged and any(_large(item) for item in column.items):
            data = data.with_column(brick.modality, _Streamed(column, brick))
    return data


def _large(item: Item | None) -> bool:
    return item is not None and item.size() > LARGE and getattr(item, "parts", None) is not None


class _Streamed(LazyColumn):
    """Bags in files that come as tokens of an encoder."""

    def __init__(self, column: LazyColumn, brick: LegoBlock) -> None:
        super().__init__(column.items, column.nobody, ragged=True)
        self.brick = brick

    def take(self, rows: Tensor) -> LazyColumn:
        """Return the given rows ``(b,)``; those without a large bag as they were."""
        taken = super().take(rows)
        return _Streamed(taken, self.brick) if any(_large(item) for item in taken.items) else taken

    def input(self, chance: Chance | None = None) -> Input:
        """Return the tokens of all rows as Features; None where no row is present."""
        if chance is not None or not bool(self.present.any()):
            return super().input(chance)
        tokens = [None if item is None else self._tokens(item) for item in self.items]
        nobody = next(one for one in tokens if one is not None)[:0]
        return Features.from_list([nobody if one is None else one for one in tokens])

    @torch.no_grad()  # in the thread that reads ahead, too
    def _tokens(self, item: Item) -> Tensor:
        """Return the tokens ``(n, e)`` of a bag."""
        width = int(self.nobody.shape[1])
        count = item.size() // width
        device = next(self.brick.parameters()).device
        found: Tensor | None = None
        start = 0
        for part in _parts(item, max(1, PART // width)):
            bag = Ragged(part.to(device), [len(part)])
            check_features(bag, None, self.brick.modality, self.brick.encoder)
            encoded, _, _ = self.brick.encoded(bag)
            values = encoded.values if isinstance(encoded, Ragged) else encoded[0]
            if found is None:
                found = values.new_empty((count, values.shape[-1]))
            found[start : start + len(values)] = values
            start += len(values)
        if found is None or start != count:
            raise InputError(f"{self.brick.modality}: a bag", expected=f"{count} patches", got=start)
        return found


def _parts(item: Item, rows: int) -> Iterator[Tensor]:
    parts = getattr(item, "parts", None)
    if parts is None or item.size() <= LARGE:
        yield item.load()
    else:
        yield from parts(rows)
