"""What files seem to hold, seen without a manifest: which kind, whose, and what each column looks like."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmlego.data.cohort.known_layouts import is_meds, time_of
from mmlego.data.kinds.file_sources import FileSource
from mmlego.data.kinds.registry import KINDS
from mmlego.data.reading.columns import BLANK
from mmlego.data.reading.dates import is_date
from mmlego.data.reading.files import read_lines
from mmlego.data.reading.missing import is_missing, is_sign
from mmlego.data.reading.tables import TableFile, read_table
from mmlego.data.reading.telling import FEWEST, MOST_CATEGORIES
from mmlego.data.reading.words import as_number, commas_are_decimal
from mmlego.data.reading.workbooks import sheet_headers
from mmlego.errors import InputError, LegoError
from mmlego.extras import import_extra
from mmlego.wording import counted, listed, shortened

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".tsv", ".psv", ".txt", ".parquet", ".xlsx")
PACKED = (".gz", ".zip")
WIDE = 100  # columns of numbers
SAMPLE = 2000  # rows of a table that are looked at for what a column is

_ENDPOINT = re.compile(r"OS|PFS|PFI|DSS|DFI|DFS|RFS|EFS|DMFS")
_EVENT = re.compile(
    r"event|verstorben|tod(?:$|_)|status|death|dead|died|deceased|vital|censor|relapse|recurrence|progress",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?:^|[_. ])(?:os|pfs|dfs|dss|efs|rfs|ttp|time|days?|weeks?|months?|years?)(?:$|[_. ])|"
    r"survival|follow|length.of.stay|(?:^|_)los(?:$|_)",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^(?:y|label|group|boolean_value|class|target|outcome|diagnosis|response|responder|subtype)$|mortality|readmi|"
    r"(?<!at)_(?:label|class|target|outcome|diagnosis|response)$",
    re.IGNORECASE,
)
_SMILES = re.compile(r"[A-Za-z0-9@+\-\[\]()=#$/\\.%:*]+")


@dataclass
class Look:
    """What one file, or a pattern of files, seems to be.

    Parameters
    ----------
    name
        What the modality would be called.
    kind
        The kind; ``table`` until its columns are known.
    place
        The file, or the folder of the files.
    ending
        Of files, what their names end in.
    frame
        Of a table, its cells as text.
    stems
        Of files, their names without ending.
    layout
        Of series ``wide`` or ``meds``, of files ``folders`` where each patient has a folder.
    sheet
        Of ``.xlsx`` the sheet, where there are several.
    """

    name: str
    kind: str
    place: Path
    ending: str = ""
    frame: pd.DataFrame | None = None
    stems: tuple[str, ...] = ()
    layout: str = ""
    sheet: str | None = None


def look(paths: Sequence[Path]) -> tuple[list[Look], list[str]]:
    """Return what files and folders seem to hold, and which of them are nothing that can be read.

    Parameters
    ----------
    paths
        Files, and folders of files of patients.

    Raises
    ------
    InputError
        If a file is not there.
    """
    looks: list[Look] = []
    left: list[str] = []
    unknown: dict[tuple[Path, str], list[str]] = {}
    kinds = _kinds()
    groups: dict[tuple[Path, str], list[Path]] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"there is no file {path}")
        inside = _inside(path)
        shards = [file for file in inside if file.suffix == ".parquet"]
        if shards and is_meds(_header(shards[0])):
            looks.append(replace(_first(shards[0]), name=path.name, kind="series", place=path, layout="meds"))
            inside = [file for file in inside if file not in shards]
        elif len(inside) > 1 and len({file.parent for file in inside}) == 1 and _are_stays(inside):
            stems = tuple(_name(file) for file in inside)
            first = _first(inside[0])
            looks.append(replace(first, name=path.name, kind="series", place=path, layout="wide", stems=stems))
            continue
        for file in inside or ([] if path.is_dir() and path.suffix != ".zarr" else [path]):
            ending = _ending(file, kinds)
            # a table, rather than the file of a patient
            alone = ending in TABLES and not inside and not (ending == ".txt" and _is_note(file))
            if ending and not alone and issubclass(KINDS[kinds[ending]], FileSource):
                written = file.name[-len(ending) :]  # a pattern has it as the names do: .PNG is no .png
                groups.setdefault((file.parent, written), []).append(file)
            elif ending and not alone:
                looks.append(Look(_name(file, ending), kinds[ending], file, ending))
            elif _is_table(file):
                looks += _tables(file, left)
            else:
                unknown.setdefault((file.parent, file.suffix.lower()), []).append(file.name)
    for names in unknown.values():  # a folder may hold thousands
        more = f" and {len(names) - 1} more of its folder" if len(names) > 1 else ""
        left.append(f"{names[0]}{more}: of a kind that is not known here")
    looks += _series_of_slices(groups)
    for (folder, ending), files in groups.items():
        kind = kinds[ending.lower()]
        stems = tuple(file.name[: -len(ending)] for file in files)
        if kind == "text" and _is_stay(files[0]):
            looks.append(Look(folder.name, "series", folder, ending, stems=()))
        else:
            looks.append(
                Look(folder.name if len(files) > 1 else _name(files[0], ending), kind, folder, ending, stems=stems)
            )
    return looks, left


def column_note(column: pd.Series) -> str:
    """Return what a column of text seems to be, as a short comment.

    Parameters
    ----------
    column
        Its cells as text.

    Examples
    --------
    >>> import pandas as pd
    >>> column_note(pd.Series(["50", "61", "> 89", None])), column_note(pd.Series(["f", "m", "f"]))
    ("numbers from 50 to 61, 1 empty; doubtful: '> 89' 1×", 'categories: f (2), m (1)')
    """
    cells = column.dropna().str.strip()
    cells = cells[~cells.map(is_sign)]
    empty = len(column) - len(cells)
    more = f", {empty} empty" if empty else ""
    if cells.empty:
        return "empty"
    if cells.map(is_date).mean() > 0.5:
        return f"doubtful: dates, as {cells.iloc[0]}: say what they become under dates:"
    numbers = numbers_of(cells)
    counts = cells.value_counts()
    if numbers.notna().mean() > 0.5:
        low, high = (f"{value:g}" for value in (numbers.min(), numbers.max()))
        odd = cells[numbers.isna() & ~cells.map(is_missing)].value_counts()
        words = listed((f"{shortened(str(word), 20)!r} {count}×" for word, count in odd.items()), 3)
        return f"numbers from {low} to {high}{more}" + (f"; doubtful: {words}" if words else "")
    if len(counts) >= FEWEST and (len(counts) * 2 > len(cells) or len(counts) > MOST_CATEGORIES):
        return f"doubtful: {counted(len(counts), 'different text')} in {counted(len(cells), 'row')}{more}"
    blank = [word for word in counts.index if word.casefold() in BLANK]
    more = f", {empty + int(counts[blank].sum())} empty" if empty or blank else ""
    counts = counts.drop(blank)
    if counts.empty:
        return "empty"
    words = listed((f"{shortened(str(word), 20)} ({count})" for word, count in counts.items()), 4)
    return ("one value alone: " if len(counts) == 1 else "categories: ") + words + more


def looks_like_outcome(frame: pd.DataFrame, name: str) -> str | None:
    """Return ``time``, ``event`` or ``label`` where a column looks like a part of an outcome, else None.

    Parameters
    ----------
    frame
        The table, as text.
    name
        Its column.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"os_months": ["5", "7"], "os_status": ["dead", "alive"], "age": ["50", "61"]})
    >>> [looks_like_outcome(table, name) for name in table]
    ['time', 'event', None]
    """
    different = frame[name].dropna().nunique()
    few = different <= 3
    if different == 2 and frame.shape[1] < WIDE and any(is_smiles(frame[o]) for o in frame.columns if o != name):
        return "label"  # of molecules yes or no is what is to be predicted
    if (_EVENT.search(name) or _ENDPOINT.fullmatch(name)) and few:
        return "event"
    if _LABEL.search(name) or (frame.shape[1] == 2 and 2 <= different <= FEWEST):
        return "label"  # a file of nothing but a few words by patient says what became of them
    return "time" if _TIME.search(name) and is_number(frame[name]) else None


def is_number(column: pd.Series) -> bool:
    """Return whether most cells of a column of text are numbers.

    Parameters
    ----------
    column
        Its cells.
    """
    cells = column.dropna().head(SAMPLE)
    return len(cells) > 0 and bool(numbers_of(cells[~cells.map(is_sign)]).notna().mean() > 0.5)


def numbers_of(cells: pd.Series) -> pd.Series:
    """Return cells of text as numbers, with decimal commas where they have such, NaN where they are none.

    Parameters
    ----------
    cells
        The cells.

    Examples
    --------
    >>> import pandas as pd
    >>> numbers_of(pd.Series(["3,5", "> 89"])).tolist()
    [3.5, nan]
    """
    import pandas as pd

    commas = "comma" if commas_are_decimal(set(cells)) else "point"
    return pd.Series([as_number(cell.strip(), commas) for cell in cells], index=cells.index, dtype=float)


def is_smiles(column: pd.Series) -> bool:
    """Return whether a column of text seems to hold molecules.

    Parameters
    ----------
    column
        Its cells.
    """
    cells = column.dropna().head(SAMPLE)
    words = [cell.strip() for cell in cells]
    like = [word for word in words if _SMILES.fullmatch(word) and re.search(r"[CNOc][a-z0-9()=#\[]*[CNOcn()=]", word)]
    return len(words) > 1 and len(like) > 0.9 * len(words) and any(re.search(r"[=()#\[]|1", word) for word in words)


def is_text(column: pd.Series) -> bool:
    """Return whether a column of text holds sentences.

    Parameters
    ----------
    column
        Its cells.
    """
    cells = column.dropna().head(SAMPLE)
    return len(cells) > 0 and bool((cells.str.count(r"\s+") >= 5).mean() > 0.5)


def _kinds() -> dict[str, str]:
    """Return by ending of a file which kind reads it; of two that do, one that somebody installed for such files."""
    KINDS.load_all()
    found: dict[str, str] = {}
    for kind, source in sorted(KINDS.items(), key=lambda item: item[1].__module__.split(".")[0] == "mmlego"):
        for ending in source.endings:
            found.setdefault(ending, kind)
    return found


def _ending(path: Path, kinds: Mapping[str, str]) -> str:
    """Return the longest ending of a file that a kind reads."""
    name = path.name.lower()
    return max((ending for ending in kinds if name.endswith(ending)), key=len, default="")


def _name(path: Path, ending: str = "") -> str:
    name = path.name[: -len(ending)] if ending else path.name
    for one in (*PACKED, *TABLES):
        name = name.removesuffix(one)
    return name.strip(". ") or "modality"


def _is_table(path: Path) -> bool:
    name = path.name.lower()
    for one in PACKED:
        name = name.removesuffix(one)
    return name.endswith(TABLES)


def _tables(path: Path, left: list[str]) -> list[Look]:
    """Return a table, or the sheets of a workbook; what cannot be read is told."""
    try:
        if path.suffix.lower() != ".xlsx":
            return [_first(path)]
        titles = sheet_headers(path)
    except LegoError as error:
        left.append(str(error))
        return []
    found = []
    for title, names in titles.items():
        try:
            frame = TableFile(path, names[-1], sheet=title).frame(text=("*",))
            one = Look(_name(path) if len(titles) == 1 else title, "table", path, frame=frame)
            found.append(one if len(titles) == 1 else replace(one, sheet=title))
        except LegoError as error:
            left.append(f"sheet {title!r}: {error}")
    return found


def _first(path: Path) -> Look:
    """Return the look of one table, its cells as text."""
    frame = read_table(path, _header(path)[-1], text=("*",))
    return Look(_name(path), "table", path, frame=frame.set_axis([str(name) for name in frame.columns], axis=1))


def _inside(path: Path) -> list[Path]:
    """Return the files in a folder; a folder of ``.zarr`` is one file."""
    if not path.is_dir() or path.suffix == ".zarr":
        return []
    found = []
    for one in sorted(path.iterdir()):
        if one.name.startswith("."):
            continue
        found += [one] if one.is_file() or one.suffix == ".zarr" else _inside(one)
    return found


def _are_stays(files: Sequence[Path]) -> bool:
    """Return whether files are tables of the same columns, one of which is a time: a stay each."""
    if not all(file.suffix.lower() in (".csv", ".tsv", ".psv") for file in files):
        return False
    names = _header(files[0])
    return time_of(names) is not None and all(_header(file) == names for file in files[1:5])


def _series_of_slices(groups: dict[tuple[Path, str], list[Path]]) -> list[Look]:
    """Take folders of DICOM files beside each other out of groups: each is a volume."""
    above: dict[Path, list[Path]] = {}
    for folder, ending in groups:
        if ending.lower() == ".dcm":
            above.setdefault(folder.parent, []).append(folder)
    found = []
    for parent, folders in above.items():
        if len(folders) > 1:
            stems = tuple(folder.name for folder in folders)
            ending = next(ending for folder, ending in groups if folder == folders[0] and ending.lower() == ".dcm")
            found.append(Look(parent.name, "volume", parent, ending, stems=stems, layout="folders"))
            for place in [place for place in groups if place[0] in folders and place[1].lower() == ".dcm"]:
                del groups[place]
    return found


def _header(path: Path) -> list[str]:
    """Return the names of the columns of a table whose key is not known."""
    if path.name.lower().endswith(".parquet"):
        parquet = import_extra("pyarrow.parquet", f"reading {path.name!r}", "'mmlego[parquet]'")
        try:
            return [str(name) for name in parquet.read_schema(path).names]
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {path.name!r} ({error})", expected="a whole Parquet file") from error
    lines = [line for line in read_lines(path) if line.strip() and not line.startswith("#")]
    if len(lines) < 2:
        raise InputError(
            f"{path.name!r} is no table", expected="names of columns and rows", got=counted(len(lines), "line")
        )
    separator = max(",;\t|", key=lines[0].count)
    names = [name for name in next(csv.reader(lines[:1], delimiter=separator)) if name.strip()]
    if not names:
        raise InputError(f"{path.name!r} does not name its columns")
    return names


def _is_note(path: Path) -> bool:
    """Return whether a text is none of the tables that end so, too: prose in lines of any number of commas."""
    try:
        names = [str(name) for name in _first(path).frame.columns]  # type: ignore[union-attr]
    except LegoError:
        return True
    words = sum(len(name.split()) > 1 for name in names)
    return len(names) < 2 or (words * 2 > len(names) and any(name.rstrip()[-1:] in set(".!?;") for name in names))


def _is_stay(path: Path) -> bool:
    """Return whether a text is a stay in the layout of PhysioNet: time, parameter, value."""
    try:
        first: Iterable[str] = read_lines(path)[:1]
    except InputError:
        return False
    return any(line.replace(" ", "").lower().startswith("time,parameter,value") for line in first)
