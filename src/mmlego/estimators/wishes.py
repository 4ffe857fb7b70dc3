"""From the parameters of an estimator to the settings of the main job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from mmlego.errors import InputError, UnknownNameError
from mmlego.settings import AUTO, Settings, as_settings, read_settings
from mmlego.wording import listed

Blocks: TypeAlias = str | Mapping[str, Any]
Weights: TypeAlias = str | Mapping[str, float]
Overrides: TypeAlias = Mapping[str, Any] | Iterable[str] | None


def settings_of(
    blocks: Blocks, weights: Weights, overrides: Overrides, seed: int, modalities: Iterable[str]
) -> Settings:
    """Return the settings of the main job that the parameters of an estimator ask for.

    Parameters
    ----------
    blocks
        The name of an encoder or a learner for all modalities, or one by modality; in place of a name its section of
        the settings, as ``{"name": "snn", "options": {"width": 64}}``.
    weights
        ``merge.weights``.
    overrides
        As ``mmlego train`` takes them, ``["fit.epochs=5"]``, or the same as a mapping ``{"fit.epochs": 5}``; they win
        over the other parameters.
    seed
        Of splits, weights and training.
    modalities
        Those that there are.

    Raises
    ------
    InputError
        If a value is wrong.
    UnknownNameError
        If a modality, an encoder or a learner is unknown.

    Examples
    --------
    >>> chosen = settings_of({"rna": "ridge"}, "auto", {"fit.epochs": 5}, 1, ["rna", "age"])
    >>> chosen.encoders["rna"].name, chosen.encoder.name, chosen.fit.epochs, chosen.seed
    ('ridge', 'auto', 5, 1)
    """
    content: dict[str, Any] = {"seed": seed, "merge": {"weights": weights}}
    if isinstance(blocks, Mapping):
        content["encoders"] = {name: {"name": one} if isinstance(one, str) else one for name, one in blocks.items()}
        known = list(modalities)
        unknown = [name for name in blocks if name not in known]
        if unknown:
            raise UnknownNameError("blocks: unknown modality", expected=f"one of {listed(known)}", got=listed(unknown))
    elif isinstance(blocks, str):
        content["encoder"] = {} if blocks == AUTO else {"name": blocks}
    else:
        raise InputError("blocks", expected="a name, or names by modality", got=repr(blocks))
    return as_settings(_merged(content, _nested(overrides)))


def _nested(overrides: Overrides) -> dict[str, Any]:
    if overrides is None:
        return {}
    if not isinstance(overrides, Mapping):
        if isinstance(overrides, str):
            overrides = [overrides]
        given: dict[str, Any] = read_settings(None, list(overrides)).model_dump(exclude_unset=True)
        return given
    content: dict[str, Any] = {}
    for name, value in overrides.items():
        *path, last = str(name).split(".")
        place = content
        for key in path:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise InputError(f"the setting {name!r}", expected=f"{key!r} to be a section", got=repr(place))
        place[last] = _merged(place[last], value) if isinstance(value, Mapping) and last in place else value
    return content


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values, those of the second in place of those of the first."""
    made = dict(first)
    for key, value in second.items():
        old = made.get(key)
        made[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return made
