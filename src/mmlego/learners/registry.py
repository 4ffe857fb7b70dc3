"""The registry of learners: a name, a class, the tasks it serves, and options read off its fit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from mmlego.admitted import check_arguments
from mmlego.budget import bounded
from mmlego.errors import InputError, LegoError
from mmlego.plugins import Origin, Registry
from mmlego.tasks import CompetingRisks, Task

if TYPE_CHECKING:
    from mmlego.learners.base import Learner

_LEARNERS: Registry[type[Learner]] = Registry("learner", "mmlego.learners")
_FORMS: set[str] = set()  # in which fitted models of others are kept: no settings name them
_Class = TypeVar("_Class", bound="type[Learner]")


def register_learner(name: str, *, by_settings: bool = True) -> Callable[[_Class], _Class]:
    """Register a class of learners under a name, so that settings can choose it and checkpoints build it again.

    A learner of another distribution is found if that has an entry point ``mmlego.learners`` of the learner's name,
    whose module registers it when imported.

    Parameters
    ----------
    name
        By which it is known; becomes its ``registered_name``.
    by_settings
        Whether it can be fitted by name. A form in which other models are kept cannot; checkpoints alone build it.

    Raises
    ------
    InputError
        If the name is taken.

    Examples
    --------
    >>> from mmlego.learners import Ridge
    >>> register_learner("ridge")(Ridge) is Ridge  # registering the same class again changes nothing
    True
    """

    def register(cls: _Class) -> _Class:
        _LEARNERS.add(name, cls)
        if not by_settings:
            _FORMS.add(name)
        cls.registered_name = name
        return cls

    return register


def learner_names() -> tuple[str, ...]:
    """Return the names of all learners that can be fitted, those that installed distributions offer among them.

    Examples
    --------
    >>> "coxnet" in learner_names()
    True
    """
    return tuple(sorted(name for name in _LEARNERS if name not in _FORMS))


def learner_class(name: str) -> type[Learner]:
    """Return the class of a name.

    Raises
    ------
    UnknownNameError
        If no learner has this name; the message lists the known ones.
    MissingExtraError
        If the distribution that offers it cannot be imported.

    Examples
    --------
    >>> learner_class("ridge").tasks
    ('regression',)
    """
    return _LEARNERS.find(name, learner_names())


def origin_of_learner(name: str) -> Origin:
    """Return where a learner comes from; nothing is imported.

    Parameters
    ----------
    name
        Any text.
    """
    return _LEARNERS.origin(name)


def learners_for(task: Task) -> tuple[str, ...]:
    """Return the names of the learners that serve a task.

    Examples
    --------
    >>> from mmlego.tasks import Regression
    >>> "ridge" in learners_for(Regression()), "coxnet" in learners_for(Regression())
    (True, False)
    """
    _LEARNERS.load_all()
    return tuple(name for name in learner_names() if name in _LEARNERS and served(task) in _LEARNERS[name].tasks)


def served(task: Task) -> str:
    """Return the name of the task that a learner has to serve: of competing risks survival, one learner a cause.

    Examples
    --------
    >>> from mmlego.tasks import CompetingRisks
    >>> served(CompetingRisks([1.0], ["relapse", "death"]))
    'survival'
    """
    return "survival" if isinstance(task, CompetingRisks) else task.name


def learner_options(name: str) -> dict[str, Any]:
    """Return the options of a learner's ``fit`` with their defaults.

    Raises
    ------
    UnknownNameError
        If no learner has this name.

    Examples
    --------
    >>> learner_options("ridge")
    {'penalties': 30}
    """
    return options_of(learner_class(name))


def options_of(cls: type[Learner]) -> dict[str, Any]:
    """Return the options of a class of learners: the keywords of its ``_fit`` that have defaults.

    Examples
    --------
    >>> from mmlego.learners import Ridge
    >>> options_of(Ridge)
    {'penalties': 30}
    """
    parameters = inspect.signature(cls._fit).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}


def build_learner(name: str, config: Mapping[str, Any]) -> Learner:
    """Return a learner by its name and its sizes, empty: what it has learnt comes by ``load_state_dict``.

    Parameters
    ----------
    name
        A registered name.
    config
        What the learner that was saved had as ``config``.

    Raises
    ------
    UnknownNameError
        If no learner has this name.
    InputError
        If a size is missing or unknown, of another kind than declared, or they do not fit together.
    MissingExtraError
        If the distribution that offers it cannot be imported.

    Examples
    --------
    >>> build_learner("ridge", {"in_features": 3, "raw": 1}).in_features
    3
    """
    cls = learner_class(name)
    what = f"learner {name!r}"
    check_arguments(cls, config, what)
    try:
        with bounded(what):
            return cls(**config)
    except (LegoError, MemoryError):
        raise
    except Exception as error:  # sizes that do not fit each other, which each library says in its own way
        got = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
        raise InputError(f"{what} cannot be built", expected="sizes that fit together", got=got) from error
