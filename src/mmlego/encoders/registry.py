"""The registry of encoders: a name, a class, and arguments read off its signature."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import nn

from mmlego.admitted import check_arguments
from mmlego.budget import bounded
from mmlego.errors import InputError, LegoError
from mmlego.plugins import Origin, Registry

_ENCODERS: Registry[type[nn.Module]] = Registry("encoder", "mmlego.encoders")
_Class = TypeVar("_Class", bound=type[nn.Module])


def register_encoder(name: str) -> Callable[[_Class], _Class]:
    """Register an encoder class under a name, so that checkpoints can build it again.

    The arguments of its ``__init__`` are recorded on the instance as ``config``; they must be JSON-able. Where an
    argument means nothing elsewhere, as a folder, the class has a method ``portable_arguments``, which returns what
    shall be recorded in its place. What the main job gives where nothing is asked for, as a stronger dropout than is
    right for a module of its own, the class says in a dict ``usual``. An encoder of another distribution is found by
    checkpoints and settings if that has an entry point ``mmlego.encoders`` of the encoder's name, whose module
    registers it when imported.

    Raises
    ------
    InputError
        If the name is taken.

    Examples
    --------
    >>> from mmlego.encoders import SNN
    >>> SNN(10, hidden=[8]).config["in_features"]
    10
    """

    def register(cls: _Class) -> _Class:
        _ENCODERS.check(name, cls)
        signature = inspect.signature(cls.__init__)
        original = cls.__init__

        @functools.wraps(original)
        def init(self: nn.Module, *args: Any, **kwargs: Any) -> None:
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            original(self, *args, **kwargs)
            if type(self) is cls:
                config = {key: value for key, value in bound.arguments.items() if key != "self"}
                portable = getattr(self, "portable_arguments", None)
                self.config = _plain(config if portable is None else config | portable())
                self.registered_name = name  # type: ignore[assignment]

        cls.__init__ = init  # type: ignore[method-assign]
        _ENCODERS.add(name, cls)
        return cls

    return register


def _plain(value: Any) -> Any:
    """Return a value as it comes back from JSON: lists for tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def encoder_names() -> tuple[str, ...]:
    """Return the names of all encoders: those registered, and those that installed distributions offer."""
    return tuple(sorted(_ENCODERS))


def usual_options(name: str) -> dict[str, Any]:
    """Return the arguments that the main job gives an encoder where nothing else is asked for.

    Parameters
    ----------
    name
        A registered name.

    Examples
    --------
    >>> usual_options("snn")
    {'hidden': [32], 'dropout': 0.5, 'input_dropout': 0.3}
    """
    cls = _ENCODERS.get(name)
    return {} if cls is None else copy.deepcopy(vars(cls).get("usual", {}))  # a subclass may take other arguments


def encoder_class(name: str) -> type[nn.Module]:
    """Return the class of an encoder.

    Parameters
    ----------
    name
        A registered name.

    Raises
    ------
    UnknownNameError
        If no encoder has this name; the message lists the known ones.

    Examples
    --------
    >>> encoder_class("snn").__name__
    'SNN'
    """
    return _ENCODERS.find(name)


def arguments_of(name: str, given: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an encoder of which some follow from the data, and some are options of the user.

    An encoder that takes what follows from the data under other names says so in a static method ``from_data``, which
    gets both; any other is told what its constructor knows by name.

    Parameters
    ----------
    name
        A registered name.
    given
        What follows from the data, as ``{"in_channels": 3, "dims": 2}``.
    options
        What the user says; it goes before the data.

    Raises
    ------
    InputError
        If options contradict the data.
    UnknownNameError
        If no encoder has this name.

    Examples
    --------
    >>> arguments_of("snn", {"in_features": 10, "dims": 2}, {"hidden": [8]})
    {'in_features': 10, 'hidden': [8]}
    """
    cls = encoder_class(name)
    own = getattr(cls, "from_data", None)
    if own is not None:
        made: dict[str, Any] = own(given, options)
        return made
    known = inspect.signature(cls.__init__).parameters
    return {key: value for key, value in given.items() if key in known} | dict(options)


def origin_of_encoder(name: str) -> Origin:
    """Return where an encoder comes from; nothing is imported.

    Parameters
    ----------
    name
        Any text.
    """
    return _ENCODERS.origin(name)


def check_encoder(name: str, config: Mapping[str, Any], *, of_file: bool = False) -> None:
    """Check whether an encoder admits arguments, without building it.

    An encoder whose signature does not tell all has a static method ``admit``, which gets the arguments and raises.

    Parameters
    ----------
    name, config, of_file
        As :func:`build_encoder` takes them.

    Raises
    ------
    UnknownNameError
        If no encoder has this name.
    InputError
        If it does not.
    MissingExtraError
        If a package that it needs cannot be imported.

    Examples
    --------
    >>> check_encoder("snn", {"in_features": 10})
    """
    cls = encoder_class(name)
    check_arguments(cls, config, f"encoder {name!r}", narrower=vars(cls).get("of_file") if of_file else None)
    admit = vars(cls).get("admit")
    if admit is not None:
        admit(config)


def build_encoder(name: str, config: Mapping[str, Any], *, of_file: bool = False) -> nn.Module:
    """Return a new encoder by its registered name.

    Its constructor gets arguments of the kinds and sizes that its signature declares, and no others.

    Parameters
    ----------
    name
        A registered name.
    config
        The arguments.
    of_file
        Whether they come out of a file: then what the class declares in a dict ``of_file`` stands in place of the
        kinds of its signature, so that an argument that may be a folder cannot be one.

    Raises
    ------
    UnknownNameError
        If no encoder has this name; the message lists the known ones.
    InputError
        If an argument is missing or unknown, of another kind or size than declared, or they do not fit together.
    MissingExtraError
        If the distribution that offers it cannot be imported.

    Examples
    --------
    >>> build_encoder("snn", {"in_features": 10}).out_features
    64
    """
    cls = encoder_class(name)
    what = f"encoder {name!r}"
    check_arguments(cls, config, what, narrower=vars(cls).get("of_file") if of_file else None)
    try:
        with bounded(what):
            return cls(**config)
    except (LegoError, MemoryError):
        raise
    except Exception as error:  # arguments that do not fit each other, which each library says in its own way
        got = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
        raise InputError(f"{what} cannot be built", expected="arguments that fit together", got=got) from error
