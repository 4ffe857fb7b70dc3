"""What options of learners may be: said in the signature of ``_fit``, and checked before it is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_type_hints

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from mmlego.errors import InputError
from mmlego.wording import listed, meant

if TYPE_CHECKING:
    from mmlego.learners.base import Learner

Count: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000)]
Several: TypeAlias = Annotated[int, Field(ge=2, le=1_000_000)]
Share: TypeAlias = Annotated[float, Field(gt=0, le=1)]
Step: TypeAlias = Annotated[float, Field(gt=0, le=1e6)]
Penalty: TypeAlias = Annotated[float, Field(ge=0, le=1e30)]
Tried: TypeAlias = Literal["sqrt", "log2"] | Share | None  # columns of a split
Ratio: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Some = Field(min_length=1)
Ratios: TypeAlias = Ratio | Annotated[list[Ratio], Some] | Annotated[tuple[Ratio, ...], Some]


def check_options(cls: type[Learner], options: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a learner, numbers of numpy as plain ones, if each is known and may be so.

    Parameters
    ----------
    cls
        The class of the learner; what it does not say of an option is not checked.
    options
        By name.
    known
        Those there are, with their defaults.

    Raises
    ------
    InputError
        If one is unknown, or of another kind or size than the learner takes.

    Examples
    --------
    >>> from mmlego.learners import Ridge
    >>> check_options(Ridge, {"penalties": np.int64(5)}, {"penalties": 30})
    {'penalties': 5}
    >>> check_options(Ridge, {"penalties": -1}, {"penalties": 30})
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: option 'penalties' of learner 'ridge': expected a value like its default, 30, got -1. ...
    """
    unknown = sorted(str(name) for name in options if name not in known)
    if unknown:
        raise InputError(
            f"unknown option of learner {cls.registered_name!r}",
            expected=f"of {', '.join(known)}" if known else "none",
            got=listed(unknown),
            remedy=meant(unknown[0], list(known)) if known else "Leave it out.",
        )
    kinds = _kinds(cls)
    checked = {}
    for name, value in options.items():
        checked[name] = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
        if name not in kinds:
            continue
        try:
            checked[name] = TypeAdapter(kinds[name]).validate_python(checked[name], strict=True)
        except ValidationError as error:
            reasons = dict.fromkeys(one["msg"] for one in error.errors())
            raise InputError(
                f"option {name!r} of learner {cls.registered_name!r}",
                expected=f"a value like its default, {known[name]!r}",
                got=repr(value),
                remedy=f"{'; or: '.join(reasons)}.",
            ) from None
    return checked


def _kinds(cls: type[Learner]) -> dict[str, Any]:
    """Return what is said of the options; of a learner whose annotations cannot be read, nothing."""
    try:
        return get_type_hints(cls._fit, include_extras=True)
    except (NameError, TypeError):
        return {}
