"""What ``file:`` of stays names: a bundle of files or one table, of which layout, and the hash of its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from mmlego.data.kinds.series.physionet import HEADER
from mmlego.data.kinds.series.wide_tables import meant_time, separator_of
from mmlego.data.reading.bundles import ARCHIVES
from mmlego.data.reading.dialect import SEPARATORS
from mmlego.data.reading.files import PACKED
from mmlego.errors import InputError
from mmlego.wording import listed


def is_bundle(path: Path) -> bool:
    """Return whether a path holds a text file a stay, rather than one table, which may be packed too.

    Parameters
    ----------
    path
        What ``file:`` names.

    Examples
    --------
    >>> is_bundle(Path("set-a.tar.gz")), is_bundle(Path("labs.csv.gz"))
    (True, False)
    """
    name = path.name.lower()
    tables = tuple(f"{kind}{packed}" for kind in SEPARATORS for packed in PACKED)
    return path.is_dir() or (name.endswith(ARCHIVES) and not name.endswith(tables))


def refuse_wide(files: Sequence[tuple[str, bytes]], where: str) -> None:
    """Refuse files that all are wide tables, rather than each as damaged.

    Parameters
    ----------
    files
        Name and bytes of each.
    where
        The folder or archive, for messages.

    Raises
    ------
    InputError
        If the first files have more columns than files of the PhysioNet layout.
    """
    headers = []
    for name, content in files[:3]:
        first = content.partition(b"\n")[0].decode("utf-8-sig", errors="replace").strip()
        cells = [cell.strip() for cell in first.split(separator_of(name, first))]
        if cells == HEADER or "\ufffd" in first:
            return
        headers.append(cells)
    if headers and len(headers[0]) > len(HEADER) - 1:
        raise InputError(
            f"the files in {where!r} are no stays of the PhysioNet layout, {','.join(HEADER)}",
            expected="files of that layout, unless another is declared",
            got=f"columns {listed(headers[0])}",
            remedy=f"With a column a variable and a row an hour, declare layout: wide. {meant_time(headers[0])}",
        )


def hashed(values: object) -> str | None:
    """Return a hash of values that JSON can hold; None of None.

    Parameters
    ----------
    values
        The values.
    """
    return None if values is None else hashlib.sha256(json.dumps(values).encode()).hexdigest()


def digest_of(files: Sequence[Path]) -> str:
    """Return a hash of the content of files.

    Parameters
    ----------
    files
        Their paths, in order.

    Raises
    ------
    InputError
        If one cannot be read.
    """
    hashed = hashlib.sha256()
    for path in files:
        try:
            with path.open("rb") as file:
                hashed.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise InputError(f"cannot read {path.name!r} ({error.strerror})") from error
    return hashed.hexdigest()
