"""The registry of preprocessing: what is saved with a block can be built again from its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

from torch import Tensor

from mmlego.data.bags import BagPreprocessor
from mmlego.data.columns import Column
from mmlego.data.graphs import GraphPreprocessor
from mmlego.data.images import ImagePreprocessor
from mmlego.data.molecule_bits import FingerprintPreprocessor
from mmlego.data.omics import OmicsPreprocessor
from mmlego.data.sequences import SequencePreprocessor
from mmlego.data.series import SeriesPreprocessor
from mmlego.data.tables import TablePreprocessor
from mmlego.data.texts import TextPreprocessor
from mmlego.data.wording import meant
from mmlego.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd


class Preprocessing(Protocol):
    """What all fitted preprocessing has in common: it describes itself, with its name under ``"name"``.

    Examples
    --------
    >>> import pandas as pd
    >>> fitted: Preprocessing = TablePreprocessor.fit(pd.DataFrame({"age": [40.0, 60.0]}))
    >>> fitted.config()["name"]
    'table'
    """

    def config(self) -> dict[str, object]:
        """Return all that was learnt, as values that JSON can hold."""

    ragged: ClassVar[bool]  # whether patients have tokens of unequal number
    accepts_missing: ClassVar[bool]  # whether NaN stays, for encoders to which it means "not measured"

    def blank(self) -> Tensor | Column:
        """Return the features of nobody ``(0, ...)``, of a ragged kind an empty bag; or a column of nobody."""

    def transform(self, frame: pd.DataFrame) -> Tensor | Sequence[Tensor] | Column:
        """Return the features of some patients, a row or a list entry each; or a column that loads them."""

    def observed(self, frame: pd.DataFrame) -> Tensor:
        """Return which of them have anything at all, booleans ``(n,)``."""

    def encoder(self) -> tuple[str, dict[str, object]]:
        """Return the name of the encoder that suits this kind, and the arguments that follow from the data."""


_KNOWN: dict[str, Callable[[Mapping[str, object]], Preprocessing]] = {
    BagPreprocessor.name: BagPreprocessor.from_config,
    FingerprintPreprocessor.name: FingerprintPreprocessor.from_config,
    GraphPreprocessor.name: GraphPreprocessor.from_config,
    ImagePreprocessor.name: ImagePreprocessor.from_config,
    OmicsPreprocessor.name: OmicsPreprocessor.from_config,
    SequencePreprocessor.name: SequencePreprocessor.from_config,
    SeriesPreprocessor.name: SeriesPreprocessor.from_config,
    TablePreprocessor.name: TablePreprocessor.from_config,
    TextPreprocessor.name: TextPreprocessor.from_config,
}


def preprocessing_names() -> tuple[str, ...]:
    """Return the names of the known kinds of preprocessing.

    Examples
    --------
    >>> "table" in preprocessing_names()
    True
    """
    return tuple(_KNOWN)


def preprocessing_from_config(config: Mapping[str, object]) -> Preprocessing:
    """Return the fitted preprocessing that a configuration describes.

    Parameters
    ----------
    config
        What its ``config()`` returned.

    Returns
    -------
    Preprocessing
        The preprocessing, equal to the one saved.

    Raises
    ------
    InputError
        If the configuration has no name.
    UnknownNameError
        If no kind has that name; the message lists the known ones.

    Examples
    --------
    >>> import pandas as pd
    >>> table = TablePreprocessor.fit(pd.DataFrame({"age": [40.0, 60.0]}))
    >>> preprocessing_from_config(table.config()) == table
    True
    """
    name = config.get("name")
    if not isinstance(name, str):
        raise InputError("a preprocessing without a name", expected="a config with 'name'", got=sorted(config))
    if name not in _KNOWN:
        raise UnknownNameError(f"unknown preprocessing {name!r}", remedy=meant(name, preprocessing_names()))
    return _KNOWN[name](config)
