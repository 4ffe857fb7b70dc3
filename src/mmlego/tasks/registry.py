"""The tasks by name, so that a configuration can name one and other packages can add their own."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import TypeVar

from mmlego.errors import InputError, UnknownNameError
from mmlego.plugins import Origin, Registry
from mmlego.tasks.base import Task

_TASKS: Registry[type[Task]] = Registry("task", "mmlego.tasks")

T = TypeVar("T", bound=type[Task])


def register_task(task: T) -> T:
    """Make a task known under its ``name``; for use as a decorator.

    A task of another distribution is found by checkpoints if that has an entry point ``mmlego.tasks`` of the task's
    name, whose module registers it when imported.

    Parameters
    ----------
    task
        A subclass of :class:`Task` that is a frozen dataclass, whose fields are the arguments of its
        constructor and whose ``name`` is not taken.

    Returns
    -------
    type
        The same class.

    Raises
    ------
    InputError
        If the class is not such a task, or if its name is taken.

    Examples
    --------
    >>> from mmlego.tasks import Survival
    >>> register_task(Survival) is Survival  # registering the same class again changes nothing
    True
    """
    name = getattr(task, "name", None)
    if not isinstance(task, type) or not issubclass(task, Task) or not isinstance(name, str) or not name:
        raise InputError("not a task", expected="a subclass of Task with a name", got=repr(task))
    arguments = list(inspect.signature(task).parameters)
    fields = [field.name for field in dataclasses.fields(task)]
    if arguments != fields:
        raise InputError(
            f"task {name!r} cannot be rebuilt from its configuration",
            expected=f"fields equal to the arguments {arguments}",
            got=fields,
            remedy="Make the class a frozen dataclass with one field for each argument.",
        )
    _TASKS.add(name, task)
    return task


def task_names() -> tuple[str, ...]:
    """List the names of the tasks: those registered, and those that installed distributions offer.

    Returns
    -------
    tuple of str
        The names in alphabetical order.

    Examples
    --------
    >>> task_names()
    ('classification', 'competing_risks', 'multilabel', 'regression', 'survival')
    """
    return tuple(sorted(_TASKS))


def origin_of_task(name: str) -> Origin:
    """Return where a task comes from; nothing is imported.

    Parameters
    ----------
    name
        Any text.
    """
    return _TASKS.origin(name)


def task_class(name: str) -> type[Task]:
    """Find the class of a task by its name.

    Parameters
    ----------
    name
        A registered name.

    Returns
    -------
    type
        The class.

    Raises
    ------
    UnknownNameError
        If no task has this name; the message lists the known ones.
    MissingExtraError
        If the distribution that offers it cannot be imported.

    Examples
    --------
    >>> task_class("regression").__name__
    'Regression'
    """
    if name not in _TASKS:
        raise UnknownNameError(
            f"unknown task {name!r}",
            expected=f"one of {', '.join(task_names())}",
            got=repr(name),
            remedy="Correct the name, or register your own with mmlego.tasks.register_task.",
        )
    return _TASKS[name]


def task_from_config(config: Mapping[str, object]) -> Task:
    """Rebuild a task from what its ``config()`` gave.

    Parameters
    ----------
    config
        The name of the task under ``"name"`` and its arguments.

    Returns
    -------
    Task
        A task equal to the one that gave the configuration.

    Raises
    ------
    InputError
        If the name or an argument is missing, unknown or wrong.
    UnknownNameError
        If no task has this name.

    Examples
    --------
    >>> task_from_config({"name": "survival", "cuts": [1, 2]})
    Survival(cuts=(1.0, 2.0))
    """
    name = config.get("name") if isinstance(config, Mapping) else None
    if not isinstance(name, str):
        raise InputError(
            "the configuration of a task has no name",
            expected="a mapping with 'name'",
            got=repr(config),
            remedy=f"Add name: one of {', '.join(task_names())}.",
        )
    return task_class(name).from_config(config)
