"""A file a cell: whole or not there; what failed is told, and forgotten once it is done."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from mmlego import InputError, LegoWarning
from mmlego.cells import CellFolder
from tests.cells.jobs import cell

CELLS = [cell(number) for number in range(3)]


def test_what_has_no_result_is_missing(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path / "cells")
    assert folder.missing(CELLS) == CELLS
    assert not folder.place.exists()
    folder.write(CELLS[1], {"square": 1}, seconds=0.1234)
    folder.write_failure(CELLS[2], "KeyError", "two", "Traceback …")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert folder.missing(CELLS) == [CELLS[0], CELLS[2]]
    assert folder.read(CELLS[1]) == {"square": 1}
    assert folder.cells() == [CELLS[1].config()]
    assert {path.name for path in folder.place.iterdir()} == {f"{CELLS[1].key}.json", f"{CELLS[2].key}.failed.json"}
    assert json.loads(folder.result(CELLS[1]).read_text())["seconds"] == 0.12
    with pytest.raises(InputError, match="no result of number 2"):
        folder.read(CELLS[2])


def test_a_failure_is_forgotten_once_the_cell_is_done(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path)
    folder.write_failure(CELLS[0], "KeyError", "none", "Traceback …")
    told = json.loads(folder.failure(CELLS[0]).read_text())
    assert told["error"] == {"type": "KeyError", "message": "none", "traceback": "Traceback …"}
    assert told["cell"] == CELLS[0].config()
    folder.write(CELLS[0], {}, seconds=1)
    assert not folder.failure(CELLS[0]).exists()


@pytest.mark.parametrize("content", ["", '{"result": ', "[]", "{}", '{"result": 3}', b"\xff\xfe"])
def test_a_damaged_result_is_run_again_and_said(tmp_path: Path, content: str | bytes) -> None:
    folder = CellFolder(tmp_path)
    folder.result(CELLS[0]).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.warns(LegoWarning, match=f"{CELLS[0].key}.json is damaged: number 0 is run again"):
        assert folder.missing(CELLS[:1]) == CELLS[:1]
