"""Tables as files that programs of others read: CSV, Parquet or Excel, and nothing replaced unasked."""

from __future__ import annotations

import errno
import io
import json
import re
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmlego.commands.show import short
from mmlego.errors import InputError
from mmlego.extras import import_extra
from mmlego.files import write_atomically
from mmlego.json_files import read_json

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_NEEDS = {".csv": None, ".json": None, ".parquet": ("pyarrow", "parquet"), ".xlsx": ("openpyxl", "excel")}


def check_place(path: Path, *, overwrite: bool) -> None:
    """Refuse a file that cannot be written, before anything is computed.

    Parameters
    ----------
    path
        Where the table shall stand.
    overwrite
        Whether a file that stands there may be replaced.

    Raises
    ------
    InputError
        If it is there already, or of a kind that is not written.
    MissingExtraError
        If the package that writes it is not installed.
    IsADirectoryError
        If it is a folder.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "Is a directory", str(path))
    suffix = path.suffix.lower()
    if suffix not in _NEEDS:
        raise InputError(f"{path.name!r} is of a kind that is not written", expected=f"one of {', '.join(_NEEDS)}")
    need = _NEEDS[suffix]
    if need is not None:
        import_extra(need[0], f"writing {path.name!r}", f"'mmlego[{need[1]}]'")
    if path.exists() and not overwrite:
        remedy = "Choose another place with --out, or pass --overwrite."
        raise InputError(f"{short(path)} is there already", remedy=remedy)


def refuse_data(path: Path, data: Path, folders: Sequence[Path] | None) -> None:
    """Refuse to replace a manifest, or a file that it names: no result is worth the patients' own tables.

    Parameters
    ----------
    path
        What is to be written.
    data
        The manifest.
    folders
        Where its files lie; None: beside it.

    Raises
    ------
    InputError
        If it would be replaced.
    """
    from mmlego.data.cohort.manifest import load_manifest

    if not path.is_file() or not data.is_file():
        return
    found = [data]
    for text in _texts(load_manifest(data)):
        for root in [*(folders or []), data.parent]:
            try:
                found += root.glob(re.sub(r"\{[^}]*\}", "*", text)) if "{" in text or "*" in text else [root / text]
            except (OSError, ValueError, NotImplementedError):
                continue  # no path at all
    if any(_same(path, one) for one in found):
        raise InputError(
            f"{short(path)} belongs to the cohort",
            expected="a place for the result",
            got=f"a file that {short(data)} reads",
            remedy="Choose another place.",
        )


def check_json(path: Path | None) -> None:
    """Refuse a file that an answer would replace though no verb has written it there.

    Parameters
    ----------
    path
        What is to be written; None: nothing.

    Raises
    ------
    InputError
        If something else than an answer in JSON stands there, as a table or the configuration of a checkpoint; or the
        name is not that of a file in JSON.
    """
    if path is None:
        return
    if not path.exists():
        if path.suffix.lower() != ".json":
            raise InputError("--out", expected="the name of a file in JSON, as answer.json", got=str(path))
        return
    try:
        content = read_json(path)
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict | list) or (isinstance(content, dict) and "format" in content):
        raise InputError(
            f"{short(path)} is there already, and no answer of mmlego",
            expected="a new file, or an earlier answer in JSON to replace",
            remedy="Choose another place with --out.",
        )


def _texts(content: object) -> list[str]:
    """Return all texts that a manifest holds, some of which are paths."""
    if isinstance(content, Mapping):
        return [text for part in content.values() for text in _texts(part)]
    if isinstance(content, list | tuple):
        return [text for part in content for text in _texts(part)]
    return [content] if isinstance(content, str) and content and not content.startswith("/") else []


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # it is not there, or no path
        return False


def write_table(frame: pd.DataFrame, path: Path, *, digits: int | None = None) -> None:
    """Write a table with its index, whole or not at all; as JSON a list with an object a row, null where nothing is.

    Parameters
    ----------
    frame
        The table, indexed by patient.
    path
        Where, as :func:`check_place` allows it.
    digits
        Significant digits of numbers with decimals; None: all.
    """
    suffix = path.suffix.lower()
    if suffix == ".json":
        write_atomically(path, json.dumps(plain_rows(frame, digits), ensure_ascii=False, indent=1) + "\n")
        return
    if digits is not None:
        frame = _rounded(frame, digits)
    if suffix == ".csv":
        write_atomically(path, frame.to_csv())
        return
    buffer = io.BytesIO()
    plain = frame.reset_index()
    if suffix == ".parquet":
        plain.to_parquet(buffer, index=False)
    else:
        plain.to_excel(buffer, index=False)
    write_atomically(path, buffer.getvalue())


def plain_rows(frame: pd.DataFrame, digits: int | None = None) -> list[dict[str, Any]]:
    """Return the rows of a table, its index among them, as JSON holds them; None where nothing is.

    Parameters
    ----------
    frame
        The table, indexed by patient.
    digits
        Significant digits of numbers with decimals; None: all.
    """
    rows = (frame if digits is None else _rounded(frame, digits)).reset_index().to_dict("records")
    return [{str(name): None if value != value else value for name, value in row.items()} for row in rows]


def brief_table(frame: pd.DataFrame, width: int, most: int = 5) -> Table:
    """Return the first rows of predictions for a terminal, each interval in the column of what it belongs to.

    Parameters
    ----------
    frame
        Indexed by patient; of a column ``x`` the columns ``x_low_95`` and ``x_high_95`` may be the interval.
    width
        Columns of the terminal: where they suffice no word is cut in two.
    most
        Rows at most.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(str(frame.index.name or "patient"), overflow="fold")
    ends = {name: _interval_of(name, frame) for name in frame.columns}
    bounds = {bound for pair in ends.values() for bound in pair}
    told = {name for name in frame.columns if f"{name}_percentile" in frame}  # a risk has an order and no size
    if len(told) > 1:  # of several causes the group, which the percentile tells as well, has no room
        told |= {f"{name}_group" for name in told}
    shown = [name for name in frame.columns if name not in bounds | told]
    cells = {name: [_cell(row, name, ends[name]) for _, row in frame.head(most).iterrows()] for name in shown}
    heads = {name: str(name).replace("_", " ") for name in shown}
    texts = {name: [heads[name], *cells[name]] for name in shown}
    words = {name: max(len(word) for text in texts[name] for word in [*text.split(), ""]) for name in shown}
    lines = {name: max(len(line) for text in texts[name] for line in text.split("\n")) for name in shown}
    room = width - 2 * len(shown)
    room -= max(map(len, [str(frame.index.name or "patient"), *map(str, frame.head(most).index)]), default=0)
    fixed = sum(words.values()) <= room < sum(lines.values())
    for name in shown:
        table.add_column(heads[name], justify="right", overflow="fold", width=words[name] if fixed else None)
    for row, patient in enumerate(frame.head(most).index):
        table.add_row(str(patient), *(cells[name][row] for name in shown))
    return table


def _cell(row: pd.Series, name: str, ends: tuple[str, ...]) -> str:
    text = _brief(row[name])
    if ends and text and not row[list(ends)].isna().all():
        text += f"\n{_brief(row[ends[0]], 2)}–{_brief(row[ends[1]], 2)}"
    return text.replace(" (", "\n(")


def _interval_of(name: str, frame: pd.DataFrame) -> tuple[str, ...]:
    low = next((other for other in frame.columns if str(other).startswith(f"{name}_low_")), None)
    return () if low is None else (low, str(low).replace(f"{name}_low_", f"{name}_high_"))


def _brief(value: object, digits: int = 3) -> str:
    if isinstance(value, Real) and not isinstance(value, Integral | bool):
        return "" if value != value else f"{value:.{digits}g}"
    return str(value)


def _rounded(frame: pd.DataFrame, digits: int) -> pd.DataFrame:
    import numpy as np

    made = frame.copy()
    for name in frame.columns:
        values = frame[name].to_numpy()
        if values.dtype.kind == "f":
            made[name] = np.array([float(f"{value:.{digits}g}") for value in values.astype(float).tolist()])
    return made
