"""Notebooks: each runs from top to bottom, and what is kept in it is what comes out."""

from __future__ import annotations

import base64
import copy
import json
import re
from pathlib import Path

import pytest

from tests.notebooks import NOTEBOOKS, keep, lacking, read, run_notebook
from tests.terminal import inside


@pytest.mark.slow
@pytest.mark.usefixtures("all_trees")
@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_a_notebook_gives_what_it_shows(notebook: Path, tmp_path: Path) -> None:
    with inside(tmp_path):
        for cell, outputs in run_notebook(notebook):
            assert lacking(cell, outputs) == [], "".join(cell["source"])


def test_there_are_four() -> None:
    assert len(NOTEBOOKS) == 4


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_a_notebook_is_short_and_tells_nothing_of_a_machine(notebook: Path) -> None:
    content = read(notebook)
    cells = content["cells"]
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    assert 8 <= len(cells) <= 15
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert "".join(cells[0]["source"]).startswith("# ")
    assert not re.search(r"(?:/home/|/tmp|/usr/|/root|/work|C:\\\\)|timestamp|\d{4}-\d\d-\d\dT", json.dumps(cells))
    kept = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in kept] == list(range(1, len(kept) + 1))
    shown = [output.get("data", {}) for cell in kept for output in cell["outputs"]]
    pictures = [data["image/png"] for data in shown if "image/png" in data]
    assert pictures
    assert all(len(base64.b64decode(picture)) < 100_000 for picture in pictures)


def test_what_comes_out_is_kept_and_compared(tmp_path: Path) -> None:
    code = (
        "import pandas as pd\nfrom matplotlib import pyplot\nprint('two', 1 / 3)\npyplot.plot([1, 2])\npd.Series([0.5])"
    )
    cells = [
        {"cell_type": "markdown", "source": ["# One"]},
        {"cell_type": "code", "source": code.splitlines(keepends=True), "outputs": []},
    ]
    notebook = tmp_path / "one.ipynb"
    notebook.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    keep(notebook)
    (_, cell), [(_, again)] = read(notebook)["cells"], run_notebook(notebook)
    assert cell["outputs"][0]["text"] == ["two 0.3333333333333333\n"]
    assert cell["outputs"][1]["data"]["text/plain"] == ["0    0.5\n", "dtype: float64"]
    assert cell["outputs"][2]["data"]["image/png"] == again[2]["data"]["image/png"]
    assert lacking(cell, again) == []
    other = copy.deepcopy(again)
    other[0]["text"] = ["two 0.34\n"]
    assert lacking(cell, other) == []
    other[0]["text"] = ["two 0.4\n"]
    assert lacking(cell, other) == ["two 0.3333333333333333"]
    assert lacking(cell, again[:2]) == ["<Figure>"]
    assert lacking(cell, [*again, again[0]]) != []


def test_a_cell_that_raises_fails(tmp_path: Path) -> None:
    notebook = tmp_path / "one.ipynb"
    cells = [{"cell_type": "code", "source": ["1 / 0"], "outputs": []}]
    notebook.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    with pytest.raises(ZeroDivisionError):
        list(run_notebook(notebook))
