"""A task in plain values: what a checkpoint writes down of it, and how two differ."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from mmlego.errors import InputError


@dataclass(frozen=True)
class Configured:
    """A frozen dataclass that is described by its name and its fields, and rebuilt from them.

    Examples
    --------
    >>> from mmlego.tasks import Task
    >>> issubclass(Task, Configured)
    True
    """

    name: ClassVar[str]

    def config(self) -> dict[str, object]:
        """Describe the task in plain values, ready for JSON.

        Returns
        -------
        dict
            The name under ``"name"``, and the arguments.

        Examples
        --------
        >>> from mmlego.tasks import Survival
        >>> Survival([1, 2]).config()
        {'name': 'survival', 'cuts': [1.0, 2.0]}
        """
        return {"name": self.name, **{key: _plain(value) for key, value in self._fields().items()}}

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Rebuild the task from what :meth:`config` gave.

        Parameters
        ----------
        config
            The arguments, and the name of this task.

        Returns
        -------
        Task
            A task equal to the one described.

        Raises
        ------
        InputError
            If the name is another one, or if an argument is missing, unknown or wrong.

        Examples
        --------
        >>> from mmlego.tasks import Survival
        >>> Survival.from_config({"name": "survival", "cuts": [1.0]})
        Survival(cuts=(1.0,))
        """
        arguments = {key: value for key, value in config.items() if key != "name"}
        if config.get("name", cls.name) != cls.name:
            raise InputError("the configuration is of another task", expected=cls.name, got=config["name"])
        parameters = inspect.signature(cls).parameters
        missing = [key for key, p in parameters.items() if p.default is p.empty and key not in arguments]
        unknown = [key for key in arguments if key not in parameters]
        if missing or unknown:
            raise InputError(
                f"the configuration of task {cls.name!r} does not fit",
                expected=f"the arguments {', '.join(parameters)}",
                got=f"missing {missing}, unknown {unknown}",
            )
        return cls(**arguments)

    def differences(self, other: Configured) -> list[str]:
        """Name what differs between the label spaces of two tasks.

        Parameters
        ----------
        other
            Another task.

        Returns
        -------
        list of str
            One text for each field that differs; empty if the tasks are equal.

        Examples
        --------
        >>> from mmlego.tasks import Survival
        >>> Survival([1, 2]).differences(Survival([1, 3]))
        ['cuts: (1.0, 2.0) ≠ (1.0, 3.0)']
        """
        if type(self) is not type(other):
            return [f"task: {self.name} ≠ {other.name}"]
        theirs = other._fields()
        return [f"{key}: {value} ≠ {theirs[key]}" for key, value in self._fields().items() if value != theirs[key]]

    def _fields(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
