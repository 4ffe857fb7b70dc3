"""Where cells leave what they found: a file each, which is there whole or not at all."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmlego.cells.cell import Cell, plain
from mmlego.errors import InputError, LegoWarning
from mmlego.files import write_atomically
from mmlego.json_files import read_json


@dataclass(frozen=True)
class CellFolder:
    """A folder of cells: ``KEY.json`` of those that are done, ``KEY.failed.json`` of those that went wrong.

    Parameters
    ----------
    place
        The folder.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> cell = Cell("bricks", "mine", "ab", {}, {}, {}, {"fold": 1}, 0, {})
    >>> with TemporaryDirectory() as place:
    ...     folder = CellFolder(Path(place))
    ...     before = len(folder.missing([cell]))
    ...     folder.write(cell, {"score": 0.5}, seconds=1.0)
    ...     before, len(folder.missing([cell])), folder.read(cell)
    (1, 0, {'score': 0.5})
    """

    place: Path

    def result(self, cell: Cell) -> Path:
        """Return where the result of a cell stands once it is done."""
        return self.place / f"{cell.key}.json"

    def failure(self, cell: Cell) -> Path:
        """Return where it is told what went wrong with a cell."""
        return self.place / f"{cell.key}.failed.json"

    def missing(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells that have no result yet; one that cannot be read counts as none, and it is said so."""
        found = []
        for cell in cells:
            known = _content(self.result(cell)) if self.result(cell).is_file() else None
            if known is None:
                found.append(cell)
                if self.result(cell).is_file():
                    told = f"{self.result(cell)} is damaged: {cell.label or 'this cell'} is run again."
                    warnings.warn(told, LegoWarning, stacklevel=3)
        return found

    def read(self, cell: Cell) -> dict[str, Any]:
        """Return the result of a cell.

        Raises
        ------
        InputError
            If it is not there.
        """
        found = _content(self.result(cell))
        if found is None:
            raise InputError(f"no result of {cell.label or cell.key}", expected=f"a file {self.result(cell)}")
        return found

    def write(self, cell: Cell, result: Mapping[str, Any], *, seconds: float) -> None:
        """Keep the result of a cell; what had gone wrong with it before is forgotten."""
        content = {"cell": cell.config(), "label": cell.label, "seconds": round(seconds, 2), "result": result}
        write_atomically(self.result(cell), json.dumps(plain(content)) + "\n")
        self.failure(cell).unlink(missing_ok=True)

    def write_failure(self, cell: Cell, kind: str, message: str, traceback: str) -> None:
        """Keep what went wrong with a cell."""
        error = {"type": kind, "message": message, "traceback": traceback}
        content = {"cell": cell.config(), "label": cell.label, "error": error}
        write_atomically(self.failure(cell), json.dumps(plain(content), indent=1) + "\n")

    def cells(self) -> list[dict[str, Any]]:
        """Return the cells whose results are there, of whatever runs; empty where a file does not say which."""
        files = sorted(file for file in self.place.glob("*.json") if not file.name.endswith(".failed.json"))
        found = [(_whole(file) or {}).get("cell") for file in files]
        return [cell if isinstance(cell, dict) else {} for cell in found]


def _whole(file: Path) -> dict[str, Any] | None:
    try:
        found = read_json(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _content(file: Path) -> dict[str, Any] | None:
    found = (_whole(file) or {}).get("result")
    return found if isinstance(found, dict) else None
