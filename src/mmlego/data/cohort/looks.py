"""What files seem to hold, seen without a manifest: which kind, whose, and what each column looks like."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmlego.data.cohort.known_layouts import first_rows, is_meds, time_of
from mmlego.data.kinds.file_sources import FileSource
from mmlego.data.kinds.registry import KINDS
from mmlego.data.reading.files import read_lines
from mmlego.data.reading.tables import TableFile, read_table
from mmlego.data.reading.workbooks import sheet_headers
from mmlego.errors import InputError, LegoError
from mmlego.extras import import_extra
from mmlego.wording import counted

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".tsv", ".psv", ".txt", ".parquet", ".xlsx")
PACKED = (".gz", ".zip")


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
    refused
        Why the file is no table with a row a patient, where the first rows of a matrix are all that was read.
    """

    name: str
    kind: str
    place: Path
    ending: str = ""
    frame: pd.DataFrame | None = None
    stems: tuple[str, ...] = ()
    layout: str = ""
    sheet: str | None = None
    refused: str = ""


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
    """Return the look of one table, its cells as text; of a matrix below lines about it, the first rows."""
    refused = ""
    try:
        frame = read_table(path, _header(path)[-1], text=("*",))
    except LegoError as error:
        matrix = first_rows(path)
        if matrix is None:
            raise
        frame, refused = matrix, str(error)
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    return Look(_name(path), "table", path, frame=frame, refused=refused)


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
