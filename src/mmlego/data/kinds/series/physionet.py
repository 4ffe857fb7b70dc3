"""The layout of the PhysioNet 2012 challenge: one text file a stay, of lines ``Time,Parameter,Value``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from mmlego.data.kinds.series.stays import LARGEST, Codes, OnError, Stays, Times, Values
from mmlego.errors import InputError, fault
from mmlego.wording import UTF8, counted

HEADER = ["Time", "Parameter", "Value"]
DESCRIPTORS = ("Age", "Gender", "Height", "ICUType")  # said once, on admission; of them and Weight, −1 is "not known"
VARIABLES = tuple(
    "Albumin ALP ALT AST Bilirubin BUN Cholesterol Creatinine DiasABP FiO2 GCS Glucose HCO3 HCT HR K Lactate Mg MAP "
    "MechVent Na NIDiasABP NIMAP NISysABP PaCO2 PaO2 pH Platelets RespRate SaO2 SysABP Temp TroponinI TroponinT Urine "
    "WBC Weight".split()
)
_NOT_KNOWN = -1.0
_MINUTES = 60


class _Clock(dict[str, float]):
    """Hours by the text that says them; there are few texts and many lines."""

    def __missing__(self, text: str) -> float:
        hours, colon, minutes = text.removeprefix("-").partition(":")
        if not (colon and hours.isdecimal() and len(minutes) == 2 and minutes.isdecimal() and int(minutes) < _MINUTES):
            raise ValueError(f"{text!r} is no time HH:MM")
        self[text] = value = (-1 if text.startswith("-") else 1) * (int(hours) * _MINUTES + int(minutes)) / _MINUTES
        return value


class _Part(NamedTuple):
    patient: str
    variable: Codes
    time: Times
    value: Values


class StayReader:
    r"""Reads text files of stays one by one, and numbers the variables as it meets them.

    Parameters
    ----------
    key
        The parameter that holds the id of the patient.
    on_error
        ``"raise"``: a file that cannot be read is an error; ``"skip"``: it is left out, and named.

    Examples
    --------
    >>> reader = StayReader("RecordID")
    >>> reader.read("7.txt", b"Time,Parameter,Value\n00:00,RecordID,7\n00:00,Height,-1\n01:30,HR,80\n")
    >>> stays = reader.stays()
    >>> stays.patients, stays.names, stays.time.tolist(), stays.value.tolist()
    (('7',), ('HR', 'Height'), [1.5], [80.0])
    """

    def __init__(self, key: str, on_error: OnError = "raise") -> None:
        self.key, self.on_error = key, on_error
        self._clock = _Clock()
        self._codes: dict[str, int] = {}
        self._parts: list[_Part] = []
        self._skipped: list[str] = []

    def read_all(self, files: Iterable[tuple[str, bytes]]) -> Stays:
        """Read name and bytes of each file, and return all stays."""
        for name, content in files:
            self.read(name, content)
        return self.stays()

    def read(self, name: str, content: bytes) -> None:
        """Read one file.

        Parameters
        ----------
        name
            Its name, for messages.
        content
            Its bytes.

        Raises
        ------
        InputError
            If it is unreadable or truncated, under ``on_error="raise"``; the message names file and line.
        """
        try:
            self._parts.append(self._part(content))
        except ValueError as error:
            what = f"{PurePosixPath(name).name}: {error}"
            if self.on_error == "raise":
                remedy = "Mend or remove the file, or declare on_error: skip to go on without it."
                remedy = f"{UTF8} {remedy}" if isinstance(error, UnicodeDecodeError) else remedy
                fault(InputError(f"cannot read the stay {what}", remedy=remedy))
            self._skipped.append(what)

    def stays(self) -> Stays:
        """Return all stays that were read."""
        parts = self._parts
        names = sorted(self._codes)
        place = np.zeros(len(self._codes), dtype=np.int32)
        place[[self._codes[name] for name in names]] = np.arange(len(names))
        empty = np.zeros(0)
        return Stays(
            patients=tuple(part.patient for part in parts),
            sizes=[len(part.time) for part in parts],
            names=tuple(names),
            variable=place[np.concatenate([empty.astype(np.int32), *(part.variable for part in parts)])],
            time=np.concatenate([empty, *(part.time for part in parts)]),
            value=np.concatenate([empty.astype(np.float32), *(part.value for part in parts)]),
            skipped=tuple(self._skipped),
        ).sorted()

    def _part(self, content: bytes) -> _Part:
        lines = content.decode("utf-8-sig").splitlines()
        if not lines:
            raise ValueError("it is empty")
        if [cell.strip() for cell in lines[0].split(",")] != HEADER:
            raise ValueError(f"its first line is {lines[0][:40]!r}, not {','.join(HEADER)!r}")
        rows = [line.split(",") for line in lines[1:] if line]
        if {len(row) for row in rows} - {3}:
            number = next(i for i, line in enumerate(lines[1:], 2) if line and line.count(",") != 2)
            raise ValueError(f"line {number} has not three cells ({lines[number - 1][:40]!r}): is the file truncated?")
        patients = {value.strip() for _, name, value in rows if name == self.key} - {""}
        if len(patients) != 1:
            raise ValueError(f"it names {counted(len(patients), 'patient')} ({self.key}), not one")
        rows = [row for row in rows if row[1] != self.key]  # an id need not be a number
        times, names, values = zip(*rows, strict=True) if rows else ((), (), ())
        try:
            time = np.array([self._clock[text] for text in times])
            value = np.array([float(text) for text in values])
        except ValueError:
            time, value = None, None
        if time is None or value is None or (np.abs(value) > LARGEST).any() or "" in names:
            raise ValueError(self._first_wrong(lines))
        codes = self._codes
        code = np.array([codes.setdefault(name, len(codes)) for name in names], dtype=np.int32)
        unknown = np.isin(code, [codes[name] for name in (*DESCRIPTORS, "Weight") if name in codes])
        kept = ~np.isnan(value) & ~(unknown & (value == _NOT_KNOWN))
        return _Part(patients.pop(), code[kept], time[kept], value[kept].astype(np.float32))

    def _first_wrong(self, lines: list[str]) -> str:
        for number, line in enumerate(lines[1:], 2):
            time, _, rest = line.partition(",")
            name, _, value = rest.partition(",")
            if not line or name == self.key:
                continue
            try:
                self._clock[time]
            except ValueError as error:
                return f"line {number}: {error}"
            if not (name and _is_number(value)):
                return f"line {number}: {name or 'a parameter without a name'} is {value!r}, not a number"
        return "it holds something else than times, names and numbers"


def _is_number(text: str) -> bool:
    try:
        return not abs(float(text)) > LARGEST  # NaN is a number here: nothing was measured
    except ValueError:
        return False
