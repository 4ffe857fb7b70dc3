"""The registry of preprocessing: what is saved with a block can be built again from its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmlego.data.bags import BagPreprocessor
from mmlego.data.fitted import Preprocessing
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
    pass


_KNOWN: dict[str, type[Preprocessing]] = {
    kind.name: kind
    for kind in (
        BagPreprocessor,
        FingerprintPreprocessor,
        GraphPreprocessor,
        ImagePreprocessor,
        OmicsPreprocessor,
        SequencePreprocessor,
        SeriesPreprocessor,
        TablePreprocessor,
        TextPreprocessor,
    )
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
    return _KNOWN[name].from_config(config)
