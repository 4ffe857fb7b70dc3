"""The registry of kinds: a name in manifests, its source, and the preprocessing that is saved with a block."""

from __future__ import annotations

from collections.abc import Mapping

from mmlego.data.kinds.fitted import Preprocessing
from mmlego.data.kinds.source import Source
from mmlego.errors import InputError, UnknownNameError
from mmlego.plugins import Origin, Registry
from mmlego.wording import meant

KINDS: Registry[type[Source]] = Registry("kind", "mmlego.kinds")
_FITTED: Registry[type[Preprocessing]] = Registry("preprocessing")


def register_kind(source: type[Source], preprocessing: type[Preprocessing]) -> None:
    """Register a kind: its section of a manifest, by the default of ``kind``, and what is fitted for it.

    Several kinds may share one preprocessing, as images and volumes do. A kind of another distribution is found by
    manifests, checkpoints and all commands if that has an entry point ``mmlego.kinds`` of the kind's name, whose module
    registers it when imported.

    Parameters
    ----------
    source
        Reads a modality of this kind.
    preprocessing
        Makes tensors of what was read.

    Raises
    ------
    InputError
        If the kind has no name, or its name or that of its preprocessing is taken.
    """
    name = source.model_fields["kind"].default
    if not isinstance(name, str):
        raise InputError(
            f"{source.__name__} does not say its kind", expected='kind: Literal["name"] = "name"', got=repr(name)
        )
    KINDS.check(name, source)
    _FITTED.add(preprocessing.name, preprocessing)
    KINDS.add(name, source)


def preprocessing_names() -> tuple[str, ...]:
    """Return the names of the known kinds of preprocessing, those of installed distributions too.

    Examples
    --------
    >>> import mmlego.data
    >>> "table" in preprocessing_names()
    True
    """
    KINDS.load_all()
    return tuple(_FITTED)


def origin_of_preprocessing(name: str) -> Origin:
    """Return where a preprocessing comes from; nothing is imported.

    Parameters
    ----------
    name
        Any text.
    """
    return _FITTED.origin(name)


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
    MissingExtraError
        If the distribution of its kind cannot be imported.

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
    if name not in _FITTED and name not in KINDS:  # most kinds name their preprocessing as themselves
        KINDS.load_all()
    if name not in _FITTED:
        hint = meant(name, tuple(_FITTED))
        raise UnknownNameError(f"unknown preprocessing {name!r}", remedy=f"{hint} Or install the package of its kind.")
    return _FITTED[name].from_config(config)
