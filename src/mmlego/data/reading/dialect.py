"""How a text table is written: what stands between cells, which comma is a decimal, where the rows begin."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from mmlego.data.reading.signs import doubt_of_sign
from mmlego.errors import InputError
from mmlego.wording import counted, listed

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".psv": "|", ".txt": ""}
NAMED = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "spaces"}
# What stands for no number in a column of numbers, whoever wrote it; other words are looked at one by one.
NULLS = (
    "",
    "NA",
    "NaN",
    "nan",
    "N/A",
    "n/a",
    "NULL",
    "null",
    "None",
    "none",
    "#N/A",
    "<NA>",
    "na",
    ".",
    "-nan",
    "-NaN",
)
UNNAMED = "Unnamed: "  # as pandas calls columns without a name
# The rows that are looked at: enough to tell, and no more than a file of 450,000 columns can bear.
MOST_LINES = 100
MOST_TITLES = 20
MOST_CELLS = 400_000

COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")  # 1,234: a thousand and more, or one and a bit


@dataclass(frozen=True)
class Dialect:
    """How a text table is written.

    Parameters
    ----------
    separator
        What stands between cells.
    decimal
        ``.`` or ``,``.
    names
        The columns; one without a name is called as pandas calls it, ``Unnamed: 0``.
    start
        How many bytes there are before the first row.
    sample
        The first rows, to guess from what the columns hold.
    notes
        What is unusual about it, each as a clause.
    """

    separator: str
    decimal: str
    names: tuple[str, ...]
    start: int
    sample: Sequence[Sequence[str]]
    notes: tuple[str, ...]

    @property
    def dotted(self) -> tuple[str, ...]:
        """The columns of which 1.234 may be a thousand and more: of a file with semicolons that has no decimals.

        Of a file with decimal commas, those of which 1,234 may be one, for it stands beside hundreds.
        """
        cells = [[cell.strip() for cell in row] for row in self.sample]
        if self.decimal == ",":
            columns = itertools.zip_longest(*cells, fillvalue="")
            return tuple(
                name for name, words in zip(self.names, columns, strict=False) if doubt_of_sign(set(words), ",")
            )
        if self.separator != ";":
            return ()
        if any(POINT.fullmatch(cell) and not GROUPED.fullmatch(cell) for row in cells for cell in row):
            return ()
        places = {place for row in cells for place, cell in enumerate(row) if "." in cell and GROUPED.fullmatch(cell)}
        return tuple(name for place, name in enumerate(self.names) if place in places)


def is_unnamed(name: str) -> bool:
    """Return whether a column has no name of its own, as the row numbers that R and pandas write have none.

    Parameters
    ----------
    name
        The name.

    Examples
    --------
    >>> is_unnamed("Unnamed: 0"), is_unnamed("age")
    (True, False)
    """
    return (
        not name.strip() or re.fullmatch(r"Unnamed: \d+(?:\.\d+)*(?:_level_\d+)?|__index_level_\d+__", name) is not None
    )


def detect(content: BinaryIO, usual: str, key: str) -> Dialect:
    r"""Return how a table is written, as its first lines show.

    Parameters
    ----------
    content
        The table, in UTF-8; read from its start.
    usual
        The separator that goes with the name of the file, which counts where the lines do not tell; empty: none does.
    key
        The column of patient ids: of comment lines the one that names it is the header.

    Raises
    ------
    InputError
        If the table is empty, two separators fit, or a name stands twice.

    Examples
    --------
    >>> import io
    >>> found = detect(io.BytesIO(b"# made by hand\nid;crp\nP1;3,5\n"), ",", "id")
    >>> found.separator, found.decimal, found.names, found.notes[0]
    (';', ',', ('id', 'crp'), '1 line that begins with # above the names of the columns left out')
    """
    content.seek(0)
    head, first, start, notes = _header(content, key)
    lines = [line for line in itertools.islice(whole_lines(content), _how_many(head)) if line.strip()]
    separator = _separator([head, *lines], usual, key)
    names, *rows = (cells(line, separator) for line in [head, *lines])
    names = _named(names, rows)
    if first and names[0] != key:
        names[0] = names[0].removeprefix("#").strip() or names[0]
    again = [name for name, count in Counter(names).items() if count > 1]
    if again:
        raise InputError(f"columns of the same name ({listed(again)})", remedy="Rename or drop them.")
    within = any('"' in line if separator == "," else "," in line for line in lines)  # commas in cells
    decimal = _decimal(rows) if within else "."
    if usual and separator != usual:
        notes.append(f"read with {NAMED[separator]} between cells")
    if decimal == ",":
        notes.append("read with decimal commas, as 3,5 for 3.5")
    return Dialect(separator, decimal, tuple(names), start, rows, tuple(notes))


def cells(line: str, separator: str) -> list[str]:
    """Return the cells of a line.

    Parameters
    ----------
    line
        The line.
    separator
        What stands between cells.

    Examples
    --------
    >>> cells('P1,"Smith, J",50', ",")
    ['P1', 'Smith, J', '50']
    """
    if '"' not in line:
        return line.rstrip("\r\n").split(separator)
    most = csv.field_size_limit(2**31 - 1)  # a genome in a cell is no mistake
    try:
        return next(csv.reader([line], delimiter=separator))
    except csv.Error:  # by this separator, a cell in quotes does not begin where it should
        return [line]
    finally:
        csv.field_size_limit(most)


def _header(content: BinaryIO, key: str) -> tuple[str, bool, int, list[str]]:
    """Return the line of names, whether it begins with ``#``, where the rows begin, and what was passed over."""
    notes: list[str] = []
    comments: list[tuple[str, int]] = []
    for line in whole_lines(content):
        text = line.removeprefix("\ufeff").strip("\r\n")
        if re.fullmatch(r"sep=.", text):  # a line that Excel writes for itself
            continue
        if text.startswith("#"):
            comments.append((text, content.tell()))
        elif text.strip():
            break
    else:
        text = ""
    text = _below(content, text, key, comments, notes)
    named = [place for place, (words, _) in enumerate(comments) if key in _words(words) and key not in _words(text)]
    if named:
        text, start = comments[named[-1]]
        content.seek(start)
        comments = comments[: named[-1]]
    elif not text:
        raise InputError("no line names the columns", expected="a table with a header")
    if comments:
        lines = "line that begins" if len(comments) == 1 else "lines that begin"
        notes.append(f"{len(comments)} {lines} with # above the names of the columns left out")
    return text, bool(named), content.tell(), notes


