"""What a model expects of a modality: files may lack columns that a section names, or have them under other names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mmlego.data.reading.tables import TableFile, matching
from mmlego.errors import InputError
from mmlego.wording import meant

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Expected:
    """How the columns of a modality are read for a model that was trained on it.

    A section may name columns one by one. Where patients are predicted for, the files may lack some of these, or have
    them under other names; which of them the model needs is looked at when it is known what is there.

    Parameters
    ----------
    lenient
        Whether columns that a section names may be absent.
    aliases
        For names in the files those that they had in training.
    used
        The aliases that named something, for whoever checks that all did.
    seen
        The names that files had, for a hint at what was meant.
    known
        The names that a model, or the section, has for columns of the modality.

    Examples
    --------
    >>> Expected(True, {"Age (years)": "age"}).named(["id", "Age (years)"], "clinical")
    ['id', 'age']
    """

    lenient: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    seen: dict[str, None] = field(default_factory=dict)
    known: tuple[str, ...] = ()

    def only(self, known: Collection[str]) -> Expected:
        """Return this for one modality: with those aliases alone whose name in training it has.

        Parameters
        ----------
        known
            The names that a model, or the section, has for columns of the modality.
        """
        aliases = {old: new for old, new in self.aliases.items() if new in set(known)}
        return replace(self, aliases=aliases, known=tuple(dict.fromkeys(known)))

    def named(self, names: Sequence[str], where: str) -> list[str]:
        """Return names in files as they were in training.

        Parameters
        ----------
        names
            The names.
        where
            The modality or file, for messages.

        Raises
        ------
        InputError
            If a file has a column under both names.
        """
        if not self.aliases:
            return list(names)
        self.seen.update(dict.fromkeys(names))
        here = set(names)
        for old, new in self.aliases.items():
            if old in here:
                if new in here:
                    raise InputError(f"{where}: alias {old!r}: there is a column {new!r}, too", expected="one of both")
                self.used.add(old)
        return [self.aliases.get(name, name) for name in names]

    def check_used(self) -> None:
        """Refuse aliases that named nothing in any file.

        Raises
        ------
        InputError
            If there is one; the message says which column may be meant.
        """
        for old in self.aliases:
            if old not in self.used:
                raise InputError(
                    f"alias {old!r}: no column of the files is called so", remedy=meant(old, list(self.seen))
                )


class RenamedTable:
    """A table in a file, its columns under the names that a model expects.

    Parameters
    ----------
    table
        The table.
    expected
        The names.

    Raises
    ------
    InputError
        If an alias renames the key, or a column is there under both names.
    """

    def __init__(self, table: TableFile, expected: Expected) -> None:
        self._table = table
        names = expected.named(table.names, table.path.name)
        for name, new in zip(table.names, names, strict=True):
            if name != new and table.key in (name, new):
                raise InputError(f"alias {name!r}: {table.key!r} is the key of the patients, and is called so")
        self.names = tuple(names)
        self._written = dict(zip(names, table.names, strict=True))

    @property
    def decimal(self) -> str:
        """The decimal sign of the file."""
        return self._table.decimal

    @property
    def dotted(self) -> tuple[str, ...]:
        """The columns of which 1.234 may be a thousand and more."""
        return tuple(name for name, written in self._written.items() if written in self._table.dotted)

    def frame(self, text: Collection[str] = (), only: Collection[str] | None = None) -> pd.DataFrame:
        """Return the table.

        Parameters
        ----------
        text, only
            As :meth:`TableFile.frame` takes them, with the names that are expected.

        Raises
        ------
        InputError
            If a column is not there, or a row cannot be read.
        """
        wanted = None
        if only is not None:
            wanted = {pattern for pattern in only if not matching(self.names, [pattern])}  # which the table refuses
            wanted |= {self._written[name] for name in matching(self.names, only)}
        frame = self._table.frame([self._written[name] for name in matching(self.names, text)], wanted)
        return frame.rename(columns={name: new for new, name in self._written.items()})
