"""Cohorts out of objects in memory: numpy arrays, AnnData, MuData."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlego.errors import InputError, ShapeError, UnknownNameError
from mmlego.wording import listed

if TYPE_CHECKING:
    import pandas as pd

# A matrix with so many values is not made dense unasked.
MOST_VALUES = 2**30


def arrays_to_frames(
    arrays: Mapping[str, Any], patients: Sequence[str] | Mapping[str, Sequence[str]]
) -> dict[str, pd.DataFrame]:
    """Return a table a modality, with columns ``name_0``, ``name_1``, ….

    Parameters
    ----------
    arrays
        For each modality an array ``(n, f)``; a row of NaN alone is a patient who does not have it.
    patients
        The ``n`` patient ids, of all arrays or of each by name.

    Raises
    ------
    ShapeError
        If an array is not ``(n, f)`` with a row a patient.
    UnknownNameError
        If the patients of a modality are not given.

    Examples
    --------
    >>> arrays_to_frames({"rna": np.ones((2, 2))}, ["a", "b"])["rna"].columns.tolist()
    ['rna_0', 'rna_1']
    """
    import pandas as pd

    frames = {}
    for name, values in arrays.items():
        if isinstance(patients, Mapping) and name not in patients:
            raise UnknownNameError(f"no patients are given for modality {name!r}", expected="ids", got=listed(patients))
        ids = list(patients[name] if isinstance(patients, Mapping) else patients)
        array = np.asarray(values)
        if array.ndim != 2 or len(array) != len(ids) or array.shape[1] == 0:
            expected = f"an array ({len(ids)}, f), a row a patient"
            raise ShapeError(f"modality {name!r} is of the wrong shape", expected=expected, got=array.shape)
        frames[name] = pd.DataFrame(array, pd.Index(ids, dtype=object), [f"{name}_{i}" for i in range(array.shape[1])])
    return frames


def anndata_to_frame(data: Any, *, layer: str | None = None, key: str | None = None) -> pd.DataFrame:
    """Return the values of an AnnData, a row an observation, indexed by patient.

    Parameters
    ----------
    data
        The AnnData; its matrix may be sparse.
    layer
        The layer to take in place of ``X``.
    key
        The column of ``obs`` that holds patient ids; None, or one that is not there: the names of the observations.

    Raises
    ------
    UnknownNameError
        If there is no such layer.
    InputError
        If it holds no numbers, or too many to be made dense.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import pandas as pd
    >>> obs, names = pd.DataFrame(index=["a", "b"]), pd.Index(["TP53"])
    >>> data = SimpleNamespace(X=np.array([[1.0], [2.0]]), layers={}, obs=obs, obs_names=obs.index, var_names=names)
    >>> anndata_to_frame(data)["TP53"].to_dict()
    {'a': 1.0, 'b': 2.0}
    """
    import pandas as pd

    if layer is not None and layer not in data.layers:
        raise UnknownNameError(f"no layer {layer!r}", expected=f"one of {listed(data.layers)}", got=repr(layer))
    matrix = data.X if layer is None else data.layers[layer]
    if matrix is None:
        raise InputError("an AnnData without values in X", remedy="Say which layer holds them.")
    if np.prod(matrix.shape) > MOST_VALUES:
        raise InputError(
            "an AnnData that is too large to be made dense", expected=f"at most {MOST_VALUES} values", got=matrix.shape
        )
    values = np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix)
    index = data.obs[key] if key is not None and key in data.obs.columns else data.obs_names
    names = [str(name) for name in data.var_names]
    again = [name for name, count in Counter(names).items() if count > 1]
    if again:
        remedy = "Call .var_names_make_unique(), or add up what belongs together."
        raise InputError(f"variables of the same name ({listed(again)})", remedy=remedy)
    return pd.DataFrame(values, pd.Index(list(index), dtype=object), names)


def mudata_to_frame(
    data: Any, modality: str, *, layer: str | None = None, key: str | None = None, mask: Any = None
) -> pd.DataFrame:
    """Return the values of one modality of a MuData, of the observations who have it.

    Who has it stands in ``obsm[modality]``, booleans over all observations, where it is given; an observation that the
    mask leaves out does not count, whatever its row holds.

    Parameters
    ----------
    data
        The MuData.
    modality
        One of its modalities.
    layer
        The layer to take in place of ``X``.
    key
        The column of ``obs`` (the modality's, or the whole's) that holds patient ids; None: the observations' names.
    mask
        Who has it, in place of ``obsm[modality]``.

    Raises
    ------
    UnknownNameError
        If there is no such modality or layer.
    """
    if modality not in data.mod:
        raise UnknownNameError(f"no modality {modality!r}", expected=f"one of {listed(data.mod)}", got=repr(modality))
    part = data.mod[modality]
    frame = anndata_to_frame(part, layer=layer, key=key)
    names = part.obs_names
    flags = np.asarray(data.obsm[modality] if mask is None and modality in data.obsm else mask)
    if flags.dtype == np.bool_ and flags.size == len(data.obs_names):
        has = set(data.obs_names[flags.reshape(-1)])
        chosen = [name in has for name in names]
        frame, names = frame[chosen], names[chosen]
    if key is not None and key not in part.obs.columns and key in data.obs.columns:
        frame.index = frame.index.map(data.obs[key])
    return frame


def read_container(data: Any, key: str | None = None) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Return the tables of a MuData by modality, or of an AnnData as ``omics``, and what is said of the observations.

    Parameters
    ----------
    data
        A MuData or an AnnData.
    key
        The column of ``obs`` that holds patient ids; None: the names of the observations.

    Raises
    ------
    InputError
        If it is neither.
    """
    if not hasattr(data, "obs") or not hasattr(data, "obs_names"):
        raise InputError("a cohort of something else", expected="a MuData or an AnnData", got=type(data).__name__)
    obs = data.obs if key is None else data.obs.set_index(key)
    if hasattr(data, "mod"):
        return {str(name): mudata_to_frame(data, name, key=key) for name in data.mod}, obs
    return {"omics": anndata_to_frame(data, key=key)}, obs
