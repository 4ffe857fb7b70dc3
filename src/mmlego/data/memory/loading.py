"""Loaders: which rows come together in a batch, and what chance decides of it."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import TypeAlias, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from mmlego.data.memory.batch import Batch
from mmlego.data.memory.chance import Draw
from mmlego.data.memory.sampler import AsShown, RowBatches, Shown, ShuffledRows
from mmlego.errors import InputError

MakeBatch: TypeAlias = Callable[[list[int], Draw | None], Batch]


def make_loader(
    make: MakeBatch,
    sizes: Tensor,
    batch_size: int,
    shuffle: bool = False,
    seed: int = 0,
    drop_last: bool = False,
    num_workers: int = 0,
    training: bool = False,
) -> DataLoader[Batch]:
    """Return a loader of batches.

    Parameters
    ----------
    make
        Makes a batch of row numbers, with a draw while training.
    sizes
        How many numbers each row brings into a batch, ``(n,)``.
    batch_size, shuffle, seed, drop_last, num_workers, training
        As :meth:`PatientData.loader` takes them.

    Raises
    ------
    InputError
        If the batch size is no number of rows.

    Examples
    --------
    >>> def make(rows, draw):
    ...     return Batch({}, {}, None, [f"p{row}" for row in rows])
    >>> [batch.patients for batch in make_loader(make, torch.ones(3, dtype=torch.int64), 2)]
    [['p0', 'p1'], ['p2']]
    """
    if not isinstance(batch_size, Integral) or isinstance(batch_size, bool) or batch_size < 1:
        raise InputError("batch_size of a loader", expected="an int ≥ 1", got=repr(batch_size))
    order = ShuffledRows(len(sizes), seed, shuffle=shuffle)

    def batch(shown: list[Shown]) -> Batch:
        epoch, rows = shown[0]
        return make(rows, Draw(seed, epoch) if training else None)

    # a generator of its own, or each epoch would draw from (and shift) the global random stream
    return DataLoader(
        cast("Dataset[Batch]", AsShown(len(sizes))),
        batch_sampler=cast("Sampler[list[int]]", RowBatches(order, sizes, batch_size, drop_last=drop_last)),
        num_workers=num_workers,
        collate_fn=batch,
        generator=torch.Generator().manual_seed(seed),
    )
