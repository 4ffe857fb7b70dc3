"""Bounds of numbers as a section of settings declares them: for whoever is given such a number by other ways, too."""

from __future__ import annotations

import math
import types
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from mmlego.errors import InputError
from mmlego.scalars import as_number

_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Bounds:
    """What a number may be.

    Parameters
    ----------
    whole
        Whether it is an int.
    optional
        Whether None is allowed.
    ge, gt, le, lt
        The bounds themselves, None where there is none.
    """

    whole: bool
    optional: bool
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    def hold(self, value: float) -> bool:
        """Return whether a number lies within; NaN never does."""
        return (
            value == value
            and (self.ge is None or value >= self.ge)
            and (self.gt is None or value > self.gt)
            and (self.le is None or value <= self.le)
            and (self.lt is None or value < self.lt)
        )

    def described(self, value: float) -> str:
        """Return what is expected; the upper bound of a float is told where the value is above it."""
        signs = {"≥": self.ge, ">": self.gt}
        text = ("an int" if self.whole else "a number") + "".join(
            f" {sign} {bound:g}" for sign, bound in signs.items() if bound is not None
        )
        if self.le is not None and (self.whole or value > self.le):
            text += f", at most {_short(self.le)}"
        if self.lt is not None and (self.whole or value >= self.lt):
            text += ", finite" if math.isinf(self.lt) else f", below {_short(self.lt)}"
        return text


def bounds_of(section: type[BaseModel], name: str) -> Bounds | None:
    """Return the bounds of a setting; None if it is no number.

    Parameters
    ----------
    section
        The class of the section.
    name
        The setting.

    Examples
    --------
    >>> from pydantic import Field
    >>> class Fit(BaseModel):
    ...     lr: float = Field(default=1e-3, gt=0, le=1e30)
    >>> bounds_of(Fit, "lr")
    Bounds(whole=False, optional=False, ge=None, gt=0, le=1e+30, lt=None)
    """
    field = section.model_fields[name]
    union = get_origin(field.annotation) in (Union, types.UnionType)
    kinds = set(get_args(field.annotation)) if union else {field.annotation}
    numbers = kinds - {type(None)}
    if numbers not in ({int}, {float}):
        return None
    found = {
        key: getattr(rule, key) for rule in field.metadata for key in ("ge", "gt", "le", "lt") if hasattr(rule, key)
    }
    return Bounds(numbers == {int}, type(None) in kinds, **found)


def within(section: type[BaseModel], name: str, value: Any, what: str) -> int | float | None:
    """Return a setting that was given as an argument as a plain number, if it lies within the section's bounds.

    Parameters
    ----------
    section
        The class of the section.
    name
        The setting, which is a number.
    value
        A number of Python, numpy or torch; or None, where the setting may be.
    what
        What it is, for the error.

    Raises
    ------
    InputError
        If it does not.

    Examples
    --------
    >>> from pydantic import Field
    >>> class Fit(BaseModel):
    ...     epochs: int = Field(default=60, ge=1)
    >>> within(Fit, "epochs", 0, "epochs of fit")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: epochs of fit: expected an int ≥ 1, got 0
    """
    bounds = bounds_of(section, name)
    if bounds is None:
        raise InputError(f"{name} of {section.__name__}", expected="a setting that is a number", got="another")
    if value is None and bounds.optional:
        return None
    if bounds.whole:
        right = isinstance(value, Integral) and not isinstance(value, bool)
        if not right or not bounds.hold(int(value)):
            raise InputError(what, expected=bounds.described(0), got=repr(value))
        return int(value)
    number = as_number(value)
    if not bounds.hold(number):
        raise InputError(what, expected=bounds.described(number), got=repr(value))
    return number


def _short(bound: float) -> str:
    whole = int(bound)
    if whole == bound and whole >= 2**31 and not whole & (whole - 1):
        return "2" + str(whole.bit_length() - 1).translate(_SUPERSCRIPT)
    return f"{bound:g}"
