"""Text with a name and many numbers a line, read piece by piece: what is no number is named, never guessed."""

from __future__ import annotations

import gzip
import io
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.omics.number_forms import number_in
from mmlego.data.reading.dialect import COMMA, GROUPED, NULLS, POINT, cells
from mmlego.data.reading.files import PACKED, packed_bytes
from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.own_memory import own_memory
from mmlego.data.reading.remarks import Doubtful, Dropped, Noted
from mmlego.data.reading.signs import Thousands, doubt_of_sign, ways_of_sign
from mmlego.data.reading.truths import truth_of, truths_of
from mmlego.data.reading.word_forms import other_form
from mmlego.data.reading.words import as_number, numbers_among
from mmlego.errors import InputError
from mmlego.wording import UTF8, counted, listed, shortened

PIECE_BYTES = 16 * 2**20
MOST_ROWS, MOST_CELLS = 20, 2**22  # rows that are looked at first, and characters
TAIL = 4096  # bytes at the end, where the last line is


@dataclass(frozen=True)
class Header:
    """Where a matrix begins in a text.

    Parameters
    ----------
    names
        The names of its columns.
    rows
        The first rows, as text.
    separator
        What stands between cells.
    decimal
        The decimal sign.
    start
        How many bytes there are before the rows.
    genes
        How many rows there are to be, as a GCT says; None: the file does not say.
    closed
        Whether a line says where the table ends, as in a series matrix of GEO.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    separator: str
    decimal: str
    start: int
    genes: int | None = None
    closed: bool = False


@dataclass(frozen=True)
class Cells:
    """What a text matrix holds.

    Parameters
    ----------
    names
        The name of each row.
    values
        Numbers ``(f, n)``, NaN where missing.
    notes
        What was read as missing, or left out.
    """

    names: list[str]
    values: NDArray[np.float64]
    notes: list[Dropped]


def open_text(path: Path, *, whole: bool = True) -> BinaryIO:
    """Return a text file, unpacked if need be, to be closed by the caller.

    Parameters
    ----------
    path
        The file, plain, ``.gz`` or ``.zip``.
    whole
        Whether all of it will be read; else a ``.gz`` is unpacked as far as it is.
    """
    suffix = path.suffix.lower()
    if suffix == ".gz" and not whole:
        return cast("BinaryIO", gzip.open(path))
    return packed_bytes(path) if suffix in PACKED[1:] else path.open("rb")


def find_header(content: BinaryIO, name: str, *, named: bool = True) -> Header:
    r"""Return where the columns are named, below lines that begin with ``#``, ``!`` or ``^``.

    Parameters
    ----------
    content
        The text, in UTF-8.
    name
        The file, for messages.
    named
        Whether there is a line of names; HTSeq writes none.

    Raises
    ------
    InputError
        If there is none, or rows have other numbers of cells.

    Examples
    --------
    >>> import io
    >>> text = b'!Series_title\t"x"\n"ID_REF"\t"GSM1"\n"7A5"\t2.5\n!series_matrix_table_end\n'
    >>> header = find_header(io.BytesIO(text), "GSE1_series_matrix.txt")
    >>> header.names, header.rows
    (('ID_REF', 'GSM1'), (('7A5', '2.5'),))
    """
    content.seek(0)
    start, gct, closed, genes = 0, False, False, None
    for text in lines_of(content, name):
        if gct:  # the line of a GCT that tells its size
            gct, size = False, text.split("\t")[0].strip()
            genes = int(size) if re.fullmatch(r"[0-9]{1,9}", size) else None
        elif text.startswith(("#", "!", "^")):
            gct = re.fullmatch(r"#1\.[23]", text.strip()) is not None
            closed |= text.startswith("!series_matrix_table_begin")
        elif text.strip():
            line = text
            break
        start = content.tell()
    else:
        raise InputError(f"{name!r} has no line of names", expected="a name a column, then rows")
    start = content.tell() if named else start
    separator = max("\t,;", key=lambda sign: line.count(sign)) if any(sign in line for sign in "\t,;") else "\t"
    content.seek(start)
    rows = []
    for text in itertools.islice(lines_of(content, name), max(2, min(MOST_ROWS, MOST_CELLS // len(line)))):
        if text.startswith("!"):
            break
        if text.strip():
            rows.append(tuple(map(str.strip, cells(text, separator))))
    first = cells(line, separator)
    names = [name.strip() for name in first] if named else [str(place) for place in range(len(first))]
    widths = {len(row) for row in rows}
    if widths == {len(names) + 1} and named:  # R leaves out the name of the row names
        names = ["", *names]
    if not rows or widths != {len(names)}:
        raise InputError(
            f"{name!r} is no matrix",
            expected=f"{counted(len(names), 'cell')} a line, as in the line of names",
            got=listed(sorted(widths)) or "no rows",
        )
    return Header(tuple(names), tuple(rows), separator, _decimal(rows, separator), start, genes, closed)


def _decimal(rows: Sequence[Sequence[str]], separator: str) -> str:
    """Return ``,`` where cells are written as 3,5 and none as 3.5; of 1,234 and 1.234 neither tells."""
    words = [cell for row in rows for cell in row if not GROUPED.fullmatch(cell)]
    commas = separator != "," and any(COMMA.fullmatch(word) for word in words)
    return "," if commas and not any(POINT.fullmatch(word) for word in words) else "."


def read_cells(
    content: BinaryIO,
    header: Header,
    place: int,
    samples: Sequence[int],
    where: str,
    unknown: Collection[str] = (),
    decimal: str | None = None,
) -> Cells:
    """Return names and numbers of all rows.

    Parameters
    ----------
    content
        The text.
    header
        What :func:`find_header` found.
    place
        The column of names.
    samples
        The columns of numbers.
    where
        The modality, for messages.
    unknown
        Words that mean that nothing is known, beside the usual ones.
    decimal
        The decimal sign that is declared; None: as the cells show. Between semicolons 1.234 is then refused where no
        cell has other decimals.

    Raises
    ------
    InputError
        If a cell is no number and does not say that it is missing, or rows have other numbers of cells.
    """
    names: list[str] = []
    values = np.empty((_count(content, header), len(samples)))
    odd: dict[int, Counter[str]] = {}
    missing: Counter[str] = Counter()
    said: dict[int, dict[int, str]] = {}
    thousands = Thousands(header.separator == ";" and header.decimal == "." and decimal is None)
    for piece in _pieces(content, header):
        # a number may be a word for missing, or a thousand and more: then each cell is looked at, too
        each = bool(unknown) or decimal is not None or thousands.looked_for
        table: Any = None if each else _parsed(piece, header, place, samples, where)
        whole = table is not None
        if not whole:  # some cell is no number: each is looked at
            table = _parsed(piece, header, place, samples, where, text=True)
        start = len(names)
        names += table.column(str(place)).to_pylist()
        for number, column in enumerate(samples):
            found = table.column(str(column))
            if whole:
                values[start : len(names), number] = found.to_numpy()
                continue
            words, wrong = found.to_pylist(), odd.setdefault(column, Counter())
            thousands.look(words)
            values[start : len(names), number] = _numbers(words, header.decimal, wrong, missing, unknown, decimal)
            for row, word in enumerate(words) if wrong else ():
                if word in wrong and truth_of(word) is not None:
                    said.setdefault(start + row, {})[number] = word
    thousands.refuse(where)
    values = values[: len(names)]
    _refuse_short(content, header, len(names), where)
    truths = _as_truths(values, said, odd, samples)
    _refuse_words(odd, header, where, signs=decimal is None)
    notes: list[Dropped] = [Noted(where, "read with decimal commas, as 3,5 for 3.5")] if header.decimal == "," else []
    if truths:
        notes.append(Noted(where, f"yes and no read as 1 and 0: {listed(names[row] for row in truths)}"))
    if decimal is not None and (doubt := doubt_of_sign([row[i] for row in header.rows for i in samples], decimal)):
        notes.append(Doubtful(where, doubt))
    if missing:
        words = listed((f"{word!r} {count}×" for word, count in missing.most_common()), 4)
        notes.append(Noted(where, f"read as missing: {words}"))
    return Cells(names, values, notes)


def _refuse_short(content: BinaryIO, header: Header, genes: int, where: str) -> None:
    """Refuse a file that ends before it says that it does, as where a download broke off at the end of a line."""
    content.seek(max(0, content.seek(0, io.SEEK_END) - TAIL))
    if header.closed and b"\n!series_matrix_table_end" not in content.read():
        got, expected = "none", "a line !series_matrix_table_end behind the genes"
    elif header.genes not in (None, genes):
        got, expected = str(genes), f"{header.genes} genes, as its second line says"
    else:
        return
    raise InputError(
        f"{where}: the file is cut short, or was changed", expected=expected, got=got, remedy="Get it anew, or mend it."
    )


def _refuse_words(odd: dict[int, Counter[str]], header: Header, where: str, *, signs: bool) -> None:
    """Refuse words of samples where numbers belong."""
    if not any(odd.values()):
        return
    wrongs = Counter({(header.names[i], word): count for i, found in odd.items() for word, count in found.items()})
    if all(column == word.strip() for column, word in wrongs):
        what, way = f"{where}: the line of names stands again among the genes", "Take it out of the file there."
        raise InputError(what, expected="numbers", got=listed((word for _, word in wrongs), 3), remedy=way)
    shown = (f"{column}: {shortened(word)!r} {count}×" for (column, word), count in wrongs.most_common())
    ways = "Mend or empty them, or declare words as missing: [...]; a column that is no sample is left out by "
    ways += "samples:, as samples: 'TCGA-*'."
    if truths_of([word for _, word in wrongs], alone=True) is not None:
        ways = "Write 1 and 0 for yes and no."
    elif signs and (sign := ways_of_sign([word for _, word in wrongs])):
        ways = sign
    elif all(other_form(word.strip()) for _, word in wrongs):
        ways = "Write numbers alone, in one unit and with a decimal point."
    raise InputError(
        f"{where}: {counted(sum(wrongs.values()), 'cell')} of samples that are no numbers ({listed(shown, 4)})",
        expected="numbers",
        remedy=ways,
    )


def _as_truths(
    values: NDArray[np.float64], said: dict[int, dict[int, str]], odd: dict[int, Counter[str]], samples: Sequence[int]
) -> list[int]:
    """Write 1 and 0 into the rows that say yes and no, beside 1 and 0 alone; return which these are."""
    found = []
    for row, mine in said.items():
        meant = truths_of(set(mine.values()), alone=True)
        if meant is not None and {*values[row][~np.isnan(values[row])]} <= {0, 1}:
            values[row, list(mine)] = [meant[word] for word in mine.values()]
            found.append(row)
            for number, word in mine.items():
                odd[samples[number]] -= Counter([word])
    return found


def _numbers(
    words: Sequence[str],
    decimal: str,
    odd: Counter[str],
    missing: Counter[str],
    unknown: Collection[str],
    declared: str | None,
) -> NDArray[np.float64]:
    values = np.full(len(words), np.nan)
    codes = numbers_among(unknown)
    for row, word in enumerate(words):
        number = number_in(word, decimal, declared)
        if word in unknown or (codes and (as_number(word, ".") if number is None else number) in codes):
            missing[word] += 1
        elif number is not None:
            values[row] = number
        elif word.strip() and not is_missing(word):
            odd[word] += 1
        elif word.strip() not in NULLS:
            missing[word] += 1
    return values


def _parsed(piece: bytes, header: Header, place: int, samples: Sequence[int], where: str, *, text: bool = False) -> Any:
    """Return a piece as a table of pyarrow whose columns are called by their number; None if a cell is no number."""
    import pyarrow as pa
    from pyarrow import csv as reader

    kinds = {str(number): pa.string() if text else pa.float64() for number in samples} | {str(place): pa.string()}
    try:
        return reader.read_csv(
            own_memory(piece),
            reader.ReadOptions(
                block_size=len(piece) + 1, column_names=[str(number) for number in range(len(header.names))]
            ),
            reader.ParseOptions(delimiter=header.separator),
            reader.ConvertOptions(
                column_types=kinds,
                include_columns=list(kinds),
                null_values=list(NULLS),
                strings_can_be_null=False,
                decimal_point=header.decimal,
            ),
        ).combine_chunks()
    except pa.ArrowInvalid as error:
        if "conversion error" in str(error) and not text:
            return None
        raise InputError(f"{where}: the matrix cannot be read ({error})", expected="the same cells a line") from error


def lines_of(content: BinaryIO, name: str) -> Iterator[str]:
    """Yield lines, without their ends.

    Parameters
    ----------
    content
        The text, from where it is.
    name
        The file, for messages.

    Raises
    ------
    InputError
        If a line is no text in UTF-8.
    """
    while line := content.readline():
        try:
            yield line.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(f"cannot read {name!r} ({error})", expected="text in UTF-8", remedy=UTF8) from error


def _stop(content: BinaryIO) -> int:
    """Return where the rows end: a series of GEO has a line more, and there may be empty ones."""
    size = content.seek(0, io.SEEK_END)
    content.seek(max(0, size - TAIL))
    tail = content.read()
    kept = re.sub(rb"(?:\s*\n!series_matrix_table_end[^\n]*)?\s*\Z", b"", tail, count=1)
    return size - len(tail) + len(kept)


def _pieces(content: BinaryIO, header: Header) -> Iterator[bytes]:
    """Yield the rows in pieces that end with a line."""
    stop = _stop(content)
    content.seek(header.start)
    while (left := stop - content.tell()) > 0:
        piece = content.read(min(left, PIECE_BYTES))
        if (left := stop - content.tell()) > 0:
            piece += content.readline(left)
        yield piece


def _count(content: BinaryIO, header: Header) -> int:
    """Return how many rows there are at most."""
    return sum(piece.count(b"\n") for piece in _pieces(content, header)) + 1
