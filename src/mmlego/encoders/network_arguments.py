"""Which arguments reach a network of MONAI or timm: those that its signature declares, none by which it would fetch."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from mmlego.admitted import check_plain
from mmlego.errors import InputError
from mmlego.wording import brief, listed

# Arguments that name weights, an address, a file or a model of others. Where one is a switch, it is off.
_NAMING = re.compile(
    r"pretrained|pretrained_(?!window).*|weights|checkpoint_path|ckpt_path|cache_dir|filename|path|file|url|uri|hub|model|"
    r".*_(url|uri|file|filename|dir|repo|repo_id|hub_id|cfg|cfg_overlay)|path_or_.*|trust_remote_code"
)


def parameters_of(network: type) -> dict[str, inspect.Parameter]:
    """Return the arguments of a network by name; where it passes on what it does not know, those of its bases, too.

    Parameters
    ----------
    network
        A class.
    """
    found: dict[str, inspect.Parameter] = {}
    for cls in network.__mro__:
        if "__init__" not in vars(cls):
            continue
        own = inspect.signature(vars(cls)["__init__"]).parameters
        found = {**{name: one for name, one in own.items() if name != "self"}, **found}
        if not any(one.kind is one.VAR_KEYWORD for one in own.values()):
            break
    return {name: one for name, one in found.items() if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)}


def admitted_arguments(given: Mapping[str, Any], network: type, what: str) -> dict[str, Any]:
    """Return the arguments of a network, with every switch off by which it would fetch weights.

    Parameters
    ----------
    given
        Arguments by name.
    network
        A class, whose signature declares its arguments.
    what
        Its name, for messages.

    Raises
    ------
    InputError
        If an argument is not declared, or names weights, an address, a file or code; or the network cannot be made
        without such a name.

    Examples
    --------
    >>> class Net:
    ...     def __init__(self, width: int, pretrained: bool = True) -> None: ...
    >>> admitted_arguments({"width": 3}, Net, "Net")
    {'pretrained': False, 'width': 3}
    """
    known = parameters_of(network)
    unknown = [name for name in given if name not in known]
    if unknown:
        raise InputError(
            f"wrong arguments for {what}", expected=f"of {', '.join(known)}", got=listed(map(brief, unknown))
        )
    check_fetches_nothing(given, what)
    off: dict[str, Any] = {}
    for name, one in inspect.signature(network).parameters.items():
        if not _NAMING.fullmatch(name) or one.default in (None, False) or name in given:
            continue
        if one.default is not True:
            raise InputError(f"{what} would fetch its weights", expected="another network", got=f"{name} in it")
        off[name] = False
    return off | dict(given)


def check_fetches_nothing(given: Mapping[str, Any], what: str) -> None:
    """Check that arguments ask for no weights, and name no address, file or code.

    Parameters
    ----------
    given
        Arguments by name.
    what
        Whose they are, for messages.

    Raises
    ------
    InputError
        If one does.

    Examples
    --------
    >>> check_fetches_nothing({"pretrained": False, "drop_path_rate": 0.1}, "resnet18")
    """
    asked = [name for name in given if _NAMING.fullmatch(str(name)) and given[name] not in (None, False)]
    if asked:
        raise InputError(
            f"{what} would fetch its weights",
            expected="random weights to start from",
            got=", ".join(f"{brief(name)[1:-1]}={brief(given[name])}" for name in asked),
            remedy="Load weights that you have into encoder.network with load_state_dict.",
        )
    check_plain(given, f"arguments of {what}")
