"""What a manifest declares of variables by name or glob."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from mmlego.errors import InputError, fault
from mmlego.wording import meant

T = TypeVar("T")


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a variable is named, by itself or by a glob.

    Parameters
    ----------
    name
        The variable.
    patterns
        Names or globs.

    Examples
    --------
    >>> fits("TroponinT", ["HR", "Troponin*"])
    True
    """
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def declared(name: str, choices: Mapping[str, T], otherwise: T) -> T:
    """Return what is declared of a variable: under its own name, or else under the first glob that fits.

    Parameters
    ----------
    name
        The variable.
    choices
        By name or glob.
    otherwise
        If nothing is declared.

    Examples
    --------
    >>> declared("Urine", {"*": "mean", "Urine": "sum"}, "last"), declared("HR", {"T*": "mean"}, "last")
    ('sum', 'last')
    """
    if name in choices:
        return choices[name]
    return next((choice for pattern, choice in choices.items() if fits(name, [pattern])), otherwise)


def check_patterns(what: str, patterns: Iterable[str], names: Sequence[str]) -> None:
    """Refuse a name or glob that fits no variable.

    Parameters
    ----------
    what
        What declares it, for the message.
    patterns
        Names or globs.
    names
        The variables.

    Raises
    ------
    InputError
        If one fits none; the message says which variable may be meant.

    Examples
    --------
    >>> check_patterns("log", ["Urin"], ["HR", "Urine"])
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: log: no variable matches 'Urin'. Did you mean 'Urine'?
    """
    for pattern in patterns:
        if not any(fits(name, [pattern]) for name in names):
            fault(InputError(f"{what}: no variable matches {pattern!r}", remedy=meant(pattern, names)))


def choose(
    patterns: str | Sequence[str],
    names: Sequence[str],
    hidden: Sequence[str],
    where: str,
    absent: list[str] | None = None,
) -> list[str]:
    """Return the variables that names or globs choose, each once: in the order of the patterns, then of the names.

    Parameters
    ----------
    patterns
        A name or glob, or several.
    names
        All variables.
    hidden
        Those that no glob chooses, but their name does.
    where
        The modality, for messages.
    absent
        A list that takes the patterns that match nothing; None: they are refused.

    Raises
    ------
    InputError
        If a pattern matches no variable, and none may be absent.

    Examples
    --------
    >>> choose(["*", "Age"], ["Age", "HR", "ICUType", "Temp"], ["Age", "ICUType"], "vitals")
    ['HR', 'Temp', 'Age']
    """
    chosen: dict[str, None] = {}
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        open_to = [name for name in names if name == pattern or name not in hidden]
        if absent is None:
            check_patterns(where, [pattern], open_to)
        elif not any(fits(name, [pattern]) for name in open_to):
            absent.append(pattern)
        found = [pattern] if pattern in names else [name for name in names if fits(name, [pattern])]
        chosen |= dict.fromkeys(name for name in found if name == pattern or name not in hidden)
    return list(chosen)
