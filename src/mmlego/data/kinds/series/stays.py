"""What is measured of patients over time, irregular and sparse: one stay, and all stays of a cohort."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.remarks import Doubtful, Dropped, Noted
from mmlego.errors import InputError, fault, named
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

Codes: TypeAlias = NDArray[np.int32]
Times: TypeAlias = NDArray[np.float64]
Values: TypeAlias = NDArray[np.float32]
StayRule: TypeAlias = Literal["error", "first", "last"]
OnError: TypeAlias = Literal["raise", "skip"]

LARGEST = 3e38  # what a value may be at most, to be kept in 32 bits
OFTEN = 0.02  # of the measurements: so many do not stand there twice by chance
COLUMN = "stay"  # the one column of a frame of stays


@dataclass(frozen=True, eq=False)
class Stay:
    """The measurements of one patient, in order of time: what a cell of a series' frame holds.

    Parameters
    ----------
    names
        The variables that were looked for, measured or not.
    variable
        Which variable each measurement is of, as its place in ``names``, ``(v,)``.
    time
        Hours since the start, ``(v,)``.
    value
        What was measured, ``(v,)``.

    Examples
    --------
    >>> stay = Stay(("HR", "Temp"), np.int32([0, 0, 1]), np.array([0.1, 1.5, 1.5]), np.float32([80, 90, 37]))
    >>> str(stay)[:47]
    'Stay(3 measurements of 2 variables over 1.5 h, '
    """

    names: tuple[str, ...]
    variable: Codes
    time: Times
    value: Values

    @cached_property
    def digest(self) -> str:
        """A hash of all that is in it."""
        hashed = hashlib.sha256("\0".join(self.names).encode())
        for array in (self.variable, self.time, self.value):
            hashed.update(np.ascontiguousarray(array).tobytes())
        return hashed.hexdigest()[:16]

    def __str__(self) -> str:
        hours = float(self.time.max(initial=0.0))
        measured = counted(len(self.time), "measurement")
        return f"Stay({measured} of {len(np.unique(self.variable))} variables over {hours:.4g} h, {self.digest})"


@dataclass(frozen=True, eq=False)
class Stays:
    """All stays of a source, end to end, each in order of time.

    Parameters
    ----------
    patients
        The patient of each stay; a patient may have several.
    sizes
        How many measurements each stay has, ``(s,)``.
    names
        All variables.
    variable, time, value
        The measurements as in :class:`Stay`, those of one stay after the other.
    skipped
        What could not be read, with the reason.

    Examples
    --------
    >>> stays = Stays(("7",), [2], ("HR", "Temp"), np.int32([0, 1]), np.array([0.1, 1.5]), np.float32([80, 37]))
    >>> stays.only(["Temp"]).frame()["stay"]["7"].value.tolist()
    [37.0]
    """

    patients: tuple[str, ...]
    sizes: Sequence[int]
    names: tuple[str, ...]
    variable: Codes
    time: Times
    value: Values
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.patients)

    def sorted(self) -> Stays:
        """Return the stays with the measurements of each in order of time; those of one time keep their order."""
        stay = self.stay
        late = (np.diff(self.time) < 0) & (np.diff(stay) == 0)
        if not late.any():
            return self
        order = np.lexsort((self.time, stay))
        return replace(self, variable=self.variable[order], time=self.time[order], value=self.value[order])

    @property
    def stay(self) -> NDArray[np.int64]:
        """The number of the stay that each measurement belongs to, ``(v,)``."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def one_each(self, rule: StayRule, where: str) -> tuple[Stays, list[Dropped]]:
        """Return one stay a patient.

        Parameters
        ----------
        rule
            ``"error"`` refuses a patient with several; ``"first"`` and ``"last"`` keep one, in the order of the files.
        where
            The modality, for messages.

        Returns
        -------
        tuple
            The stays, and notes of what was left out.

        Raises
        ------
        InputError
            If a patient has several under ``"error"``.
        """
        numbers = range(len(self))
        keep = {self.patients[i]: i for i in (reversed(numbers) if rule == "first" else numbers)}
        if len(keep) == len(self):
            return self, []
        kept = set(keep.values())
        again = tuple(dict.fromkeys(self.patients[i] for i in numbers if i not in kept))
        if rule == "error":
            fault(
                InputError(
                    f"{where}: {counted(len(again), 'patient')} with several stays ({listed(again, named(5))})",
                    expected="one stay a patient",
                    remedy="Declare which one to take, as stays: first or stays: last.",
                )
            )
        note = f"{counted(len(self) - len(keep), 'further stay')} of a patient, the {rule} is kept"
        return self._rows(sorted(kept)), [Dropped(where, note, again)]

    def twice(self, where: str) -> list[Dropped]:
        """Return that measurements stand twice, as where tables were joined that name a patient several times.

        Parameters
        ----------
        where
            The modality, for messages.

        Examples
        --------
        >>> code, time, value = np.int32([0, 0, 0]), np.array([0.5, 0.5, 0.5]), np.float32([80, 80, 90])
        >>> [str(note) for note in Stays(("7",), [3], ("HR",), code, time, value).twice("icu")]
        ['icu: 1 measurement of 1 stay stands there once more, which counts in sum and count']
        """
        import pandas as pd

        stay = self.stay
        parts = {"stay": stay, "variable": self.variable, "time": self.time, "value": self.value}
        again = pd.DataFrame(parts).duplicated().to_numpy()
        count = int(again.sum())
        what = f"{counted(count, 'measurement')} of {counted(len(np.unique(stay[again])), 'stay')}"
        text = f"{what} {'stands' if count == 1 else 'stand'} there once more, which counts in sum and count"
        kind = Doubtful if count > OFTEN * len(self.time) else Noted
        return [kind(where, text)] if count else []

    def chosen(self, kept: NDArray[np.bool_]) -> Stays:
        """Return the same stays with some of their measurements.

        Parameters
        ----------
        kept
            Which, ``(v,)``.
        """
        if kept.all():
            return self
        sizes = np.bincount(self.stay[kept], minlength=len(self)).tolist()
        kind, time, value = self.variable[kept], self.time[kept], self.value[kept]
        return replace(self, sizes=sizes, variable=kind, time=time, value=value)

    def only(self, names: Sequence[str]) -> Stays:
        """Return the measurements of some variables alone, which are numbered in the order given.

        Parameters
        ----------
        names
            The variables; one that is nobody's may be among them.
        """
        place = {name: i for i, name in enumerate(names)}
        code = np.array([place.get(name, -1) for name in self.names] or [-1], dtype=np.int32)[self.variable]
        kept = code >= 0
        sizes = np.bincount(self.stay[kept], minlength=len(self)).tolist()
        return Stays(
            self.patients, sizes, tuple(names), code[kept], self.time[kept], self.value[kept], self.skipped
        )  # fmt: skip

    def frame(self) -> pd.DataFrame:
        """Return a frame indexed by patient, with a :class:`Stay` in each cell of its one column."""
        import pandas as pd

        ends = np.cumsum(self.sizes, dtype=np.int64)[:-1]
        parts = [np.split(array, ends) for array in (self.variable, self.time, self.value)]
        cells = np.empty(len(self), dtype=object)
        for i, (variable, time, value) in enumerate(zip(*parts, strict=True) if len(self) else ()):
            cells[i] = Stay(self.names, variable, time, value)
        return pd.DataFrame({COLUMN: cells}, index=pd.Index(self.patients, dtype=object, name="patient"))

    def _rows(self, stays: Sequence[int]) -> Stays:
        chosen = np.zeros(len(self), dtype=bool)
        chosen[list(stays)] = True
        kept = chosen[self.stay]
        return replace(
            self,
            patients=tuple(self.patients[i] for i in stays),
            sizes=[self.sizes[i] for i in stays],
            variable=self.variable[kept],
            time=self.time[kept],
            value=self.value[kept],
        )
