"""What files seem to hold, seen without a manifest: which kind, whose, and what each column looks like."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mmlego.data.kinds.file_sources import FileSource
from mmlego.data.kinds.registry import KINDS
from mmlego.data.reading.files import read_lines
from mmlego.data.reading.tables import read_table
from mmlego.data.reading.telling import FEWEST, MOST_CATEGORIES
from mmlego.errors import InputError, LegoError
from mmlego.extras import import_extra
from mmlego.wording import counted, listed, shortened

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".tsv", ".psv", ".txt", ".parquet")
PACKED = (".gz", ".zip")
WIDE = 100  # columns of numbers
SAMPLE = 2000  # rows of a table that are looked at for what a column is

_EVENT = re.compile(r"event|status|death|dead|died|deceased|vital|censor|relapse|recurrence|progress", re.IGNORECASE)
_TIME = re.compile(
    r"(?:^|[_. ])(?:os|pfs|dfs|dss|efs|rfs|ttp|time|days?|weeks?|months?|years?)(?:$|[_. ])|"
    r"survival|follow|length.of.stay|(?:^|_)los(?:$|_)",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^(?:y|label|class|target|outcome|diagnosis|response|responder|subtype)$|mortality|readmi|"
    r"_(?:label|class|target|outcome|diagnosis|response)$",
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
    notes
        What was found, and what is doubtful.
    """

    name: str
    kind: str
    place: Path
    ending: str = ""
    frame: pd.DataFrame | None = None
    stems: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


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
    kinds = _kinds()
    groups: dict[tuple[Path, str], list[Path]] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"there is no file {path}")
        inside = (
            sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")) if path.is_dir() else []
        )
        for file in inside or [path]:
            ending = _ending(file, kinds)
            alone = ending in TABLES and not inside  # a table, rather than the file of a patient
            if ending and not alone and issubclass(KINDS[kinds[ending]], FileSource):
                groups.setdefault((file.parent, ending), []).append(file)
            elif ending and not alone:
                looks.append(Look(_name(file, ending), kinds[ending], file, ending))
            elif _is_table(file):
                table = _table(file, left)
                looks += [] if table is None else [table]
            else:
                left.append(f"{file.name}: a file of a kind that is not known here")
    for (folder, ending), files in groups.items():
        kind = kinds[ending]
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
    import pandas as pd

    cells = column.dropna()
    cells = cells[cells.str.strip() != ""]
    empty = len(column) - len(cells)
    more = f", {empty} empty" if empty else ""
    if cells.empty:
        return "empty"
    numbers = pd.to_numeric(cells, errors="coerce")
    counts = cells.value_counts()
    if numbers.notna().mean() > 0.5:
        low, high = (f"{value:g}" for value in (numbers.min(), numbers.max()))
        odd = cells[numbers.isna()].value_counts()
        words = listed((f"{shortened(str(word), 20)!r} {count}×" for word, count in odd.items()), 3)
        return f"numbers from {low} to {high}{more}" + (f"; doubtful: {words}" if words else "")
    if len(counts) >= FEWEST and (len(counts) * 2 > len(cells) or len(counts) > MOST_CATEGORIES):
        return f"doubtful: {counted(len(counts), 'different text')} in {counted(len(cells), 'row')}{more}"
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
    if different == 2 and any(is_smiles(frame[other]) for other in frame.columns if other != name):
        return "label"  # of molecules yes or no is what is to be predicted
    if _EVENT.search(name) and few:
        return "event"
    if _LABEL.search(name):
        return "label"
    return "time" if _TIME.search(name) and is_number(frame[name]) else None


def is_number(column: pd.Series) -> bool:
    """Return whether most cells of a column of text are numbers.

    Parameters
    ----------
    column
        Its cells.
    """
    import pandas as pd

    cells = column.dropna().head(SAMPLE)
    return len(cells) > 0 and bool(pd.to_numeric(cells, errors="coerce").notna().mean() > 0.5)


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
    """Return by ending of a file which kind reads it; of two that do, the one that was registered first."""
    KINDS.load_all()
    found: dict[str, str] = {}
    for kind, source in KINDS.items():
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


def _table(path: Path, left: list[str]) -> Look | None:
    try:
        header = _header(path)
        frame = read_table(path, header[-1], text=("*",))
    except LegoError as error:
        left.append(str(error))
        return None
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    return Look(_name(path), "table", path, frame=frame)


def _header(path: Path) -> list[str]:
    """Return the names of the columns of a table whose key is not known."""
    if path.name.lower().endswith(".parquet"):
        parquet = import_extra("pyarrow.parquet", f"reading {path.name!r}", "'mmlego[parquet]'")
        return [str(name) for name in parquet.read_schema(path).names]
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


def _is_stay(path: Path) -> bool:
    """Return whether a text is a stay in the layout of PhysioNet: time, parameter, value."""
    try:
        first: Iterable[str] = read_lines(path)[:1]
    except InputError:
        return False
    return any(line.replace(" ", "").lower().startswith("time,parameter,value") for line in first)
