"""What all fitted preprocessing has in common: it is learnt on training patients and saved with the block."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor

from mmlego.anonymity import Kept
from mmlego.data.kinds.states import read_state
from mmlego.data.reading.likely_codes import CODES
from mmlego.wording import shortened

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data.memory.columns import Column


Odd: TypeAlias = dict[str, list[str]]
FAR = 6.0  # standard deviations of the training patients from their mean, beyond which a value is marked
FAR_CODE = 3.0  # and one that often says that nothing is known, as -9 and 999


def far_values(
    patients: Sequence[str], names: Sequence[str], values: NDArray[np.floating], scaled: NDArray[np.floating]
) -> Odd:
    """Return by patient the values that are far from those of training, as ``age = 350``.

    Parameters
    ----------
    patients
        Whose they are, ``n``.
    names
        The numeric columns, ``f``.
    values
        The values ``(n, f)``.
    scaled
        The same in standard deviations from the mean; NaN where missing.

    Examples
    --------
    >>> far_values(["a", "b"], ["age"], np.array([[350.0], [60.0]]), np.array([[29.0], [0.0]]))
    {'a': ['age = 350']}
    >>> far_values(["a", "b"], ["age"], np.array([[-9.0], [17.0]]), np.array([[-5.5], [-3.5]]))  # the first a code
    {'a': ['age = -9']}
    """
    found: Odd = {}
    far = np.abs(scaled) > FAR
    near = np.abs(scaled) > FAR_CODE
    if near.any():
        far |= near & np.isin(values, CODES)
    for row, column in zip(*np.nonzero(far), strict=True):
        found.setdefault(str(patients[row]), []).append(f"{names[column]} = {float(values[row, column]):g}")
    return found


class Preprocessing(ABC):
    """What all fitted preprocessing has in common: it describes itself, with its name under ``"name"``.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego.data import TablePreprocessor
    >>> fitted: Preprocessing = TablePreprocessor.fit(pd.DataFrame({"age": [40.0, 60.0]}))
    >>> fitted.config()["name"]
    'table'
    """

    name: ClassVar[str]  # in configurations
    ragged: ClassVar[bool] = False  # whether patients have tokens of unequal number
    accepts_missing: ClassVar[bool] = False  # whether NaN stays, for encoders to which it means "not measured"
    saved_as: ClassVar[type[BaseModel]]  # the form in which it is saved
    called: ClassVar[str]  # whose preprocessing it is, in messages

    @abstractmethod
    def transform(self, frame: pd.DataFrame) -> Tensor | Sequence[Tensor] | Column:
        """Return the features of some patients, a row or a list entry each; or a column that loads them."""

    def observed(self, frame: pd.DataFrame) -> Tensor:
        """Return which of them have anything at all, booleans ``(n,)``; where only who has is in the frame: all."""
        return torch.ones(len(frame), dtype=torch.bool)

    def needed(self) -> Sequence[str]:
        """Return the columns that a frame must have, where the kind is made of columns that may be filled."""
        return ()

    def gaps(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return which cells of the needed columns that a frame has are filled, for they say nothing: booleans."""
        return frame[[name for name in self.needed() if name in frame.columns]].isna()

    def known(self) -> Sequence[str]:
        """Return the names that it has for columns or variables, of which a file may have others."""
        return self.needed()

    def odd(self, frame: pd.DataFrame) -> tuple[Odd, Odd]:
        """Return by patient the values far from those of training, and those that training did not have, as words."""
        return {}, {}

    @abstractmethod
    def blank(self) -> Tensor | Column:
        """Return the features of nobody ``(0, ...)``, of a ragged kind an empty bag; or a column of nobody."""

    @abstractmethod
    def encoder(self) -> tuple[str, dict[str, object]]:
        """Return the name of the encoder that suits this kind, and the arguments that follow from the data."""

    @abstractmethod
    def config(self) -> dict[str, object]:
        """Return all that was learnt, as values that JSON can hold."""

    def kept(self) -> list[Kept]:
        """Return what of :meth:`config` came from patients, and for how many each value stands.

        A kind that does not say so has all of its state listed, uncounted.
        """
        state = {key: value for key, value in self.config().items() if key not in ("name", "version")}
        return [Kept(key, f"of {self.called}", shortened(json.dumps(value))) for key, value in state.items()]

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Return the preprocessing that :meth:`config` described.

        Parameters
        ----------
        config
            What :meth:`config` returned.

        Raises
        ------
        CheckpointError
            If it is damaged.
        VersionError
            If a newer version wrote it.
        """
        return cls._restored(read_state(cls.saved_as, config, cls.called))

    @classmethod
    @abstractmethod
    def _restored(cls, state: Any) -> Self:
        """Return the preprocessing of a saved form that was checked."""
