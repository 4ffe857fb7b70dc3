"""The order in which a loader shows the rows, shuffled by seed and epoch alone, and how it is cut into batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.utils.data import Sampler

# A batch of bags holds at most so many numbers, half a GiB in float32, unless a single bag does.
MOST_NUMBERS = 2**27


class ShuffledRows(Sampler[int]):
    """A new order of ``rows`` rows each epoch, which depends on the seed and the epoch and on nothing else.

    A run that is resumed in epoch 7 therefore sees the rows in the order in which the unbroken run saw them.
    Without :meth:`set_epoch` (Lightning calls it) the epochs are counted here.

    Parameters
    ----------
    rows
        How many rows there are.
    seed
        The seed, an int ≥ 0.
    shuffle
        False shows the rows as they are, and still counts the epochs.

    Examples
    --------
    >>> rows = ShuffledRows(4, seed=0)
    >>> first, second = list(rows), list(rows)
    >>> rows.set_epoch(0)
    >>> list(rows) == first, sorted(second)
    (True, [0, 1, 2, 3])
    """

    def __init__(self, rows: int, seed: int = 0, *, shuffle: bool = True) -> None:
        self.rows = rows
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next.

        Parameters
        ----------
        epoch
            The number of the epoch, from 0.
        """
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        order = self.order(self.epoch)
        self.epoch += 1
        return iter(order)

    def order(self, epoch: int) -> list[int]:
        """Return the order of an epoch.

        Parameters
        ----------
        epoch
            The number of the epoch, from 0.
        """
        if not self.shuffle:
            return list(range(self.rows))
        order: list[int] = np.random.default_rng([self.seed, epoch]).permutation(self.rows).tolist()
        return order

    def __len__(self) -> int:
        return self.rows


class Shown(NamedTuple):
    """The rows of one batch, and the epoch that they are shown in.

    Parameters
    ----------
    epoch
        The number of the epoch, from 0.
    rows
        Row numbers.
    """

    epoch: int
    rows: list[int]


class AsShown:
    """The data set that a loader fetches from: it gives back what it is asked for, and the loader makes a batch of it.

    Parameters
    ----------
    rows
        How many rows there are.

    Examples
    --------
    >>> AsShown(3)[Shown(0, [2, 1])].rows
    [2, 1]
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, shown: Shown) -> Shown:
        return shown


class RowBatches(Sampler[list[Shown]]):
    """Batches of at most ``batch_size`` rows and :data:`MOST_NUMBERS` numbers, so that big bags come a few at a time.

    Parameters
    ----------
    sampler
        The order of the rows.
    sizes
        How many numbers each row brings into a batch, ``(n,)``.
    batch_size
        Rows a batch at most.
    drop_last
        Leave out the last batch where it has fewer rows.
    most
        Numbers a batch at most.

    Examples
    --------
    >>> import torch
    >>> batches = RowBatches(ShuffledRows(4, shuffle=False), torch.tensor([3, 3, 9, 1]), 2, most=6)
    >>> [only.rows for only, in batches], len(batches)
    ([[0, 1], [2], [3]], 3)
    """

    def __init__(
        self,
        sampler: ShuffledRows,
        sizes: Tensor,
        batch_size: int,
        *,
        drop_last: bool = False,
        most: int = MOST_NUMBERS,
    ) -> None:
        self.sampler, self.batch_size, self.drop_last, self.most = sampler, batch_size, drop_last, most
        self.sizes: Sequence[int] = sizes.tolist()
        self._small = max(self.sizes, default=0) * batch_size <= most

    def __iter__(self) -> Iterator[list[Shown]]:
        epoch = self.sampler.epoch
        for rows in self._cut(list(self.sampler)):
            yield [Shown(epoch, rows)]

    def __len__(self) -> int:
        if self._small:
            return (math.floor if self.drop_last else math.ceil)(self.sampler.rows / self.batch_size)
        return sum(1 for _ in self._cut(self.sampler.order(self.sampler.epoch)))

    def _cut(self, order: list[int]) -> Iterator[list[int]]:
        batch: list[int] = []
        total = 0
        for row in order:
            if batch and (len(batch) == self.batch_size or total + self.sizes[row] > self.most):
                yield batch
                batch, total = [], 0
            batch.append(row)
            total += self.sizes[row]
        if batch and not (self.drop_last and len(batch) < self.batch_size):
            yield batch
