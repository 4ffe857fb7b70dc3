"""Tables as files that programs of others read: CSV, Parquet or Excel, and nothing replaced unasked."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import TYPE_CHECKING

from mmlego.commands.show import short
from mmlego.errors import InputError
from mmlego.extras import import_extra
from mmlego.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

_NEEDS = {".csv": None, ".parquet": ("pyarrow", "parquet"), ".xlsx": ("openpyxl", "excel")}


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


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table with its index, whole or not at all.

    Parameters
    ----------
    frame
        The table, indexed by patient.
    path
        Where, as :func:`check_place` allows it.
    """
    suffix = path.suffix.lower()
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
