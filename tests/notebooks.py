"""Notebooks of the documentation as Jupyter runs them, without Jupyter: cells in order, in one namespace.

``python -m tests.notebooks NOTEBOOK`` runs one and keeps in it what came out: what is printed, the last value of a cell
as text and as a table, pictures.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.pages import ROOT, differences
from tests.terminal import inside

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
DOTS = 80  # an inch
Cell = dict[str, Any]


def read(notebook: Path) -> dict[str, Any]:
    """Return a notebook as it stands in its file."""
    content: dict[str, Any] = json.loads(notebook.read_text(encoding="utf-8"))
    return content


def run_notebook(notebook: Path) -> Iterator[tuple[Cell, list[dict[str, Any]]]]:
    """Run a notebook in the folder of now; yield each cell of code with what came out of it."""
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    plt.close("all")
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(read(notebook)["cells"]):
        if cell["cell_type"] != "code":
            continue
        where = f"{notebook.name}:{number}"
        tree = ast.parse("".join(cell["source"]), where)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        out, value = io.StringIO(), None
        with contextlib.redirect_stdout(out):
            exec(compile(tree, where, "exec", dont_inherit=True), names)
            if last is not None and isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), where, "eval", dont_inherit=True), names)
        yield cell, [*_printed(out.getvalue()), *_shown(value), *_pictures()]


def _printed(text: str) -> list[dict[str, Any]]:
    return [{"name": "stdout", "output_type": "stream", "text": _lines(text)}] if text else []


def _shown(value: object) -> list[dict[str, Any]]:
    import pandas as pd

    if value is None:
        return []
    with pd.option_context("display.width", 200, "display.max_columns", 20, "display.max_colwidth", 40):
        data = {"text/plain": _lines(repr(value))}
    table = getattr(value, "_repr_html_", None)
    if table is not None:
        data = {"text/html": _lines(table()), **data}
    return [{"data": data, "execution_count": None, "metadata": {}, "output_type": "execute_result"}]


def _pictures() -> list[dict[str, Any]]:
    import matplotlib.pyplot as plt

    found = []
    for number in plt.get_fignums():
        picture = io.BytesIO()
        plt.figure(number).savefig(picture, format="png", dpi=DOTS, bbox_inches="tight", metadata={"Software": None})
        data = {"image/png": base64.b64encode(picture.getvalue()).decode() + "\n", "text/plain": ["<Figure>"]}
        found.append({"data": data, "metadata": {}, "output_type": "display_data"})
    plt.close("all")
    return found


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def words_of(outputs: list[dict[str, Any]]) -> str:
    """Return what came out of a cell as text; of a picture, that there is one."""
    parts = [output["text"] if "text" in output else output["data"]["text/plain"] for output in outputs]
    return "\n".join("".join(part) for part in parts)


def lacking(cell: Cell, outputs: list[dict[str, Any]]) -> list[str]:
    """Return the lines that are kept in a cell and did not come out now; numbers may be off by rounding."""
    kept, now = words_of(cell["outputs"]), words_of(outputs)
    found = differences(kept, now)
    if not found and len(kept.split()) != len(now.split()):
        found = [f"{len(now.split())} words in place of {len(kept.split())}"]
    return found


def keep(notebook: Path) -> None:
    """Run a notebook and write into it what came out."""
    content = read(notebook)
    with tempfile.TemporaryDirectory() as folder, inside(Path(folder)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = iter([outputs for _, outputs in run_notebook(notebook)])
    count = 0
    for number, cell in enumerate(content["cells"]):
        cell["id"], cell["metadata"] = f"cell-{number}", {}
        if cell["cell_type"] == "code":
            count += 1
            cell["outputs"], cell["execution_count"] = next(made), count
            for output in cell["outputs"]:
                if output["output_type"] == "execute_result":
                    output["execution_count"] = count
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content |= {"metadata": {"kernelspec": kernel, "language_info": {"name": "python"}}, "nbformat": 4}
    content |= {"nbformat_minor": 5}
    text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True)
    notebook.write_text(re.sub(r" +$", "", text, flags=re.MULTILINE) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        keep(Path(name).resolve())
