"""What constructors may be given by files and settings: values of the kinds and sizes that their signatures declare."""

from __future__ import annotations

import functools
import inspect
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeAlias, get_type_hints

from pydantic import Field, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from mmlego.errors import InputError
from mmlego.printable import escaped
from mmlego.wording import brief, meant

Width: TypeAlias = Annotated[int, Field(ge=1, le=2**24)]  # of tokens, layers, tables
Layers: TypeAlias = Annotated[int, Field(ge=0, le=1000)]
Heads: TypeAlias = Annotated[int, Field(ge=1, le=4096)]
Chance: TypeAlias = Annotated[float, Field(ge=0, le=1)]  # of dropout
Span: TypeAlias = Annotated[float, Field(gt=0, le=1e30)]  # of time

_WORD = re.compile(r"[\w +\-.]{0,100}", re.ASCII)
_DEEPEST = 8


def check_arguments(
    make: Callable[..., Any], given: Mapping[str, Any], what: str, *, narrower: Mapping[str, Any] | None = None
) -> None:
    """Check that a constructor admits arguments: their names, kinds and sizes, as far as its signature tells.

    Parameters
    ----------
    make
        A class or function; ``Annotated`` says the sizes.
    given
        The arguments by name, values as JSON has them.
    what
        Whose they are, for messages.
    narrower
        Kinds that stand in place of those of the signature.

    Raises
    ------
    InputError
        If an argument is missing or unknown, or of another kind or size than declared.

    Examples
    --------
    >>> def layers(in_features: Width, dropout: Chance = 0.0) -> None: ...
    >>> check_arguments(layers, {"in_features": 3, "dropout": 1}, "an example")
    >>> check_arguments(layers, {"in_features": 10**12}, "an example")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: in_features of an example: expected less than or equal to 16777216, got 1000000000000
    """
    signature = inspect.signature(make)
    try:
        signature.bind(**given)
    except TypeError as error:
        known = list(signature.parameters)
        odd = sorted(name for name in map(str, given) if name not in known)
        raise InputError(
            f"wrong arguments for {what} ({error})",
            expected=f"of {known}",
            got=escaped(str(sorted(map(str, given)))),
            remedy=meant(odd[0], known) if odd else None,
        ) from error
    kinds = {**_kinds(make), **(narrower or {})}
    for name, value in given.items():
        if name not in kinds:
            continue
        try:
            _adapter(kinds[name]).validate_json(_as_json(value, f"{name} of {what}"), strict=True)
        except (PydanticSchemaGenerationError, PydanticUserError):
            continue  # a kind that no file can hold: the constructor itself has to refuse it
        except ValidationError as error:
            first = error.errors()[0]
            place = "".join(f"[{part}]" for part in first["loc"] if isinstance(part, int))
            reasons = dict.fromkeys(one["msg"].removeprefix("Input should be ") for one in error.errors())
            expected = escaped("; or: ".join(list(reasons)[:3]))
            raise InputError(f"{name}{place} of {what}", expected=expected, got=brief(value)) from None


def check_plain(value: Any, what: str, *, allowed: Iterable[str] = ()) -> None:
    """Check that a value for code of others can name nothing outside: no address, no path, no code.

    Parameters
    ----------
    value
        Numbers, truth values, None and words of letters, digits, spaces and ``_+-.``, in lists and dicts of such.
    what
        What it is, for messages.
    allowed
        Texts that are admitted as they are.

    Raises
    ------
    InputError
        If it holds anything else, or a number that is not finite.

    Examples
    --------
    >>> check_plain({"norm": ["batch", {"affine": True}]}, "arguments")
    >>> check_plain({"norm": "https://example.org"}, "arguments")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: norm of arguments: expected a plain word, got 'https://example.org'. ...
    """
    _check_plain(value, what, frozenset(allowed), 0)


def _check_plain(value: Any, what: str, allowed: frozenset[str], depth: int) -> None:
    if depth > _DEEPEST:
        raise InputError(what, expected=f"lists in lists, {_DEEPEST} deep at most", got="deeper ones")
    if isinstance(value, Mapping):
        for key, part in value.items():
            if not isinstance(key, str):
                raise InputError(what, expected="texts as keys", got=brief(key))
            _check_plain(key, f"a key of {what}", allowed, depth + 1)
            _check_plain(part, f"{key} of {what}", allowed, depth + 1)
    elif isinstance(value, list | tuple):
        for part in value:
            _check_plain(part, what, allowed, depth + 1)
    elif isinstance(value, str):
        if value not in allowed and (not _WORD.fullmatch(value) or ".." in value):
            raise InputError(
                what,
                expected="a plain word",
                got=brief(value),
                remedy="Nothing that could name an address, a file or code is passed on.",
            )
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(what, expected="a finite number", got=value)
    elif value is not None and not isinstance(value, bool | int | float):
        raise InputError(what, expected="numbers, words, lists and dicts", got=type(value).__name__)


@functools.cache
def _kinds(make: Callable[..., Any]) -> dict[str, Any]:
    """Return what a constructor declares of its arguments; nothing where that cannot be read."""
    try:
        maker: Any = make
        if isinstance(make, type):
            maker = next(vars(cls)["__init__"] for cls in make.__mro__ if "__init__" in vars(cls))
        return get_type_hints(maker, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _as_json(value: Any, what: str) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(what, expected="a value that JSON can hold", got=brief(value)) from error