def _below(content: BinaryIO, text: str, key: str, comments: list[tuple[str, int]], notes: list[str]) -> str:
    """Return the line that names the key, where the first one does not: there may be a title above."""
    place = content.tell()
    if text and key not in _words(text) and not any(key in _words(words) for words, _ in comments):
        for number, line in enumerate(itertools.islice(whole_lines(content), MOST_TITLES), 1):
            if key in _words(line.strip("\r\n")):
                notes.append(f"{counted(number, 'line')} above the names of the columns left out")
                return line.strip("\r\n")
        content.seek(place)
    return text


def _words(line: str) -> set[str]:
    return {word.strip(' "') for word in re.split(r"[,;\t|]", line.lstrip("#"))}


def whole_lines(content: BinaryIO) -> Iterator[str]:
    """Yield lines, each whole: a cell in quotes may go on in the next line.

    Parameters
    ----------
    content
        The table, in UTF-8, from where it is.
    """
    while line := content.readline():
        while line.count(b'"') % 2 and (more := content.readline()):
            line += more
        yield line.decode("utf-8")


def _how_many(head: str) -> int:
    return max(2, min(MOST_LINES, MOST_CELLS // (1 + _most(head))))


def _most(line: str) -> int:
    return max(line.count(separator) for separator in NAMED)


def _separator(lines: Sequence[str], usual: str, key: str) -> str:
    """Return the separator by which all lines have one number of cells; the usual one where nothing tells."""
    fitting: dict[str, int] = {}
    for separator in NAMED:
        if separator == " " and fitting:
            break  # spaces are in texts, too
        widths = {len(cells(line, separator)) for line in lines}
        if len(widths) == 1 and min(widths) > 1:
            fitting[separator] = min(widths)
    naming = {separator: width for separator, width in fitting.items() if key in cells(lines[0], separator)}
    fitting = naming or fitting
    if not fitting or usual in fitting:
        rivals = [other for other, width in fitting.items() if width > fitting.get(usual, width)]
        if not rivals:
            return usual or "," if fitting or _most(lines[0]) == 0 else _of_header(lines[0], usual or ",")
    most = [separator for separator, width in fitting.items() if width == max(fitting.values())]
    if len(most) > 1 or usual in fitting:
        known = listed(NAMED[separator] for separator in fitting)
        raise InputError(
            f"cells may be parted by any of {known}",
            expected="a table of which all lines agree",
            got=repr(lines[0][:80]),
        )
    return most[0]


def _of_header(line: str, usual: str) -> str:
    """Return what the line of names has most of, where the lines below have other numbers of cells."""
    counts = {separator: len(cells(line, separator)) for separator in (usual, ",", ";", "\t", "|")}
    return max(counts, key=lambda separator: counts[separator])


def _named(names: list[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = {len(row) for row in rows}
    if widths == {len(names) + 1} and all(row[-1] == "" for row in rows):
        names = [*names, ""]  # each line ends with a separator
    elif widths == {len(names) + 1}:
        raise InputError(
            "more columns than names in its first line",
            expected=f"{counted(len(names), 'cell')} a line",
            got=f"{min(widths)} in the lines below",
            remedy="Name the first column too: some programs leave out the name of the row names. If commas are "
            "decimal, save it with semicolons or tabs between cells.",
        )
    return [name if name.strip() else f"{UNNAMED}{place}" for place, name in enumerate(names)]


def _decimal(rows: Sequence[Sequence[str]]) -> str:
    """Return ``,`` where cells are written as 3,5 and none as 3.5; of 1,234 and 1.234 neither tells."""
    words = [word for row in rows for cell in row if not GROUPED.fullmatch(word := cell.strip())]
    commas = any("," in word and COMMA.fullmatch(word) for word in words)
    return "," if commas and not any("." in word and POINT.fullmatch(word) for word in words) else "."
