"""The errors of mmlego: each says what is wrong, what was expected, what was got, and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mmlego.printable import escaped


class LegoError(Exception):
    """The root of all errors that mmlego raises itself; what a terminal would obey is escaped in its text.

    Parameters
    ----------
    what
        What is wrong, as a short clause.
    expected
        What would have been right.
    got
        What was there instead.
    remedy
        What the caller can do about it.

    Examples
    --------
    >>> str(LegoError("channels is not positive", expected="an int ≥ 1", got=0, remedy="Pass channels=32."))
    'channels is not positive: expected an int ≥ 1, got 0. Pass channels=32.'
    """

    def __init__(
        self,
        what: str,
        *,
        expected: object | None = None,
        got: object | None = None,
        remedy: str | None = None,
    ) -> None:
        parts = []
        if expected is not None:
            parts.append(f"expected {expected}")
        if got is not None:
            parts.append(f"got {got}")
        text = what + (f": {', '.join(parts)}" if parts else "")
        if remedy is not None:
            text = f"{text.removesuffix('.')}. {remedy}"  # the clause may be another error, which ends in a remedy
        super().__init__(escaped(text))
        self.remedy = remedy


class InputError(LegoError, ValueError):
    """A value that cannot be used: NaN features, an empty bag, a negative survival time."""


class ShapeError(InputError):
    """A tensor of the wrong shape."""


class TooFewError(InputError):
    """Patients too few, or too alike in outcome, for a model to be fitted without a part of them."""


class UnknownNameError(LegoError, LookupError):
    """A name that is not registered: a modality, a rule, an encoder, a task."""


class MismatchError(LegoError, ValueError):
    """Parts that do not fit together: blocks of two baseplates or of two tasks."""


class CheckpointError(LegoError, ValueError):
    """A checkpoint that cannot be read: truncated, changed, not one of ours."""


class VersionError(CheckpointError):
    """A checkpoint written in a newer format than this version can read."""


class MissingExtraError(LegoError, ImportError):
    """An optional package that is not installed; the message names the extra."""


class LegoWarning(UserWarning):
    """Something the caller should know, with a sensible answer all the same."""

    def __init__(self, *told: object) -> None:
        super().__init__(*(escaped(one) if isinstance(one, str) else one for one in told))


@contextmanager
def within(place: str, name: str | None = None) -> Iterator[None]:
    """Say in an error, raised where nobody knows whose data they are, what they belong to.

    Parameters
    ----------
    place
        What it is: a file, a modality.
    name
        What of it an error may have named already, which then stays as it is; None: it is always said.

    Raises
    ------
    LegoError
        The error, of its class, with the place before it.

    Examples
    --------
    >>> with within("modality 'rna'"):
    ...     raise InputError("keep is not positive")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: modality 'rna': keep is not positive
    """
    try:
        yield
    except LegoError as error:
        if name is not None and name in str(error):
            raise
        raise type(error)(f"{place}: {error}") from error


_NOTED: ContextVar[list[LegoError] | None] = ContextVar("_NOTED", default=None)


@contextmanager
def noting() -> Iterator[list[LegoError]]:
    """Have :func:`fault` note errors in place of raising them, for whoever wants to know all that is wrong at once.

    Yields
    ------
    list of LegoError
        Those noted, in order; one that is raised all the same is not among them.

    Examples
    --------
    >>> with noting() as found:
    ...     fault(InputError("age holds words"))
    ...     fault(InputError("sex is not there"))
    >>> [str(error) for error in found]
    ['age holds words', 'sex is not there']
    """
    found: list[LegoError] = []
    token = _NOTED.set(found)
    try:
        yield found
    finally:
        _NOTED.reset(token)


def fault(error: LegoError) -> None:
    """Raise an error after which more may be found wrong; within :func:`noting` it is noted.

    Who calls this goes on as if what is wrong were not there; nothing that is read so is ever used.

    Parameters
    ----------
    error
        The error.

    Raises
    ------
    LegoError
        The error.

    Examples
    --------
    >>> fault(InputError("age holds words"))
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: age holds words
    """
    found = _NOTED.get()
    if found is None:
        raise error
    found.append(error)


def noted() -> int:
    """Return how many errors have been noted so far; 0 where they are raised."""
    return len(_NOTED.get() or ())


def named(few: int) -> int:
    """Return how many things an error names: few, or all but too many where all that is wrong is wanted at once.

    Parameters
    ----------
    few
        How many it names where it is raised.
    """
    return few if _NOTED.get() is None else max(few, 40)
