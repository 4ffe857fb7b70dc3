"""What chance decides while training: which patches of a bag are seen, how an image is turned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

#: Gives the random numbers of a row of a batch.
Chance: TypeAlias = Callable[[int], np.random.Generator]


@dataclass(frozen=True)
class Draw:
    """The random numbers of one epoch, which depend on seed, epoch and names alone.

    A run that is resumed in epoch 7 therefore sees the patches that the unbroken run saw. Without a draw, as in
    evaluation and prediction, nothing is left to chance: all patches, no augmentation.

    Parameters
    ----------
    seed
        An int ≥ 0.
    epoch
        The number of the epoch, from 0.

    Examples
    --------
    >>> first, again = Draw(0, epoch=3).generator("slides", "p1"), Draw(0, epoch=3).generator("slides", "p1")
    >>> first.random() == again.random(), first.random() == Draw(0, epoch=4).generator("slides", "p1").random()
    (True, False)
    """

    seed: int
    epoch: int

    def generator(self, *names: object) -> np.random.Generator:
        """Return the random numbers of something that has these names.

        Parameters
        ----------
        names
            Say the modality, the patient and the number of the row.
        """
        text = json.dumps([self.seed, self.epoch, *map(str, names)])
        words = np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint32)
        return np.random.default_rng(words)

    def chance(self, modality: str, rows: Sequence[tuple[str, int]]) -> Chance:
        """Return the random numbers of each row of a batch, which the other rows do not change.

        Parameters
        ----------
        modality
            Its name.
        rows
            For each row of the batch the patient, and the number of the row in the data.
        """
        return lambda i: self.generator(modality, *rows[i])
