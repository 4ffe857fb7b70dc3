"""Wide stays, a column a variable and a row an hour, of which each has a file of its own."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from mmlego.data.kinds.series.clocks import Clock
from mmlego.data.kinds.series.stays import Codes, OnError, Stays, Times, Values
from mmlego.data.kinds.series.values import CellRules, Words
from mmlego.data.kinds.series.wide_units import WideUnits
from mmlego.data.reading.joins import DEFAULTS
from mmlego.data.reading.names import NamePattern
from mmlego.data.reading.near_files import near_files, told
from mmlego.data.reading.signs import Thousands
from mmlego.data.reading.words import COMMAS, commas_are_decimal, plain
from mmlego.errors import InputError, fault
from mmlego.wording import UTF8, counted, listed

SEPARATORS = {".psv": "|", ".tsv": "\t", ".csv": ","}
TIMES = ("ICULOS", "Hours", "Hour", "hours", "hour", "time", "Time", "charttime", "offset")  # as public sets call it
# What public sets predict, which stands among their variables; and that a patient died, in MEDS.
OUTCOMES = ("SepsisLabel", "MEDS_DEATH", "MEDS_DEATH (event)")
UNNAMED = re.compile(r"\s*(Unnamed: \d+(_level_\d+)?)?\s*")


class _Part(NamedTuple):
    patient: str
    variable: Codes
    time: Times
    value: Values


@dataclass
class WideFiles:
    r"""Text files of stays, one a stay: as PhysioNet 2019 (``.psv``) and the MIMIC-III benchmark have them.

    Parameters
    ----------
    clock
        The column of times, and what they mean.
    key
        The column of patient ids, where the files have one.
    pattern
        How the files are named, with ``{key}`` where the id stands; else the id is the name without its ending.
    patients
        The patients there are, where that is known.
    rules
        What words in place of numbers mean.
    on_error
        ``"raise"``, or ``"skip"`` to leave out stays that cannot be read, and name them.
    everybody
        Whether files of others than these patients count, too.

    Examples
    --------
    >>> files = WideFiles(Clock("ICULOS"), "id", "{key}.psv")
    >>> stays = files.read_all([("p1.psv", b"HR|Temp|ICULOS\n80|NaN|1\n82|36.5|2\n")], "training")
    >>> stays.patients, stays.names, stays.time.tolist(), stays.value.tolist()
    (('p1',), ('HR', 'Temp'), [1.0, 2.0, 2.0], [80.0, 82.0, 36.5])
    """

    clock: Clock
    key: str
    pattern: str
    patients: Collection[str] | None = None
    rules: CellRules = field(default_factory=CellRules)
    on_error: OnError = "raise"
    everybody: bool = False

    def read_all(self, files: Iterable[tuple[str, bytes]], where: str) -> Stays:
        """Return all stays, in the order of the names; numbers in names count as numbers.

        Parameters
        ----------
        files
            Name and bytes of each.
        where
            The folder or archive, for messages.

        Raises
        ------
        InputError
            If a file cannot be read, or holds words where numbers belong, under ``on_error="raise"``.
        """
        words, codes, units = Words(self.rules), dict[str, int](), WideUnits(self.rules)
        parts: list[_Part] = []
        skipped: list[str] = []
        numbering: dict[str, bool] = {}  # columns that number the rows of each file, as R calls them
        given = sorted(files, key=lambda file: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", file[0])])
        owners = self._owners([name for name, _ in given], where)
        nobody: list[str] = []
        undated: list[str] = []
        for name, content in given:
            before = len(words)
            try:
                owner, header, rows = self._owned(name, content, owners[name])
                if owner is None or not self.clock.knows(owner):
                    (nobody if owner is None else undated).append(name)
                    continue
                found = self._part(owner, header, rows, words, codes, units)
            except ValueError as error:
                what = f"{PurePosixPath(name).name}: {error}"
                if self.on_error == "raise":
                    remedy = "Mend or remove the file, or declare on_error: skip to go on without it."
                    remedy = f"{UTF8} {remedy}" if isinstance(error, UnicodeDecodeError) else remedy
                    fault(InputError(f"cannot read the stay {what}", remedy=remedy))
                skipped.append(what)
                continue
            if header[0] in DEFAULTS:
                up = numbering.get(header[0], True) and _counts_up([row[0] for row in rows])
                numbering[header[0]] = up
            if len(words) > before and self.on_error == "skip":
                skipped.append(f"{PurePosixPath(name).name}: words where numbers belong")
            else:
                parts.append(found)
        if len(words) and self.on_error == "raise":
            fault(words.error(where))
        for what, names in (("of no patient", nobody), ("of patients without an index date", undated)):
            if names:
                skipped.append(f"{counted(len(names), 'file')} {what} ({listed(names, 2)})")
        if nobody and self.patients is not None and "{" in self.pattern:
            lacking = sorted(set(self.patients) - {part.patient for part in parts})
            depth = len(PurePosixPath(self.pattern).parts)
            near = near_files(self.pattern, ["/".join(PurePosixPath(one).parts[-depth:]) for one in nobody], lacking)
            skipped += [told(near)] if near else []
        numbered = [name for name, up in numbering.items() if up]
        if numbered:
            skipped.append(f"{where}: {listed(numbered)}, which numbers the rows")
        stays = _joined(parts, codes, (*skipped, *words.notes(where), *units.notes(where)))
        return stays.only([name for name in stays.names if name not in numbered]) if numbered else stays

    def _owners(self, names: Sequence[str], where: str) -> dict[str, str | None]:
        """Return whose each file is, as its name says; ids in a column count before."""
        if "{" not in self.pattern:
            return {name: PurePosixPath(name).name.split(".")[0] for name in names}
        pattern = NamePattern(self.pattern, alone=True)
        depth = len(PurePosixPath(self.pattern).parts)
        short = {name: "/".join(PurePosixPath(name).parts[-depth:]) for name in names}
        owners = pattern.owners(list(short.values()), self.patients, where, everybody=self.everybody)
        return {name: owners[short[name]] for name in names}

    def _owned(self, name: str, content: bytes, owner: str | None) -> tuple[str | None, list[str], list[list[str]]]:
        """Return whose a file is, its header and its rows."""
        header, rows = _cells(name, content, declared=self.rules.decimal is not None)
        if self.clock.column not in header:
            raise ValueError(f"it has no column {self.clock.column!r} of times. {meant_time(header)}")
        if self.key in header:
            place = header.index(self.key)
            ids = {row[place].strip() for row in rows}
            if len(ids) != 1 or not next(iter(ids)):
                raise ValueError(f"it names {counted(len(ids), 'patient')} ({self.key}), not one")
            owner = ids.pop()
        return owner, header, rows

    def _part(
        self,
        owner: str,
        header: list[str],
        rows: list[list[str]],
        words: Words,
        codes: dict[str, int],
        units: WideUnits,
    ) -> _Part:
        columns: dict[str, Sequence[str]] = dict(
            zip(header, zip(*rows, strict=True) if rows else [()] * len(header), strict=True)
        )
        columns.pop(self.key, None)
        texts = columns.pop(self.clock.column)
        time = self.clock.of_texts(texts, owner)
        if np.isnan(time).any():
            odd = texts[int(np.isnan(time).argmax())]
            raise ValueError(f"{self.clock.column} is {odd!r}, no time{self.clock.expected}")
        kinds, values = [], []
        for variable, cells in units.taken_out(columns).items():
            if not UNNAMED.fullmatch(variable):  # row numbers, which nobody named
                kinds.append(codes.setdefault(variable, len(codes)))
                values.append(words.numbers(variable, cells))
        table = np.array(values).reshape(len(kinds), len(time))
        row, hour = np.nonzero(~np.isnan(table))
        return _Part(owner, np.array(kinds, np.int32)[row], time[hour], table[row, hour].astype(np.float32))


def meant_time(header: Sequence[str]) -> str:
    """Return the hint which column may be that of the times.

    Parameters
    ----------
    header
        The columns.

    Examples
    --------
    >>> meant_time(["HR", "ICULOS"])
    'Declare time: ICULOS.'
    """
    near = next((name for name in TIMES if name in header), None)
    return f"Declare time: {near}." if near else f"Declare time: with one of {listed(header, 12)}."


def separator_of(name: str, first: str) -> str:
    """Return what stands between the cells of a text file, by its name or else its first line.

    Parameters
    ----------
    name
        The name of the file.
    first
        Its first line.

    Examples
    --------
    >>> separator_of("p1.psv", ""), separator_of("p1.txt", "a;b;c")
    ('|', ';')
    """
    usual = SEPARATORS.get(PurePosixPath(name.lower()).suffix, "")
    return usual if usual and usual in first else max(f"{usual},|\t;", key=first.count)


def _cells(name: str, content: bytes, *, declared: bool) -> tuple[list[str], list[list[str]]]:
    text = content.decode("utf-8-sig")
    first = text.partition("\n")[0]
    separator = separator_of(name, first)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if row]
    if not rows:
        raise ValueError("it is empty")
    header = [cell.strip() for cell in rows[0]]
    again = sorted({name for name in header if name and header.count(name) > 1})
    if again:
        raise ValueError(f"it has columns of the same name ({listed(again)})")
    within = [line for row in rows for cell in row if "\n" in cell for line in cell.split("\n")[1:]]
    if any(len(line.split(separator)) == len(header) for line in within):
        raise ValueError(f"a quotation mark swallows {counted(len(within), 'row')}: is one never closed?")
    if separator == ";" and not declared:
        rows[1:] = _with_points(rows[1:])
        thousands = Thousands(True)
        for row in rows[1:]:
            thousands.look(row)
        thousands.refuse(PurePosixPath(name).name)
    short = next((number for number, row in enumerate(rows[1:], 2) if len(row) != len(header)), None)
    if short is not None:
        raise ValueError(f"row {short} has {len(rows[short - 1])} cells, not {len(header)}: is the file truncated?")
    if header.count("") > 1:
        raise ValueError("it has several columns without a name")
    return header, rows[1:]


def _with_points(rows: list[list[str]]) -> list[list[str]]:
    """Return the rows of a file with semicolons between cells with 3.5 for 3,5, unless it has both."""
    words = [cell.strip() for row in rows for cell in row]
    if not commas_are_decimal(words):
        return rows
    return [[_with_point(cell) for cell in row] for row in rows]


def _with_point(cell: str) -> str:
    number = plain(cell.strip())
    return number.replace(",", ".") if COMMAS.fullmatch(number) else cell


def _counts_up(cells: Sequence[str]) -> bool:
    """Return whether cells are whole numbers, each larger than the one before: the numbers of the rows."""
    if not all(re.fullmatch(r"\d+", cell.strip()) for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    return all(before < after for before, after in pairwise(numbers))


def _joined(parts: Sequence[_Part], codes: dict[str, int], skipped: tuple[str, ...]) -> Stays:
    names = sorted(codes)
    place = np.zeros(len(codes), dtype=np.int32)
    place[[codes[name] for name in names]] = np.arange(len(names))
    empty = np.zeros(0)
    return Stays(
        patients=tuple(part.patient for part in parts),
        sizes=[len(part.time) for part in parts],
        names=tuple(names),
        variable=place[np.concatenate([empty.astype(np.int32), *(part.variable for part in parts)])],
        time=np.concatenate([empty, *(part.time for part in parts)]),
        value=np.concatenate([empty.astype(np.float32), *(part.value for part in parts)]),
        skipped=skipped,
    ).sorted()
