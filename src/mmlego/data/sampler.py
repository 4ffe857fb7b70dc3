"""The order in which a loader shows the rows: shuffled by seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


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

    Examples
    --------
    >>> rows = ShuffledRows(4, seed=0)
    >>> first, second = list(rows), list(rows)
    >>> rows.set_epoch(0)
    >>> list(rows) == first, sorted(second)
    (True, [0, 1, 2, 3])
    """

    def __init__(self, rows: int, seed: int = 0) -> None:
        self.rows = rows
        self.seed = seed
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
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.rows)
        self.epoch += 1
        return iter(order.tolist())

    def __len__(self) -> int:
        return self.rows
