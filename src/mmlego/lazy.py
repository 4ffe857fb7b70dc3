"""A package's table of contents, each line of which is imported when somebody first asks for it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def lazily(
    package: str, names: Mapping[str, Sequence[str]], modules: Sequence[str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a package.

    Parameters
    ----------
    package
        Its name.
    names
        What it offers from its modules, by the module's name in the package.
    modules
        Its modules that can be had as attributes without being imported first.

    Examples
    --------
    >>> get, listed = lazily("mmlego", {"wording": ["counted"]}, ["scalars"])
    >>> get("counted")(2, "patient")
    '2 patients'
    >>> get("scalars").__name__
    'mmlego.scalars'
    """
    places = {name: module for module, offered in names.items() for name in offered}

    def get(name: str) -> Any:
        if name in places:
            value = getattr(importlib.import_module(f"{package}.{places[name]}"), name)
        elif name in modules:
            value = importlib.import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        vars(sys.modules[package])[name] = value  # the next one to ask does not come here
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *places, *modules})

    return get, listed
