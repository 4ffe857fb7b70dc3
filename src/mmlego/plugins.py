"""Things by name, of mmlego and of installed distributions, which are imported when their name is first asked for."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple, TypeVar

from mmlego.errors import InputError, LegoWarning, MissingExtraError, UnknownNameError
from mmlego.wording import nearest

T = TypeVar("T", bound=Callable[..., object])

_IMPORTED: dict[str, None] = {}


def import_own(name: str) -> None:
    """Import a module of the user's, and remember it: other processes that work for this one need it, too.

    Parameters
    ----------
    name
        Its full name.
    """
    importlib.import_module(name)
    _IMPORTED[name] = None


def imported() -> tuple[str, ...]:
    """Return the modules that :func:`import_own` has imported."""
    return tuple(_IMPORTED)


class Origin(NamedTuple):
    """Where what has a name comes from: the class, or the module that will register it; and whose that is."""

    place: str
    of: str


class Registry(Mapping[str, T]):
    """Classes or functions by name: those registered, and those that installed distributions offer as entry points.

    A distribution offers a name by a line of its entry points: under the registry's group, ``name = "module"``.
    Nothing of it is imported before somebody asks for the name; importing the module has to register it. Only what is
    installed is ever imported: a name in a manifest or checkpoint is looked up, never taken for a module.

    Parameters
    ----------
    what
        What is registered, in the singular, for messages.
    group
        The group of entry points; None: nobody offers any.

    Examples
    --------
    >>> shapes = Registry("shape")
    >>> shapes.add("whole", int)
    >>> shapes["whole"], "half" in shapes
    (<class 'int'>, False)
    >>> shapes.add("whole", float)
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: the shape name 'whole' is taken: expected a new name, got float, where it is int. ...
    """

    def __init__(self, what: str, group: str | None = None) -> None:
        self.what, self.group = what, group
        self._known: dict[str, T] = {}
        self._offers: dict[str, list[EntryPoint]] | None = None

    def check(self, name: str, thing: T) -> None:
        """Refuse a name that another one has; a module that is loaded again brings the same one as a new object.

        Parameters
        ----------
        name
            The name.
        thing
            The class or function that shall have it.

        Raises
        ------
        InputError
            If the name is taken.
        """
        known = self._known.get(name)
        if known is not None and _place(known) != _place(thing):
            raise InputError(
                f"the {self.what} name {name!r} is taken",
                expected="a new name",
                got=f"{_place(thing)[1]}, where it is {_place(known)[1]}",
                remedy="Name yours otherwise.",
            )

    def add(self, name: str, thing: T) -> None:
        """Register a class or function.

        Parameters
        ----------
        name
            The name by which it is found.
        thing
            The class or function.

        Raises
        ------
        InputError
            If the name is taken.
        """
        self.check(name, thing)
        self._known[name] = thing

    def __getitem__(self, name: str) -> T:
        """Return what has a name; its module is imported where that has not been done.

        Raises
        ------
        KeyError
            If nobody offers the name.
        MissingExtraError
            If the distribution that offers it cannot be imported.
        InputError
            If the distribution does not register it, or several offer it.
        """
        offers = self._offered()
        if name not in self._known and name in offers:
            self._load(name, offers[name])
        return self._known[name]

    def find(self, name: str, known: Sequence[str] | None = None) -> T:
        """Return what has a name, or refuse the name with those that are known.

        Parameters
        ----------
        name
            What was asked for.
        known
            The names to tell; None: all.

        Raises
        ------
        UnknownNameError
            If nobody offers the name.
        MissingExtraError, InputError
            As for ``registry[name]``.

        Examples
        --------
        >>> shapes = Registry("shape")
        >>> shapes.add("whole", int)
        >>> shapes.find("whale")
        Traceback (most recent call last):
        ...
        mmlego.errors.UnknownNameError: unknown shape: expected one of whole, got 'whale'. Did you mean 'whole'?
        """
        if isinstance(name, str) and name in self:
            return self[name]
        names = sorted(self) if known is None else known
        near = nearest(name, names) if isinstance(name, str) else None
        raise UnknownNameError(
            f"unknown {self.what}",
            expected=f"one of {', '.join(names)}",
            got=repr(name),
            remedy=None if near is None else f"Did you mean {near!r}?",
        )

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._known, *self._offered()]))

    def __len__(self) -> int:
        return len(self._known.keys() | self._offered().keys())

    def registered(self) -> dict[str, T]:
        """Return what is registered so far, by name; nothing is imported."""
        return dict(self._known)

    def origin(self, name: str) -> Origin:
        """Return where what has a name comes from; nothing is imported.

        Parameters
        ----------
        name
            Any text.

        Examples
        --------
        >>> shapes = Registry("shape")
        >>> shapes.add("whole", int)
        >>> shapes.origin("whole"), shapes.origin("half").of
        (Origin(place='builtins.int', of='builtins'), 'nobody here')
        """
        offers, known = self._offered().get(name, []), self._known.get(name)
        offering = ", ".join(_distribution(entry) for entry in offers)
        if known is not None:
            module, within = _place(known)
            return Origin(f"{module}.{within}", offering or module.split(".")[0])
        return Origin(offers[0].value if offers else "", offering or "nobody here")

    def load_all(self) -> None:
        """Import all that is offered; what cannot be is told as a warning that names the distribution."""
        for name, offers in self._offered().items():
            if name in self._known:
                continue
            try:
                self._load(name, offers)
            except (MissingExtraError, InputError) as error:
                warnings.warn(str(error), LegoWarning, stacklevel=2)

    def _offered(self) -> dict[str, list[EntryPoint]]:
        """Return who offers which name; nobody may offer what mmlego has itself."""
        if self._offers is None:
            self._offers = {}
            installed = () if self.group is None else entry_points(group=self.group)
            for entry in sorted(installed, key=_distribution):
                own = self._known.get(entry.name)
                if own is not None and _place(own)[0].split(".")[0] == "mmlego":
                    warnings.warn(
                        f"{_distribution(entry)} offers the {self.what} {entry.name!r}, a name that mmlego has itself: "
                        "it is left out",
                        LegoWarning,
                        stacklevel=3,
                    )
                    continue
                self._offers.setdefault(entry.name, []).append(entry)
        return self._offers

    def _load(self, name: str, offers: list[EntryPoint]) -> None:
        if len(offers) > 1:
            raise InputError(
                f"several distributions offer the {self.what} {name!r}",
                expected="one",
                got=", ".join(_distribution(entry) for entry in offers),
                remedy="Uninstall all but one.",
            )
        entry, before = offers[0], dict(self._known)
        who = f"the {self.what} {name!r} of {_distribution(entry)}"
        try:
            entry.load()
        except Exception as error:  # what is not ours may fail in any way
            self._known = before
            raise MissingExtraError(
                f"{who} cannot be imported ({type(error).__name__}: {error})",
                remedy="Install what it needs, a version of it that fits this mmlego, or uninstall it.",
            ) from error
        if name not in self._known:
            raise InputError(
                f"{who} is not there",
                expected=f"that importing {entry.value!r} registers it",
                got=", ".join(sorted(self._known.keys() - before.keys())) or "nothing new",
                remedy="Tell its authors, or uninstall it.",
            )


def _place(thing: object) -> tuple[str, str]:
    """Return the module that a class or function stands in, and its name there."""
    return str(getattr(thing, "__module__", "")), str(getattr(thing, "__qualname__", repr(thing)))


def _distribution(entry: EntryPoint) -> str:
    """Return whose an entry point is, by name and version."""
    return "an unknown distribution" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
