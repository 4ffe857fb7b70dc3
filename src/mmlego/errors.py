"""The errors of mmlego: each says what is wrong, what was expected, what was got, and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class LegoError(Exception):
    """The root of all errors that mmlego raises itself.

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
        super().__init__(text)
        self.remedy = remedy


class InputError(LegoError, ValueError):
    """A value that cannot be used: NaN features, an empty bag, a negative survival time."""


class ShapeError(InputError):
    """A tensor of the wrong shape."""


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
