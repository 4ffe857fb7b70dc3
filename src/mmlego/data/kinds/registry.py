"""The registry of kinds: a name in manifests, its source, and the preprocessing that is saved with a block."""

from __future__ import annotations

from collections.abc import Mapping

from mmlego.data.kinds.fitted import Preprocessing
from mmlego.data.kinds.source import Source
from mmlego.errors import InputError, UnknownNameError
from mmlego.wording import meant

KINDS: dict[str, type[Source]] = {}
_FITTED: dict[str, type[Preprocessing]] = {}


def register_kind(source: type[Source], preprocessing: type[Preprocessing]) -> None:
    """Register a kind: its section of a manifest, by the default of ``kind``, and what is fitted for it.

    Several kinds may share one preprocessing, as images and volumes do.

    Parameters
    ----------
    source
        Reads a modality of this kind.
    preprocessing
        Makes tensors of what was read.

    Raises
    ------
    InputError
        If the name is taken.
    """
    name = source.model_fields["kind"].default
    if name in KINDS or _FITTED.get(preprocessing.name, preprocessing) is not preprocessing:
        raise InputError(f"there is a kind {name!r}", expected="a new name", got=source.__name__)
    KINDS[name], _FITTED[preprocessing.name] = source, preprocessing


def preprocessing_names() -> tuple[str, ...]:
    """Return the names of the known kinds of preprocessing.

    Examples
    --------
    >>> import mmlego.data
    >>> "table" in preprocessing_names()
    True
    """
    return tuple(_FITTED)


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
    >>> from mmlego.data import TablePreprocessor
    >>> table = TablePreprocessor.fit(pd.DataFrame({"age": [40.0, 60.0]}))
    >>> preprocessing_from_config(table.config()) == table
    True
    """
    name = config.get("name")
    if not isinstance(name, str):
        raise InputError("a preprocessing without a name", expected="a config with 'name'", got=sorted(config))
    if name not in _FITTED:
        raise UnknownNameError(f"unknown preprocessing {name!r}", remedy=meant(name, preprocessing_names()))
    return _FITTED[name].from_config(config)
