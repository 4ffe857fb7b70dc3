"""Optional packages: imported where they are used; their absence names the extra to install."""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any

from mmlego.errors import MissingExtraError


def import_extra(module: str, what: str, install: str) -> Any:
    """Return a module of an optional package.

    What a package says about its own future while it is imported (deprecations) is kept from the user.

    Parameters
    ----------
    module
        The module's full name.
    what
        Who needs it, for the message.
    install
        What to give to pip.

    Raises
    ------
    MissingExtraError
        If the package is missing or cannot be imported; the message says what to install.

    Examples
    --------
    >>> import_extra("math", "the example", "mmlego").sqrt(4.0)
    2.0
    >>> import_extra("no_such_package", "GraphEncoder", "'mmlego[graphs]'")
    Traceback (most recent call last):
    ...
    mmlego.errors.MissingExtraError: GraphEncoder needs no_such_package, which cannot be imported (No module named
    'no_such_package'). pip install 'mmlego[graphs]'
    """
    if sys.modules.get(module) is not None:  # who asks for every molecule or cell waits for no filters
        return importlib.import_module(module)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            return importlib.import_module(module)
    # A package whose compiled part does not fit the installed torch fails with another error than a missing one.
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        package = module.split(".")[0]
        raise MissingExtraError(
            f"{what} needs {package}, which cannot be imported ({error})", remedy=f"pip install {install}"
        ) from error
